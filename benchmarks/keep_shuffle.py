"""What is computed anew when executors end in the middle of a job, with `run --keep-shuffle` and without.

Real Spark on local processes. A map stage is computed once and its shuffle data read in round after round. At seeded
moments all executors are ended: as Spot does and `kubectl delete`, which leave a pod its grace, or killed at once, when
nothing is handed over. Tasks and stages are counted in Spark's event log.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from chalicelib.apimachinery.accessors import labels_of, phase_of
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK
from sparkanywhere.local.kubeconfig import CONTEXT
from sparkanywhere.local.local_server import temporary_server

SEED = 20261130
SPARK = os.environ.get("SPARK", DEFAULT_SPARK)
EXECUTORS, MAPS, ROUNDS = 2, 8, 6
ENDED_IN = (2, 4)  # rounds in which all executors are ended, at a moment of the seed's
LATEST_SECONDS, LOOK_SECONDS, JOB_SECONDS = 2.0, 0.2, 900.0
PODS = "/api/v1/namespaces/default/pods"
PROGRAM = f"""
import pathlib, sys, time
from pyspark.sql import SparkSession

def slowly(rows):
    time.sleep(1)
    yield from rows

context = SparkSession.builder.getOrCreate().sparkContext
pairs = context.range(100_000, numSlices={MAPS}).mapPartitions(slowly).map(lambda n: (n % 997, n))
sums = pairs.reduceByKey(lambda a, b: a + b, 4)
began = time.monotonic()
for number in range({ROUNDS}):
    pathlib.Path(sys.argv[1], f"round-{{number}}").touch()
    assert sums.mapPartitions(slowly).count() == 997
print(f"seconds {{time.monotonic() - began:.0f}}", flush=True)
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job has computed beyond what it would without any loss, and how long its rounds took."""

    map_tasks: int
    map_stages: int
    failed_tasks: int
    seconds: int


def run() -> str:
    """Return a table of what was computed anew."""
    cases = [(is_kept, grace) for grace in ("", "0") for is_kept in (False, True)]
    rows = [row(is_kept, grace, outcome(is_kept=is_kept, grace=grace)) for is_kept, grace in cases]
    head = (
        f"Spark {SPARK}, {EXECUTORS} executors, {MAPS} map tasks read in {ROUNDS} rounds; all executors ended in"
        f" {len(ENDED_IN)} of them (seed {SEED}):\n\n"
        "| executors | `--keep-shuffle` | map tasks computed anew | map stages anew | failed tasks | rounds took |\n"
        "|---|---|--:|--:|--:|--:|\n"
    )
    return head + "".join(rows)


def row(is_kept: bool, grace: str, found: Outcome) -> str:
    """Return a line of the table."""
    how = "killed at once" if grace else "ended with their grace, as by Spot"
    kept = "a folder" if is_kept else "without"
    counts = f"{found.map_tasks} | {found.map_stages} | {found.failed_tasks} | {found.seconds} s"
    return f"| {how} | {kept} | {counts} |\n"


def outcome(*, is_kept: bool, grace: str) -> Outcome:
    """Run the job once, end its executors, and return what came of it."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        temporary_server(os.environ, prefix="bench", provider="process") as server,
    ):
        folder, client = Path(name), KubeClient(server.start())
        program = folder / "rounds.py"
        program.write_text(PROGRAM)
        conf = {"enabled": "true", "dir": f"file://{folder}", "compress": "false", "rolling.enabled": "false"}
        settings = [word for key, text in conf.items() for word in ("--conf", f"spark.eventLog.{key}={text}")]
        kept = ["--keep-shuffle", str(folder / "shuffle")] if is_kept else []
        options = ["--context", CONTEXT, "--executors", str(EXECUTORS), "--spark", SPARK, *settings, *kept]
        with subprocess.Popen(
            [sys.executable, "-m", "sparkanywhere", "run", *options, str(program), name],
            env={**os.environ, "KUBECONFIG": str(server.kubeconfig)},
            stdout=subprocess.PIPE,
            text=True,
        ) as job:
            end_executors(client, job, folder, grace=grace)
            said = job.communicate(timeout=JOB_SECONDS)[0]
        seconds = next(int(line.split()[1]) for line in said.splitlines() if line.startswith("seconds "))
        return counted(next(folder.glob("spark-*")), seconds)


def end_executors(client: KubeClient, job: subprocess.Popen[str], folder: Path, *, grace: str) -> None:
    """End all executors that run, at a moment of the seed's in each of some rounds."""
    moments = random.Random(SEED)
    for number in ENDED_IN:
        deadline = time.monotonic() + JOB_SECONDS
        while not (folder / f"round-{number}").exists():
            if job.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the job did not get to round {number}")
            time.sleep(LOOK_SECONDS)
        time.sleep(moments.uniform(0, LATEST_SECONDS))
        for pod in client.get(PODS)["items"]:
            if labels_of(pod).get("spark-role") == "executor" and phase_of(pod) == "Running":
                options = {"gracePeriodSeconds": grace} if grace else {}
                client.delete(f"{PODS}/{pod['metadata']['name']}", **options)


def counted(log: Path, seconds: int) -> Outcome:
    """Return what an event log says was computed beyond the one map stage."""
    ends = [event for line in log.open() if (event := json.loads(line))["Event"] == "SparkListenerTaskEnd"]
    maps = [each for each in ends if each["Task Type"] == "ShuffleMapTask"]
    good = [each for each in maps if each["Task End Reason"]["Reason"] == "Success"]
    stages = {(each["Stage ID"], each["Stage Attempt ID"]) for each in maps}
    failed = sum(each["Task End Reason"]["Reason"] != "Success" for each in ends)
    return Outcome(len(good) - MAPS, len(stages) - 1, failed, seconds)
