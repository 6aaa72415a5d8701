"""A task's payload is for that task: who proves to be another, or nobody, gets nothing."""

from __future__ import annotations

import uuid
from typing import cast

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.controllers.pods.payloads import PayloadRequests, TaskPayloads
from chalicelib.providers.base import ProviderUnavailable, Task
from chalicelib.storage.base import Storage, StoredObject
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.parking_job import PROPERTIES, create_driver, create_executor
from tests.unit.controllers.world import World

MAIN = {"name": "c", "image": "image:1"}
OWN, OTHERS, DOWN = "arn:session/own", "arn:session/others", "arn:ecs-is-down"


class Voucher:
    """Knows the one task by its session; notes the handles that it is asked of."""

    audience = "tests"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []  # uid, handle and definition
        self.uid = ""

    def is_caller(self, arn: str, uid: str, *, handle: str, definition: str) -> bool:
        self.asked.append((uid, handle, definition))
        if arn == DOWN:
            raise ProviderUnavailable("Unavailable", "ECS does not answer")
        return (uid, arn) == (self.uid, OWN)


def identify(proof: str) -> str:
    if not proof.startswith("arn:"):
        raise ValueError("STS did not confirm it")
    return proof


class Payloads:
    """The payload of pod `a`, which is not started unless `starts`."""

    def __init__(self, *, starts: bool = False) -> None:
        clock = Clock()
        self.w = World(MemoryStorage(), provider=FakeProvider(clock=clock, hold_pending=True), clock=clock)
        gates = [] if starts else [{"name": "hold"}]
        self.uid = self.w.create_pod("a", schedulingGates=gates)["metadata"]["uid"]
        self.voucher = Voucher()
        self.voucher.uid = self.uid
        base, stored = self.w.plane.base, self.w.plane.stored
        self.url = PayloadRequests(base.url)(Task(uid=self.uid, group="ns", name="a", containers=()))
        self._payloads = TaskPayloads(
            base.storage,
            node=stored.node,
            provider=self.voucher,
            identify=identify,
            render=lambda task: f"payload of {task.name}",
            clock=self.w.clock,
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


class WaitingTask(Payloads):
    """The task that waits for executor 1 of driver `a`."""

    def __init__(self) -> None:
        super().__init__()
        self.w.delete("pods", "a", grace_seconds=0)
        create_driver(self.w, properties=PROPERTIES.replace("=2", "=1"))
        self.uid = self.voucher.uid = self.w.pod("a-parked-1")["metadata"]["uid"]

    def wait(self, uid: str = "") -> str:
        """Return what the task is told."""
        return self._payloads.wait(uid or self.uid)


def test_a_task_that_waits_is_told_for_how_long_and_has_no_payload() -> None:
    task = WaitingTask()
    first = task.wait()
    task.w.pass_time(60)

    assert [first, task.wait()] == ["wait 180 0.5", "wait 120 0.5"]
    assert task.fetch() == "403 Forbidden"


def test_a_task_that_was_bound_fetches_the_payload_of_its_executor_and_of_no_other() -> None:
    task = WaitingTask()
    executor = create_executor(task.w, 1)

    assert task.wait() == "go"
    assert task.fetch() == "payload of exec-1"
    assert task.fetch(OTHERS) == "403 Forbidden"
    assert task.fetch(uid=executor["metadata"]["uid"]) == "403 Forbidden", "its own is the task's, by the task's uid"


def test_a_warm_task_waits_on_for_the_executor_of_the_driver_that_has_claimed_it() -> None:
    task = WaitingTask()
    task.w.delete("pods", "a", grace_seconds=0)
    create_driver(task.w, "warm-1", warm="10m", properties=PROPERTIES.replace("=2", "=1"))
    task.uid = task.voucher.uid = task.w.pod("warm-1-parked-1")["metadata"]["uid"]
    own = task.w.pod("warm-1")["metadata"]["uid"]

    told = [task.wait(), task.wait(own)]
    create_driver(task.w, "b", properties=PROPERTIES.replace("=2", "=1"))
    told += [task.wait(), task.wait(own)]
    before = task.fetch()
    create_executor(task.w, 1, driver="b")

    assert told == ["wait 600 2", "wait 600 1", "wait 180 0.5", "go"]
    assert (before, task.fetch()) == ("403 Forbidden", "payload of exec-1")
    assert task.wait() == "go"


@pytest.mark.parametrize("end", ["its time is over", "its driver fails", "its driver goes", "it is deleted"])
def test_a_task_that_nobody_needs_is_told_to_end(end: str) -> None:
    task = WaitingTask()
    match end:
        case "its time is over":
            task.w.pass_time(180)
        case "its driver fails":
            task.w.provider.finish(task.w.handle(), 1)
            task.w.observe_all()
        case "its driver goes":
            task.w.delete("pods", "a", grace_seconds=0)
        case _:
            task.w.provider.ignores_sigterm = True
            task.w.delete("pods", "a-parked-1")

    assert task.wait() == "end"


def test_of_what_was_not_started_early_it_says_nothing() -> None:
    task = WaitingTask()

    assert task.wait(task.w.pod()["metadata"]["uid"]) == task.wait("no-such-uid") == "end"


class ReadOnly:
    """A store that notes each use, and has nothing but the two reads of one object."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.reads = 0

    def get_by_uid(self, uid: str) -> StoredObject:
        self.reads += 1
        return self._storage.get_by_uid(uid)

    def get(self, key: str) -> StoredObject:
        self.reads += 1
        return self._storage.get(key)


def test_to_ask_without_a_proof_how_long_to_wait_does_no_harm() -> None:
    """Whoever knows the uid of a task that waits, which is random, learns how long it still may, and changes nothing.

    A guess costs two reads, and what can be no uid none: less than the gateway's own fee for the request.
    """
    task = WaitingTask()
    node = task.w.plane.stored.node
    storage = ReadOnly(task.w.storage)
    payloads = TaskPayloads(
        cast(Storage, storage),  # it raises AttributeError for whatever else would be asked
        node=node,
        provider=task.voucher,
        identify=identify,
        render=lambda _: "payload",
        clock=task.w.clock,
    )
    uids = [task.uid, task.w.pod()["metadata"]["uid"], str(uuid.uuid4()), "*", "", "x" * 5_000, f"{task.uid}/.."]

    told, reads = [], []
    for uid in uids:
        before = storage.reads
        told.append(payloads.wait(uid))
        reads.append(storage.reads - before)

    assert told == ["wait 180 0.5", *["end"] * 6]
    assert max(reads[:3]) <= 3
    assert reads[3:] == [0] * 4
    assert task.voucher.asked == []  # nor is anybody else troubled


@pytest.mark.parametrize("phase", ["Running", "Succeeded", "Failed"])
def test_a_task_that_runs_fetches_nothing_more(phase: str) -> None:
    of_a = Payloads()
    key = object_key("pods", "ns", "a")
    guaranteed_update(of_a.w.storage, key, lambda pod: {**pod, "status": {**pod["status"], "phase": phase}})

    assert of_a.fetch() == "403 Forbidden"


@pytest.mark.parametrize("resource", ["configmaps", "secrets"])
@pytest.mark.parametrize("proof", [OWN, OTHERS])
def test_nobody_learns_from_a_refusal_which_pods_there_are(resource: str, proof: str) -> None:
    of_a = Payloads()
    unready = of_a.w.create_pod("unready", containers=[{**MAIN, "envFrom": [{"secretRef": {"name": "no-such"}}]}])
    broken = of_a.w.create_pod("broken", securityContext={"runAsNonRoot": True, "runAsUser": 0})
    others = [of_a.w.create(resource, "other"), unready, broken]

    answers = {of_a.fetch(proof, uid) for uid in ("no-such-uid", *(each["metadata"]["uid"] for each in others))}

    assert answers == {"403 Forbidden"}


def test_the_provider_is_asked_of_what_was_recorded_when_the_task_started_or_of_nothing_yet() -> None:
    waiting, started = Payloads(), Payloads(starts=True)

    waiting.fetch()
    started.fetch()

    assert waiting.voucher.asked == [(waiting.uid, "", "")]
    assert started.voucher.asked == [(started.uid, started.w.handle(), "fake:1")]


@pytest.mark.parametrize("role", ["arn:aws:iam::1:role/his-own", "no role at all", ""])
def test_what_a_service_account_names_after_the_launch_changes_nothing(role: str) -> None:
    of_a = Payloads(starts=True)
    before = of_a.fetch(), of_a.voucher.asked[:]
    assert before[0] == "payload of a"
    account = object_key("serviceaccounts", "ns", "default")
    named = {"annotations": {"eks.amazonaws.com/role-arn": role}}
    guaranteed_update(of_a.w.storage, account, lambda old: {**old, "metadata": {**old["metadata"], **named}})

    assert (of_a.fetch(), of_a.voucher.asked[1:]) == before
    assert of_a.fetch(OTHERS) == "403 Forbidden"
