"""A task's payload is for one fetcher: whoever reads its token elsewhere comes too late, or is noticed."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.controllers.pods.payloads import PayloadRequests, TaskPayloads
from chalicelib.providers.base import Task
from chalicelib.registry.options import WriteOptions
from chalicelib.storage.base import guaranteed_update
from chalicelib.storage.keys import object_key
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

TASKS_OWN, THIEFS = "3b241101-e2bb-4255-8caf-4136c566a962", "0f8fad5b-d9cb-469f-a165-70867728950e"


class Payloads:
    """The payload of pod `a`, which is not started."""

    def __init__(self) -> None:
        self.w = World(MemoryStorage())
        self.uid = self.w.create_pod("a", schedulingGates=[{"name": "hold"}])["metadata"]["uid"]
        base, stored = self.w.plane.base, self.w.plane.stored
        self._requests = PayloadRequests(base.issuer, base.url)
        self._payloads = TaskPayloads(
            base.storage,
            node=stored.node,
            issuer=base.issuer,
            render=lambda task: f"payload of {task.name}",
            recorder=self.w.controllers.recorder,
        )

    def token(self) -> str:
        """Return the token of one launch."""
        return self._requests(Task(uid=self.uid, group="ns", name="a", containers=()))[1]

    def fetch(self, token: str, fetcher: str = TASKS_OWN) -> str:
        """Return the payload, or the code and reason of the refusal."""
        try:
            return self._payloads.payload(self.uid, token, fetcher)
        except StatusError as error:
            return f"{error.code} {error.reason}"

    def warnings(self) -> list[str]:
        """Return the reasons of the Events that warn."""
        return [reason for reason, _ in self.w.events("a") if reason == "PayloadRefused"]


@pytest.fixture
def of_a() -> Payloads:
    return Payloads()


def test_the_first_fetcher_may_come_again_and_nobody_else_may(of_a: Payloads) -> None:
    token = of_a.token()

    assert of_a.fetch(token) == "payload of a"
    assert of_a.fetch(token) == "payload of a"
    assert of_a.warnings() == []
    assert of_a.fetch(token, THIEFS) == "403 Forbidden"
    assert of_a.warnings() == ["PayloadRefused"]
    assert of_a.fetch(token) == "payload of a"


def test_a_thief_who_is_first_is_noticed(of_a: Payloads) -> None:
    token = of_a.token()
    of_a.fetch(token, THIEFS)

    assert of_a.fetch(token) == "403 Forbidden"
    assert of_a.warnings() == ["PayloadRefused"]


def test_a_launch_after_another_has_a_token_of_its_own(of_a: Payloads) -> None:
    first = of_a.token()
    of_a.fetch(first)
    of_a.w.pass_time(60)
    second = of_a.token()

    assert of_a.fetch(second, "c0ffee00-0000-4000-8000-000000000000") == "payload of a"
    assert of_a.fetch(first) == "403 Forbidden"
    assert of_a.fetch(first, THIEFS) == "403 Forbidden"


def test_a_token_that_was_never_used_is_good_though_a_later_one_was_made(of_a: Payloads) -> None:
    first = of_a.token()
    of_a.w.pass_time(60)
    of_a.token()  # of a RunTask that ECS has answered with the task that runs already

    assert of_a.fetch(first) == "payload of a"


def test_a_task_that_runs_fetches_nothing_more(of_a: Payloads) -> None:
    token = of_a.token()
    key = object_key("pods", "ns", "a")
    guaranteed_update(of_a.w.storage, key, lambda pod: {**pod, "status": {**pod["status"], "phase": "Running"}})

    assert of_a.fetch(token) == "403 Forbidden"


@pytest.mark.parametrize("fetcher", ["", "short", "x" * 32, "a" * 65, f"{TASKS_OWN}\n"])
def test_who_says_not_who_he_is_gets_nothing(of_a: Payloads, fetcher: str) -> None:
    assert of_a.fetch(of_a.token(), fetcher) == "400 BadRequest"


def test_a_client_cannot_write_who_has_fetched(of_a: Payloads) -> None:
    token = of_a.token()
    of_a.fetch(token)
    pod = of_a.w.pod("a")
    pod["metadata"]["annotations"] = {}
    registry = of_a.w.registries[("", "pods")]
    registry.update("ns", "a", {"kind": "Pod", "apiVersion": "v1", **pod}, WriteOptions())

    assert of_a.fetch(token, THIEFS) == "403 Forbidden"
