"""Whatever a provider raises, wherever a request meets it, the answer is a real API server's and never a 500."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.plane.host import LONG_LIVED
from chalicelib.providers.base import ProviderError, ProviderUnavailable, TaskNotFound, TaskRejected
from chalicelib.providers.extensions import ContainerUsage
from chalicelib.providers.interactive import CannotRun
from tests.api_client import ApiClient
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

REFUSALS: dict[str, ProviderError] = {
    "rejected": TaskRejected("OutOfResources", "200 vCPU are more than a task may have"),
    "unavailable": ProviderUnavailable("Throttled", "come again later"),
    "not found": TaskNotFound("no such task"),
    "cannot run": CannotRun("no such program"),
}


CALLS = ("run", "stop", "remove", "describe", "list_tasks", "logs", "warnings", "capacities", "measure", "keep_volumes")
CONNECTIONS = ("restart", "exec", "attach", "connect")


class RefusingProvider(FakeProvider):
    """Offers what any provider may offer, and raises `refusal`, once there is one, from each of those calls."""

    def __init__(self) -> None:
        super().__init__()
        self.refusal: ProviderError | None = None
        for name in (*CALLS, *CONNECTIONS):
            setattr(self, name, partial(self._answer, getattr(self, name)))
        setattr(self, "logs", self._log)  # noqa: B010  # which is a method to mypy

    def _answer(self, call: Callable[..., Any], *asked: Any, **how: Any) -> Any:  # Any: as each of them
        if self.refusal is not None:
            raise self.refusal
        return call(*asked, **how)

    def _log(self, *asked: Any) -> Iterator[bytes]:
        """As a generator raises: with the first piece."""
        yield from self._answer(super().logs, *asked)

    def log_place(self, *_: str) -> str:
        return "where logs are"

    def measure(self, _handle: str) -> Sequence[ContainerUsage]:
        return [ContainerUsage("c", 1.0, 1)]

    def keep_volumes(self, _wanted: Callable[[], object]) -> None:
        return None

    def connect(self, *_: Any) -> Any:
        raise AssertionError("no test gets that far")

    exec = attach = restart = connect


NS = "/api/v1/namespaces/ns"
POD = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
METRICS = "/apis/metrics.k8s.io/v1beta1"
WELL = dict.fromkeys(REFUSALS, "")
NOT_TOLD = {
    "rejected": "403 Forbidden",
    "unavailable": "503 ServiceUnavailable",
    "not found": "404 NotFound",
    "cannot run": "503 ServiceUnavailable",
}
UNREACHED = dict.fromkeys(REFUSALS, "503 ServiceUnavailable")
# What each request is answered by refusal, "" for a success. Those that take something away come last.
REQUESTS: list[tuple[str, str, JSON | None, dict[str, str]]] = [
    ("GET", f"{NS}/pods/runs", None, WELL),
    ("GET", f"{NS}/pods", None, WELL),
    ("GET", f"{NS}/pods/runs/log", None, NOT_TOLD),
    ("GET", f"{NS}/pods/runs/log?follow=true&tailLines=1", None, NOT_TOLD),
    ("GET", f"{NS}/pods/runs/log?previous=true", None, {**NOT_TOLD, "not found": "400 BadRequest"}),
    ("GET", "{record}/log", None, NOT_TOLD),
    ("GET", f"{NS}/pods/runs/proxy/page", None, UNREACHED),
    ("GET", f"{METRICS}/namespaces/ns/pods/runs", None, UNREACHED),
    ("GET", f"{METRICS}/pods", None, WELL),
    ("GET", f"{METRICS}/nodes", None, WELL),
    ("GET", "/api/v1/nodes/fake", None, WELL),
    ("GET", "/readyz", None, WELL),
    ("POST", f"{NS}/pods", {"metadata": {"name": "new"}, "spec": POD}, WELL),
    ("POST", f"{NS}/pods?dryRun=All", {"metadata": {"name": "dry"}, "spec": POD}, WELL),
    ("POST", f"{NS}/services", {"metadata": {"name": "new"}, "spec": {"ports": [{"port": 80}]}}, WELL),
    ("POST", f"{NS}/persistentvolumeclaims", {"metadata": {"name": "new"}, "spec": CLAIM}, WELL),
    ("POST", f"{NS}/pods/waits/binding", {"metadata": {"name": "waits"}, "target": {"name": "fake"}}, WELL),
    ("PATCH", f"{NS}/pods/held", {"spec": {"schedulingGates": []}}, WELL),
    ("PATCH", f"{NS}/pods/runs", {"metadata": {"labels": {"a": "b"}}}, WELL),
    ("PATCH", f"{NS}/pods/runs/status", {"status": {"message": "m"}}, WELL),
    ("PATCH", "/api/v1/nodes/fake", {"spec": {"unschedulable": True}}, WELL),
    ("POST", f"{NS}/pods/evicted/eviction", {"metadata": {"name": "evicted"}}, WELL),
    ("DELETE", f"{NS}/pods/killed?gracePeriodSeconds=0", None, WELL),
    ("DELETE", f"{NS}/pods/deleted", None, WELL),
    ("DELETE", f"{NS}/pods", None, WELL),
    ("DELETE", "{record}", None, WELL),
    ("DELETE", f"{NS}/persistentvolumeclaims/old", None, WELL),
    ("DELETE", "/api/v1/nodes/fake", None, WELL),
    ("DELETE", "/api/v1/namespaces/ns", None, WELL),
]


@pytest.mark.parametrize("streams", [True, False], ids=["server", "lambda"])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_providers_refusal_is_told_as_a_real_server_would(refusal: str, streams: bool) -> None:
    provider = RefusingProvider()
    world = World(MemoryStorage(), provider=provider, host=replace(LONG_LIVED, keeps_files=False, streams=streams))
    world.run_chores()
    for name in ("runs", "evicted", "killed", "deleted"):
        world.create_pod(name)
    world.create_pod("gone", metadata={"labels": {"spark-role": "driver"}})
    world.create_pod("held", schedulingGates=[{"name": "hold"}])
    world.create_pod("waits", nodeSelector={"kubernetes.io/os": "windows"})
    world.create("persistentvolumeclaims", "old", spec=CLAIM)
    world.observe_all()
    world.delete("pods", "gone", grace_seconds=0)
    client = ApiClient(world.plane)
    (record,) = client.get("/apis/sparkanywhere.io/v1alpha1/namespaces/ns/podrecords")["items"]
    names = {"record": f"/apis/sparkanywhere.io/v1alpha1/namespaces/ns/podrecords/{record['metadata']['name']}"}

    provider.refusal = REFUSALS[refusal]
    wrong = []
    reached = "" if streams else "400 BadRequest"  # on Lambda no pod is
    for method, path, body, expected in REQUESTS:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = client.request(method, path.format(**names), body, content_type=kind)
        told = "" if answer.status < 300 else f"{answer.status} {answer.reason}"
        wanted = reached if "/proxy/" in path and reached else expected[refusal]
        if told != wanted:
            wrong.append((method, path, told, wanted, answer.raw[:300]))

    provider.refusal = None
    world.plane.close()
    assert wrong == []


def test_a_pod_that_no_task_can_be_made_of_is_stored_and_says_why_it_waits() -> None:
    provider = RefusingProvider()
    world = World(MemoryStorage(), provider=provider)
    provider.refusal = REFUSALS["rejected"]
    setattr(provider, "capacities", FakeProvider().capacities)  # noqa: B010  # as long as it knows what there is

    answer = ApiClient(world.plane).request("POST", f"{NS}/pods", {"metadata": {"name": "large"}, "spec": POD})

    why = "200 vCPU are more than a task may have"
    assert (answer.status, answer.headers["warning"]) == (201, f'299 - "the pod stays Pending: {why}"')
    assert world.phase("large") == "Pending"
    (condition,) = [each for each in world.pod("large")["status"]["conditions"] if each["type"] == "PodScheduled"]
    assert condition["reason"] == "Unschedulable"
    assert why in condition["message"]
    events = ApiClient(world.plane).get(f"{NS}/events")["items"]
    assert [(each["reason"], why in each["message"]) for each in events] == [("FailedScheduling", True)]
