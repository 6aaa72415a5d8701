"""A task's payload is for that task: who proves to be another, or nobody, gets nothing."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.controllers.pods.payloads import PayloadRequests, TaskPayloads
from chalicelib.providers.base import ProviderUnavailable, Task
from chalicelib.storage.base import guaranteed_update
from chalicelib.storage.keys import object_key
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

OWN, OTHERS, DOWN = "arn:session/own", "arn:session/others", "arn:ecs-is-down"


class Voucher:
    """Knows the one task by its session; notes the handles that it is asked of."""

    audience = "tests"

    def __init__(self) -> None:
        self.handles: list[str] = []

    def is_caller(self, task: Task, handle: str, arn: str) -> bool:
        self.handles.append(handle)
        if arn == DOWN:
            raise ProviderUnavailable("Unavailable", "ECS does not answer")
        return (task.name, arn) == ("a", OWN)


def identify(proof: str) -> str:
    if not proof.startswith("arn:"):
        raise ValueError("STS did not confirm it")
    return proof


class Payloads:
    """The payload of pod `a`, which is not started unless `starts`."""

    def __init__(self, *, starts: bool = False) -> None:
        self.w = World(MemoryStorage())
        gates = [] if starts else [{"name": "hold"}]
        self.uid = self.w.create_pod("a", schedulingGates=gates)["metadata"]["uid"]
        self.voucher = Voucher()
        base, stored = self.w.plane.base, self.w.plane.stored
        self.url = PayloadRequests(base.url)(Task(uid=self.uid, group="ns", name="a", containers=()))
        self._payloads = TaskPayloads(
            base.storage,
            node=stored.node,
            provider=self.voucher,
            identify=identify,
            render=lambda task: f"payload of {task.name}",
        )

    def fetch(self, proof: str = OWN, uid: str = "") -> str:
        """Return the payload, or the code and reason of the refusal."""
        try:
            return self._payloads.payload(uid or self.uid, proof)
        except StatusError as error:
            return f"{error.code} {error.reason}"


def test_the_task_fetches_as_often_as_it_tries() -> None:
    of_a = Payloads()

    assert [of_a.fetch(), of_a.fetch()] == ["payload of a"] * 2


@pytest.mark.parametrize(
    ("proof", "answer"),
    [
        ("", "401 Unauthorized"),
        ("k8s-aws-v1.forged", "401 Unauthorized"),
        (OTHERS, "403 Forbidden"),
        (DOWN, "503 ServiceUnavailable"),
    ],
)
def test_nobody_else_gets_anything(proof: str, answer: str) -> None:
    assert Payloads().fetch(proof) == answer


def test_the_url_alone_opens_nothing_and_names_no_more_than_the_pod() -> None:
    of_a = Payloads()

    assert of_a.url.endswith(f"/sparkanywhere/v1/tasks/{of_a.uid}/payload")


@pytest.mark.parametrize("phase", ["Running", "Succeeded", "Failed"])
def test_a_task_that_runs_fetches_nothing_more(phase: str) -> None:
    of_a = Payloads()
    key = object_key("pods", "ns", "a")
    guaranteed_update(of_a.w.storage, key, lambda pod: {**pod, "status": {**pod["status"], "phase": phase}})

    assert of_a.fetch() == "403 Forbidden"


@pytest.mark.parametrize("resource", ["configmaps", "secrets"])
def test_what_is_no_pod_has_no_payload(resource: str) -> None:
    of_a = Payloads()
    other = of_a.w.create(resource, "other")["metadata"]["uid"]

    assert of_a.fetch(uid=other) == of_a.fetch(uid="no-such-uid") == "404 NotFound"


def test_the_provider_is_asked_of_the_task_that_is_stored_or_of_none_yet() -> None:
    waiting, started = Payloads(), Payloads(starts=True)

    waiting.fetch()
    started.fetch()

    assert (waiting.voucher.handles, started.voucher.handles) == ([""], [started.w.handle()])
