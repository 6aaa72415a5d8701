"""What a run of the schedule costs: living executors whose tasks are looked at, and pods that wait for theirs.

The packaged function with the processor of its 512 MB; DynamoDB answers after 5 ms, ECS after 100 and takes launches
as it does in a real account. The pods are copies of recorded executors that the API has taken, written into the table
as they would stand there.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.aws_launch import FAULTS, REQUEST_SECONDS, RUN_TASK_SECONDS, Launches
from benchmarks.cpu_share import CpuShare, cpu_seconds
from chalicelib.storage.base import Change, StoredObject
from chalicelib.storage.dynamodb.storage import DynamoStorage
from chalicelib.storage.keys import object_key
from tests.aws_box.client import PODS, Client
from tests.aws_box.deployment import Deployment, stage
from tests.aws_box.ecs_task import Document, EcsTask
from tests.aws_box.fake_ecs import EcsError, FakeEcs, NoEngine
from tests.aws_box.lambda_function import FunctionError
from tests.aws_box.package import Package, make_package
from tests.contract.fake_dynamodb import Faults
from tests.waiting import until

SIZES = ((0, 0), (1000, 0), (2000, 500))  # living, waiting
RUNS = 2
EVERY_SECONDS = 60.0
GIVE_UP_SECONDS = 150.0
MEMORY_MB = 512
AT_ONCE = 10  # objects of one transaction
EXECUTOR = Path(__file__).resolve().parents[1] / "tests" / "data" / "spark" / "executor-4.3.0.json"
ENVIRON = {"AWS_ACCESS_KEY_ID": "box", "AWS_SECRET_ACCESS_KEY": "box", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run has taken."""

    seconds: float
    cpu_seconds: float
    dynamodb: int
    ecs: int
    is_whole: bool

    def __str__(self) -> str:
        how = "" if self.is_whole else "timed out after "
        return f"{how}{self.seconds:.1f} s, {self.cpu_seconds:.1f} s CPU, {self.dynamodb:,} + {self.ecs}"


def run() -> str:
    """Return the table."""
    os.environ.update(ENVIRON)
    with tempfile.TemporaryDirectory() as name:
        package = make_package(Path(name) / "package")
        rows = [row for size in SIZES for row in _rows(package, Path(name) / "-".join(map(str, size)), *size)]
    heads = " | ".join(["first, cold", *(f"run {number}" for number in range(2, RUNS + 1))])
    lines = [f"| executors that live, pods that wait | {heads} | all launched after |", f"|---|{'---|' * RUNS}--:|"]
    return "\n".join([*lines, *rows, "", "Of each run: seconds, processor seconds, requests to DynamoDB + to ECS."])


def _rows(package: Package, folder: Path, living: int, waiting: int) -> Iterator[str]:
    folder.mkdir()
    launched: list[str] = []
    shares: list[CpuShare] = []

    def limit(pid: int) -> None:
        """Give one more process of a function its processor."""
        shares.append(CpuShare(MEMORY_MB))
        shares[-1].take(pid)

    ecs = FakeEcs(NoEngine(), lambda _event: None)
    deployment = Deployment(package, folder, ecs_url=ecs.url)
    deployment.resync.on_start = deployment.launch.on_start = limit
    try:
        client = Client(deployment, folder)
        fill(deployment, client, ecs, living=living, waiting=waiting)
        deployment.dynamodb.fake.faults = Faults(latency_seconds=REQUEST_SECONDS)
        _slow_down(ecs)
        began, wanted = time.monotonic(), len(ecs.tasks) + waiting
        taken = []
        launched_at = threading.Thread(target=_wait_for_tasks, args=(ecs, wanted, began, launched))
        launched_at.start()
        for number in range(RUNS):  # when EventBridge would begin them
            time.sleep(max(0.0, began + number * EVERY_SECONDS - time.monotonic()))
            taken.append(_run(deployment, ecs))
        launched_at.join()
    finally:
        deployment.close()
        ecs.close()
        for share in shares:
            share.close()
    after = launched[0] if waiting and launched else "" if not waiting else f"not within {GIVE_UP_SECONDS:.0f} s"
    yield f"| {living:,}, {waiting:,} | {' | '.join(map(str, taken))} | {after} |"


def _slow_down(ecs: FakeEcs) -> None:
    """Have ECS take its time, and no more launches than in a real account."""

    def slow(asked: Document, go_on: Any) -> Document:
        time.sleep(RUN_TASK_SECONDS)
        answer: Document = go_on(asked)
        return answer

    ecs.faults = {each: [slow] * FAULTS for each in ("DescribeTasks", "ListTasks", "StopTask")}
    ecs.faults["RunTask"] = [Launches().run_task] * FAULTS


def _wait_for_tasks(ecs: FakeEcs, wanted: int, began: float, launched: list[str]) -> None:
    """Note how long it takes until there are so many tasks."""
    while time.monotonic() < began + GIVE_UP_SECONDS:
        if len(ecs.tasks) >= wanted:
            launched.append(f"{time.monotonic() - began:.0f} s")
            return
        time.sleep(0.2)


def _run(deployment: Deployment, ecs: FakeEcs) -> Taken:
    fake = deployment.dynamodb.fake
    requests, calls = len(fake.requests), Counter(ecs.calls)
    before = sum(map(cpu_seconds, deployment.resync.pids))
    started = time.monotonic()
    is_whole = True
    try:
        deployment.run_schedule()
    except FunctionError:
        is_whole = False
    seconds = time.monotonic() - started
    used = sum(map(cpu_seconds, deployment.resync.pids)) - before if is_whole else 0.0
    asked = sum((ecs.calls - calls).values())
    return Taken(seconds, used, len(fake.requests) - requests, asked, is_whole)


def fill(deployment: Deployment, client: Client, ecs: FakeEcs, *, living: int, waiting: int) -> None:
    """Store a driver with so many executors that run, and so many that ECS had no room for."""
    client.create_pod("pi-driver", metadata={"labels": {"spark-role": "driver"}})
    until(lambda: _says(client, "pi-driver", "sparkanywhere.io/task"), "the driver's task")
    owner = client.pod("pi-driver")["metadata"]
    _create_executor(client, "pi-exec-1", owner)
    until(lambda: _says(client, "pi-exec-1", "sparkanywhere.io/task"), "the executor's task")
    _begin(deployment, ecs.tasks[-1])
    no_room = EcsError("LimitExceededException", "You've reached the limit on the number of vCPUs you can run")

    def refuse(_asked: Document, _go_on: Any) -> Document:
        raise no_room

    ecs.faults["RunTask"] = [refuse] * FAULTS
    _create_executor(client, "pi-exec-0", owner)
    until(lambda: _says(client, "pi-exec-0", "QuotaExceeded"), "the refusal")
    until(lambda: deployment.launch.is_idle, "the launch function to end: it would launch what is copied", seconds=60)
    storage = DynamoStorage(stage()["TABLE"], region="us-east-1", endpoint=deployment.dynamodb.url)
    running, pending = (storage.get(object_key("pods", "default", name)) for name in ("pi-exec-1", "pi-exec-0"))
    task = ecs.tasks[-1]
    made = [_copy(running, f"pi-exec-{number}", ecs.copy(task)) for number in range(2, living + 1)]
    made += [_copy(pending, f"pi-exec-{number + living}", None) for number in range(1, waiting + 1)]
    for first in range(0, len(made), AT_ONCE):
        storage.transact(made[first : first + AT_ONCE])
    for each, is_wanted in ((running, living), (pending, False)):
        if not is_wanted:
            storage.delete(each.key, expected_revision=each.revision)
    if not living:
        task.ask_to_stop("UserInitiated", "not wanted")
    storage.close()


def _says(client: Client, name: str, word: str) -> bool:
    return word in json.dumps(client.pod(name))


def _create_executor(client: Client, name: str, owner: Any) -> None:
    pod = json.loads(EXECUTOR.read_text())
    reference = {"apiVersion": "v1", "kind": "Pod", "controller": True, "name": owner["name"], "uid": owner["uid"]}
    pod["metadata"] = {"name": name, "labels": pod["metadata"]["labels"], "ownerReferences": [reference]}
    for account in ("serviceAccount", "serviceAccountName"):
        pod["spec"].pop(account, None)  # the namespace's own will do
    mounted = [each["configMap"] for each in pod["spec"]["volumes"] if "configMap" in each]
    for wanted in mounted:
        data = {each["key"]: "some text" for each in wanted.get("items") or []}
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": wanted["name"]}, "data": data}
        client.call("POST", PODS.replace("pods", "configmaps"), json=config)
    answer = client.call("POST", PODS, json=pod)
    if answer.status_code != 201:
        raise RuntimeError(f"{name}: {answer.status_code} {answer.text[:300]}")


def _begin(deployment: Deployment, task: EcsTask) -> None:
    """Have the task run, and the control plane know of it."""
    told: list[Document] = []
    task._tell = told.append
    task.attach("10.0.0.7")
    for each in task.document["containers"]:
        each["lastStatus"] = "RUNNING"
    task.change("RUNNING", startedAt=time.time())
    for event in told:
        deployment.task_events.invoke_queued(event)


def _copy(stored: StoredObject, name: str, task: EcsTask | None) -> Change:
    """Return the creation of a pod like the stored one, for another task."""
    pod = stored.object()
    uid = task.document["startedBy"] if task else str(uuid.uuid4())
    text = stored.json.replace(pod["metadata"]["uid"], uid)
    if task is not None:
        handles = [value for value in pod["metadata"]["annotations"].values() if ":task/" in value]
        text = text.replace(handles[0], task.arn)
    copied = json.loads(text)
    copied["metadata"]["name"] = name
    return Change("ADDED", object_key("pods", "default", name), copied)
