"""How long executors take to register on AWS in a box whose tasks take as long to start as on Fargate.

The control plane is a version's own package; ECS, its events and its tasks are the box's, with the seconds that
docs/aws.md has of a real task: 12 until it has a place, 14 for the image, 20 until it runs. The schedule runs each
minute, as on AWS. The driver asks for its executors' tasks to start with it, where the version knows how; warm ones are
there before it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.versions import RUN_SECONDS, Version
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.providers.fargate.payload import FETCHER
from chalicelib.resources.pods.marks import WARM
from sparkanywhere.client.kube_client import Access, KubeClient
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.submission import new_suffix, submit
from tests.aws_box.box import AwsBox
from tests.aws_box.client import PODS
from tests.aws_box.deployment import TOKEN
from tests.aws_box.fargate import StartSeconds
from tests.aws_box.package import Package
from tests.waiting import until

FARGATE = StartSeconds(placement=12.0, pull=14.0, containers=20.0)
EXECUTORS = 2
PACKAGE = (
    "import sys; from pathlib import Path; from tests.aws_box.package import make_package as m; m(Path(sys.argv[1]))"
)
PARK, PARKED = "spark.kubernetes.driver.annotation.sparkanywhere.io/park", "-parked-"
WARMED = f"spark.kubernetes.driver.annotation.{WARM}"
PI = "org.apache.spark.examples.SparkPi"


@dataclass(frozen=True, slots=True)
class BoxStart:
    """Seconds after the POST of the driver: what RunTask was asked for, what ran, and when executors were there."""

    driver_asked: float
    driver_runs: float
    executors_asked: float  # the last of them
    executors_run: float
    registered: float  # all of them
    executors_wanted: float  # the POST of the last executor's pod


def package_of(version: Version, folder: Path) -> Package:
    """Return the control plane of a version, packaged by its own code."""
    command = [sys.executable, "-c", PACKAGE, str(folder)]
    subprocess.run(command, cwd=version.tree, env=version.environ, check=True, timeout=RUN_SECONDS, capture_output=True)
    return Package(folder / "deployment.zip", folder / "task", json.loads((folder / "sam.json").read_text()))


def measure(
    package: Package, folder: Path, *, image: str, jar: str, parks: bool = True, is_warm: bool = False
) -> BoxStart:
    """Run a job in a box of its own; return when what of its start came, below 0 what a warm task had before.

    `parks` says whether executors' tasks start with the driver.
    """
    box = AwsBox(package, folder, schedule_seconds=60.0, start_seconds=FARGATE)
    try:
        spec = JobSpec(
            application=jar,
            main_class=PI,
            args=("20",),
            image=image,
            executors=EXECUTORS,
            driver_memory="600m",
            executor_memory="600m",
            conf={PARK: str(parks).lower()},
        )
        box.client.get(PODS)  # the functions are warm, as those of a place that is used
        if is_warm:
            waiting = replace(spec, name="warm", conf={WARMED: "10m"})
            submit(KubeClient(Access(box.url, token=TOKEN)), waiting, suffix=new_suffix())
            until(lambda: _waiting(box) > EXECUTORS, "tasks that wait", seconds=RUN_SECONDS)
        began = time.time()
        submit(KubeClient(Access(box.url, token=TOKEN)), spec, suffix=new_suffix())
        until(lambda: len(_registrations(box)) >= EXECUTORS, "executors to register", seconds=RUN_SECONDS)
        return _times(box, began, posted=max(_posts(folder / "lambda.log")))
    finally:
        box.client.call("DELETE", PODS)
        box.wait_until_quiet()
        box.close()


def _times(box: AwsBox, began: float, *, posted: float) -> BoxStart:
    every = [each.document for each in box.tasks("-driver")]
    driver = next(each for each in every if PARKED not in str(each["tags"]))
    executors = [each for each in every if PARKED in str(each["tags"])]
    executors += [each.document for each in box.tasks("-exec-")]
    return BoxStart(
        driver["createdAt"] - began,
        driver["startedAt"] - began,
        sorted(each["createdAt"] for each in executors)[EXECUTORS - 1] - began,
        sorted(each["startedAt"] for each in executors if "startedAt" in each)[EXECUTORS - 1] - began,
        sorted(_registrations(box))[EXECUTORS - 1] - began,
        posted - began,
    )


def _waiting(box: AwsBox) -> int:
    """Return how many tasks ask what they are for."""
    return sum(each.endswith(f"-{FETCHER}") for each in box.fargate.running())


def _posts(log: Path) -> list[float]:
    """Return when executors' pods were asked for, in seconds since 1970, by the control plane's audit log."""
    lines = [line[line.index("{") :] for line in log.read_text().splitlines() if '"audit.k8s.io/v1"' in line]
    events = [json.loads(line) for line in lines if '"verb":"create"' in line and '"resource":"pods"' in line]
    named = [(each["objectRef"].get("name", ""), find_time(each["requestReceivedTimestamp"])) for each in events]
    return [at.timestamp() for name, at in named if "-exec-" in name and at]


def _registrations(box: AwsBox) -> list[float]:
    """Return when executors have registered, in seconds since 1970, by what the driver has logged."""
    return [each["timestamp"] / 1000 for each in box.logs.events("driver") if "Registered executor" in each["message"]]
