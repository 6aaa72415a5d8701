"""`make simulate`: run seeds of the simulation, and print of those that fail what was found.

python -m tests.simulation [--seeds 500] [--first 0] [--workers 2] runs many; --seed N runs one and prints its trace.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections import Counter
from multiprocessing import get_context

from tests.simulation.simulation import simulate

HASHES = "PYTHONHASHSEED"  # sets of strings have an order of each process otherwise


def outcome(seed: int) -> tuple[int, Counter[str], str]:
    """Run a seed; return it with what there was and what was found."""
    logging.disable(logging.CRITICAL)
    counts, found, _ = simulate(seed)
    return seed, counts, found


def run_many(seeds: range, workers: int) -> int:
    """Run seeds; return the exit code."""
    began, total, failed = time.monotonic(), Counter[str](), list[int]()
    with get_context("fork").Pool(workers) as pool:
        for seed, counts, found in pool.imap_unordered(outcome, seeds, chunksize=4):
            total += counts
            if found:
                failed.append(seed)
                print(f"seed {seed}: {found}", flush=True)
    print(" ".join(f"{what}={count}" for what, count in sorted(total.items())))
    print(f"{len(seeds)} seeds in {time.monotonic() - began:.0f} s, {len(failed)} failed")
    if failed:
        print(f"the same again, with its trace: make simulate SEED={min(failed)}")
    return int(bool(failed))


def main() -> int:
    """Do as the command line says; return the exit code."""
    if os.environ.get(HASHES) != "0":
        os.environ[HASHES] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    if options.seed is None:
        return run_many(range(options.first, options.first + options.seeds), options.workers)
    logging.disable(logging.INFO)
    counts, found, trace = simulate(options.seed)
    print("\n".join(trace))
    print(found or f"nothing found: {dict(counts)}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
