"""How long a warm Lambda takes for each verb: from the invocation to its result, on this machine.

The packaged function under AWS's own runtime client, DynamoDB and ECS in memory without latency: what is measured is
our share. On AWS each request to DynamoDB adds some 5 ms, one to ECS some 100; how many there are stands beside. The
launch function, which works behind an answer, does so between the rows, so that its requests are nobody else's.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.aws_site import FABRIC8
from benchmarks.aws_writes import executors_of
from chalicelib.resources.pods.marks import TASK_ANNOTATION
from tests.aws_box.client import PODS, Client
from tests.aws_box.deployment import Deployment
from tests.aws_box.fake_ecs import FakeEcs, NoEngine
from tests.aws_box.package import make_package
from tests.waiting import until

CALLS = 30
STORED = 100  # executors beside the one that is measured
EXECUTOR = Path(__file__).resolve().parents[1] / "tests" / "data" / "spark" / "executor-4.3.0.json"

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


@dataclass(frozen=True, slots=True)
class Taken:
    """What one invocation has taken."""

    milliseconds: float
    dynamodb: int
    ecs: int


class Meter:
    """Measures each invocation that a deployment's gateway makes; one at a time."""

    def __init__(self, deployment: Deployment, ecs: FakeEcs) -> None:
        self.taken: list[Taken] = []
        self._deployment, self._ecs = deployment, ecs
        deployment.gateway._invoke = self._invoke

    def _invoke(self, event: Any) -> bytes:
        before, started = self._requests(), time.monotonic()
        result = self._deployment.api.invoke(event)
        milliseconds = (time.monotonic() - started) * 1000
        dynamodb, ecs = (now - then for now, then in zip(self._requests(), before, strict=True))
        self.taken.append(Taken(milliseconds, dynamodb, ecs))
        return result

    def _requests(self) -> tuple[int, int]:
        return len(self._deployment.dynamodb.fake.requests), sum(self._ecs.calls.values())


def run() -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ecs = FakeEcs(NoEngine(), lambda _event: None)
        deployment = Deployment(make_package(folder / "package"), folder, ecs_url=ecs.url)
        meter = Meter(deployment, ecs)
        try:
            client = Client(deployment, folder)
            _make_what_executors_mount(client)
            for number in range(STORED):
                _ask(client, "POST", PODS, json=_executor(f"stored-{number}"))
            rows = []
            for verb, call in _verbs(client).items():
                _launch_all(deployment, client)
                deployment.lambda_api.lose = lambda _: True
                rows.append(_row(meter, verb, call))
        finally:
            deployment.close()
            ecs.close()
    head = f"| {CALLS} calls, {STORED} executors stored | p50 ms | max ms | requests to DynamoDB | to ECS |"
    return "\n".join([head, "|---|--:|--:|--:|--:|", *rows])


def _verbs(client: Client) -> dict[str, Callable[[int], None]]:
    one, executors = f"{PODS}/stored-1", {"labelSelector": executors_of(_executor("any"))}
    return {
        "get a pod": lambda _: _ask(client, "GET", one),
        "list the executors": lambda _: _ask(client, "GET", PODS, params=executors, headers=FABRIC8),
        "create an executor": lambda n: _ask(client, "POST", PODS, json=_executor(f"made-{n}")),
        "watch, with an event to tell": lambda n: _ask(
            client,
            "GET",
            PODS,
            params={"watch": "1", "resourceVersion": _before(client, f"watched-{n}")},
            headers=FABRIC8,  # another client's is held, or sent on to be streamed
        ),
        "patch a label": lambda n: _ask(
            client, "PATCH", one, data=json.dumps({"metadata": {"labels": {"n": f"{n}"}}}), headers=MERGE_PATCH
        ),
        "delete an executor": lambda n: _ask(client, "DELETE", f"{PODS}/made-{n}"),
    }


def _launch_all(deployment: Deployment, client: Client) -> None:
    """Have the launch function give every pod its task, and end."""
    deployment.lambda_api.lose = lambda _: False

    def launched() -> bool:
        deployment.run_schedule()  # again and again: it comes back to what ECS has throttled
        return all(TASK_ANNOTATION in each["metadata"].get("annotations", {}) for each in client.get(PODS)["items"])

    until(launched, "the tasks")
    until(lambda: deployment.launch.is_idle, "the launch function to end")


def _make_what_executors_mount(client: Client) -> None:
    """Create the ConfigMaps that an executor waits for."""
    for volume in _executor("any")["spec"]["volumes"]:
        wanted = volume.get("configMap")
        if wanted:
            data = {each["key"]: "some text" for each in wanted.get("items") or []}
            config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": wanted["name"]}, "data": data}
            _ask(client, "POST", PODS.replace("pods", "configmaps"), json=config)


def _row(meter: Meter, verb: str, call: Callable[[int], None]) -> str:
    taken = []
    for number in range(CALLS + 1):
        call(number)
        if number:  # the first may find things to be made
            taken.append(meter.taken[-1])
    milliseconds = [each.milliseconds for each in taken]
    dynamodb, ecs = (statistics.mode(counts) for counts in zip(*((t.dynamodb, t.ecs) for t in taken), strict=True))
    return f"| {verb} | {statistics.median(milliseconds):.1f} | {max(milliseconds):.1f} | {dynamodb} | {ecs} |"


def _before(client: Client, name: str) -> str:
    """Return a revision that one event follows."""
    revision = client.get(f"{PODS}?limit=1")["metadata"]["resourceVersion"]
    client.call(
        "PATCH", f"{PODS}/stored-2", data=json.dumps({"metadata": {"labels": {"n": name}}}), headers=MERGE_PATCH
    )
    return str(revision)


def _executor(name: str) -> Any:
    pod = json.loads(EXECUTOR.read_text())
    pod["metadata"] = {"name": name, "labels": pod["metadata"]["labels"]}
    for name_of_account in ("serviceAccount", "serviceAccountName"):
        pod["spec"].pop(name_of_account, None)  # the namespace's own will do
    return pod


def _ask(client: Client, method: str, path: str, **more: Any) -> None:
    answer = client.call(method, path, **more)
    if answer.status_code >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
