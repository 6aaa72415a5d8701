"""`make soak`: requests drawn at random, watches under faults, and simulations, round after round, for MINUTES.

python -m tests.soak [--minutes 10] [--seed N] prints the seed first, then each round with counts. The first fault
ends it with a traceback and exit code 1.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.contract import dynoxide
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.requests import Requests
from tests.unit.controllers.world import World
from tests.watches import rounds

ROUND_SECONDS = 30.0
SIMULATED = 100  # seeds of the simulation in a round
WORLD_REQUESTS = 1500  # after which quotas, limits and definitions that were drawn let little through: a new one


def fuzz(folder: Path, seed: str) -> Counter[str]:
    """Send drawn requests for a round; return how many had each status. Raises AssertionError."""
    requests, counts, end = Requests(seed), Counter[str](), time.monotonic() + ROUND_SECONDS
    number = 0
    while time.monotonic() < end:
        number += 1
        storage = SqliteStorage(folder / f"{number}.sqlite")
        world = World(storage, user_requests_per_second=0, namespace_objects=0)
        fuzzer = Fuzzer(world)
        while fuzzer.sent < WORLD_REQUESTS and time.monotonic() < end:
            counts[str(fuzzer.send(requests.any()))] += 1
        world.plane.close()
    return counts


def simulation(seed: str) -> Counter[str]:
    """Run seeds of `make simulate` in a process of their own; return how many. Raises AssertionError."""
    first = random.Random(seed).randrange(10**6, 10**9)
    options = ["--first", str(first), "--seeds", str(SIMULATED), "--workers", "1"]
    done = subprocess.run([sys.executable, "-m", "tests.simulation", *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return Counter(seeds=SIMULATED)


def main() -> int:
    """Go round until the time is over; return the exit code."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", default=str(secrets.randbelow(10**9)))
    options = parser.parse_args()
    logging.disable(logging.INFO)  # the audit log
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ[name] = "testing"
    print(f"SEED={options.seed} MINUTES={options.minutes:g}", flush=True)
    kinds: dict[str, Callable[[Path, str], Counter[str]]] = {
        "requests": fuzz,
        "watches on SQLite": lambda folder, seed: rounds.run("sqlite", folder, seed, seconds=ROUND_SECONDS),
        "watches on DynamoDB": lambda folder, seed: rounds.run("dynamodb", folder, seed, seconds=ROUND_SECONDS),
        "simulation": lambda _, seed: simulation(seed),
    }
    if not dynoxide.missing():
        kinds["watches on dynoxide"] = lambda folder, seed: rounds.run("dynoxide", folder, seed, seconds=ROUND_SECONDS)
    end, number = time.monotonic() + options.minutes * 60, 0
    while time.monotonic() < end:
        for name, run in kinds.items():
            seed = f"{options.seed}-{number}"
            with tempfile.TemporaryDirectory() as folder:
                print(f"{name} {seed}: ", end="", flush=True)
                counts = run(Path(folder), seed)
            print(" ".join(f"{what}={count}" for what, count in sorted(counts.items())), flush=True)
        number += 1
    print("nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
