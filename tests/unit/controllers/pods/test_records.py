"""What is kept of a Spark application's pod that was deleted: its record and its logs, once, whatever dies when."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.pods.removed import KEEP_SECONDS
from chalicelib.plane.host import LONG_LIVED
from chalicelib.providers.base import LogOptions, ProviderUnavailable
from chalicelib.registry.options import WriteOptions
from chalicelib.resources.pods.marks import ENDED_BY
from chalicelib.storage.base import ObjectTooLarge, StoredObject
from sparkanywhere.jobs.application_record import pod_record
from sparkanywhere.jobs.applications import group
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.crashing import Countdown, Crash, crashing_provider, crashing_storage
from tests.unit.controllers.world import World

HOUR = 3600.0
DRIVER: JSON = {"labels": {"spark-role": "driver", "spark-app-selector": "spark-1"}}
EXECUTOR: JSON = {"labels": {"spark-role": "executor", "spark-app-selector": "spark-1"}}
SAYS = [{"name": "c", "image": "i", "command": ["sh", "-c", "echo hello;sleep 9"]}]


@pytest.fixture
def w(tmp_path: Path) -> World:
    """Return a world with a disk, and a driver `a` that runs and has said hello."""
    return started(tmp_path)


def started(tmp_path: Path, storage: Any = None, **fields: Any) -> World:  # Any: a store or a proxy of one, settings
    w = World(storage or MemoryStorage(), host=LONG_LIVED, state=str(tmp_path), **fields)
    run(w, "a", DRIVER)
    return w


def run(w: World, name: str, metadata: JSON) -> None:
    w.create_pod(name, metadata=metadata, containers=SAYS)
    w.observe_all()


def records(w: World) -> list[JSON]:
    return [item.object() for item in w.storage.list("/registry/podrecords/").items]


def said(w: World, record: JSON, **options: Any) -> bytes:  # Any: fields of LogOptions
    return b"".join(w.controllers.records.logs(record, "c", LogOptions(**options)))


def kept(tmp_path: Path) -> list[str]:
    return sorted(each.name for each in (tmp_path / "default" / "logs").glob("*"))


def delete_running(w: World) -> None:
    w.delete("pods", "a")
    w.observe_all()


def delete_by_force(w: World) -> None:
    w.delete("pods", "a", grace_seconds=0)


def end(w: World, code: int) -> None:
    w.provider.finish(w.handle(), code)
    w.observe_all()
    w.pass_time(5)


def delete_succeeded(w: World) -> None:
    end(w, 0)
    w.delete("pods", "a")


def delete_failed(w: World) -> None:
    end(w, 3)
    w.delete("pods", "a")


def release(w: World) -> None:
    """Delete a pod that a finalizer holds, whose client then takes it off."""
    pod = w.pod()
    pod["metadata"]["finalizers"] = ["example.com/hold"]
    w.storage.update("/registry/pods/ns/a", pod, expected_revision=int(pod["metadata"]["resourceVersion"]))
    delete_failed(w)
    pod = w.pod()
    del pod["metadata"]["finalizers"]
    registry = w.registries[("", "pods")]
    registry.update("ns", "a", {**pod, "kind": "Pod", "apiVersion": "v1"}, WriteOptions())


ENDS: list[tuple[Callable[[World], None], str]] = [
    (delete_running, "Killed"),
    (delete_by_force, "Killed"),
    (delete_succeeded, "Succeeded"),
    (delete_failed, "Failed"),
    (release, "Failed"),
]


@pytest.mark.parametrize(("delete", "state"), ENDS)
def test_a_deleted_pod_leaves_its_last_state_and_its_log(w: World, delete: Callable[[World], None], state: str) -> None:
    uid = w.pod()["metadata"]["uid"]

    delete(w)

    assert w.get("pods", "a") is None
    (record,) = records(w)
    assert record["state"] == state
    assert record["pod"]["metadata"]["uid"] == uid
    assert "managedFields" not in record["pod"]["metadata"]
    assert record["metadata"]["labels"] == DRIVER["labels"]
    assert record["logs"] == [{"container": "c"}]
    assert said(w, record) == b"hello\n"
    assert w.provider.list_tasks() == []


class Unhurried(FakeProvider):
    """Only asks a task to end when it is to be removed, as ECS does."""

    def remove(self, handle: str) -> None:
        """Let the task run on."""


def stopped(w: World, handle: str) -> None:
    """The provider tells that the task has ended."""
    w.provider.finish(handle, 143)
    w.pods.observe(w.provider.describe([handle])[0])


def forgotten(w: World, handle: str) -> None:
    """The provider knows nothing of the task any more, and the schedule has waited for long enough."""
    FakeProvider.remove(w.provider, handle)
    w.pass_time(KEEP_SECONDS)
    w.run_chores()


@pytest.mark.parametrize("end", [stopped, forgotten])
@pytest.mark.parametrize(
    ("metadata", "state", "cause"),
    [
        (DRIVER, "Killed", "it was killed: its pod was deleted while it ran"),
        ({**DRIVER, "annotations": {ENDED_BY: "kill ended it"}}, "Killed", "kill ended it"),
        (EXECUTOR, "Ended", None),
    ],
)
def test_a_pod_deleted_by_force_stays_cut_short_when_its_task_ends(
    tmp_path: Path, end: Callable[[World, str], None], metadata: JSON, state: str, cause: str | None
) -> None:
    w = World(MemoryStorage(), provider=Unhurried(), host=LONG_LIVED, state=str(tmp_path))
    run(w, "a", metadata)
    handle = w.handle()
    w.delete("pods", "a", grace_seconds=0)

    end(w, handle)
    end(w, handle)

    (record,) = records(w)
    (application,) = group([], [record])
    (shown,) = [pod_record(application, pod, w.clock()) for pod in application.pods]
    assert record["pod"]["status"]["phase"] == "Failed"
    assert (record["state"], shown["state"]) == (state, state)
    if cause:
        assert (application.state, shown["cause"]) == (state, cause)


def test_an_executor_that_its_driver_stops_has_ended_and_not_failed(w: World) -> None:
    run(w, "e", EXECUTOR)

    w.delete("pods", "e")
    w.observe_all()

    (record,) = records(w)
    terminated = record["pod"]["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (record["state"], terminated["exitCode"]) == ("Ended", 143)


def test_an_executor_that_failed_before_its_driver_deleted_it_has_failed(w: World) -> None:
    run(w, "e", EXECUTOR)
    w.provider.finish(w.handle("e"), 137)
    w.observe_all()

    w.delete("pods", "e")

    assert [each["state"] for each in records(w)] == ["Failed"]


def test_other_pods_leave_nothing(tmp_path: Path, w: World) -> None:
    run(w, "b", {"labels": {"app": "web"}})

    w.delete("pods", "b", grace_seconds=0)

    assert records(w) == []
    assert kept(tmp_path) == []


def test_pods_of_one_name_leave_a_record_each(w: World) -> None:
    delete_failed(w)
    run(w, "a", DRIVER)
    delete_failed(w)

    assert len({each["metadata"]["name"] for each in records(w)}) == 2


def test_a_namespace_takes_its_records_along(tmp_path: Path, w: World) -> None:
    delete_failed(w)
    run(w, "b", DRIVER)

    w.delete("namespaces", "ns")
    w.observe_all()
    w.run_chores()

    assert w.get("namespaces", "ns", None) is None
    assert records(w) == []
    assert kept(tmp_path) == []


def test_a_record_that_a_client_deletes_takes_its_log_along(tmp_path: Path, w: World) -> None:
    delete_failed(w)

    w.delete("podrecords", records(w)[0]["metadata"]["name"])

    assert records(w) == []
    assert kept(tmp_path) == []


def test_a_record_expires_with_its_log_a_while_after_the_pods_end(tmp_path: Path) -> None:
    w = started(tmp_path, record_keep_hours=2)
    end(w, 3)
    w.pass_time(HOUR)
    w.delete("pods", "a")
    w.run_chores()
    assert len(records(w)) == 1

    w.pass_time(HOUR)
    w.run_chores()

    assert records(w) == []
    assert kept(tmp_path) == []


def test_a_pod_that_has_expired_itself_leaves_no_record(w: World) -> None:
    delete_failed(w)
    run(w, "a", DRIVER)
    end(w, 3)

    w.pass_time(24 * HOUR)
    w.run_chores()

    assert w.get("pods", "a") is None
    assert records(w) == []


def test_the_oldest_records_of_a_namespace_go_first(tmp_path: Path) -> None:
    w = started(tmp_path, namespace_records=2)
    uids = []
    for _ in range(4):
        uids.append(w.pod()["metadata"]["uid"])
        delete_failed(w)
        run(w, "a", DRIVER)

    w.run_chores()

    assert sorted(each["pod"]["metadata"]["uid"] for each in records(w)) == sorted(uids[-2:])
    assert kept(tmp_path) == sorted(uids[-2:])


def test_a_namespace_is_trimmed_while_its_pods_go(tmp_path: Path) -> None:
    w = started(tmp_path, namespace_records=10)

    for _ in range(40):
        delete_failed(w)
        run(w, "a", DRIVER)

    assert len(records(w)) <= 12  # without a sweep


def test_a_log_is_read_as_its_options_say(w: World) -> None:
    w.provider.say(w.handle(), "c", b"again\n")
    delete_failed(w)
    (record,) = records(w)

    assert said(w, record, tail_lines=1) == b"again\n"
    assert said(w, record, timestamps=True).count(b"Z ") == 2
    assert said(w, record, follow=True) == b"hello\nagain\n"
    with pytest.raises(StatusError, match="previous terminated container"):
        said(w, record, previous=True)


def test_of_a_long_log_the_end_is_kept(tmp_path: Path) -> None:
    w = started(tmp_path, record_log_mib=1)
    w.provider.say(w.handle(), "c", b"".join(b"%099d\n" % number for number in range(20_000)))
    delete_failed(w)

    lines = said(w, records(w)[0]).splitlines()

    assert int(lines[-1]) == 19_999
    assert 2**19 < len(lines) * 133 < 2**20  # as it is stored, each with its time


@pytest.mark.parametrize("problem", ["disk", "engine"])
def test_a_log_that_cannot_be_kept_keeps_no_pod(tmp_path: Path, w: World, problem: str) -> None:
    if problem == "disk":
        (tmp_path / "default").mkdir(exist_ok=True)
        (tmp_path / "default" / "logs").write_text("in the way")
    else:
        w.provider.logs = unavailable  # type: ignore[method-assign]

    delete_failed(w)

    assert w.get("pods", "a") is None
    (record,) = records(w)
    assert record["logs"][0]["error"]
    with pytest.raises(StatusError, match="no log of container") as raised:
        said(w, record)
    assert raised.value.code == 404


def unavailable(handle: str, container: str, options: LogOptions) -> Any:
    del handle, container, options
    raise ProviderUnavailable("Unavailable", "The engine does not answer.")


def test_a_record_that_is_too_large_keeps_no_pod(w: World) -> None:
    store = w.storage
    transact = store.transact

    def refuse(changes: Any) -> Any:
        if any("/podrecords/" in each.key for each in changes):
            raise ObjectTooLarge("it", size_bytes=2, limit_bytes=1)
        return transact(changes)

    store.transact = refuse  # type: ignore[method-assign]

    delete_failed(w)

    assert w.get("pods", "a") is None
    assert records(w) == []


def test_the_log_of_a_pod_whose_task_is_gone_is_read_from_what_was_kept(w: World) -> None:
    pod = w.pod()
    archive = w.controllers.records.archive
    assert archive is not None
    archive.keep(pod["metadata"]["uid"], w.handle(), ["c"])

    w.provider.remove(w.handle())

    assert b"".join(w.pods.logs(pod, "c", LogOptions())) == b"hello\n"


def test_what_was_kept_for_nothing_is_removed(tmp_path: Path, w: World) -> None:
    archive = w.controllers.records.archive
    assert archive is not None
    archive.keep("nobody", w.handle(), ["c"])
    archive.keep(w.pod()["metadata"]["uid"], w.handle(), ["c"])

    w.clock.advance(10 * 365 * 24 * HOUR)  # beyond the time of the files
    w.controllers.records.sweep()

    assert kept(tmp_path) == [w.pod()["metadata"]["uid"]]


class RememberingProvider(FakeProvider):
    """Keeps logs by itself, as CloudWatch does; of a task that is gone too."""

    def log_place(self, handle: str, container: str) -> str:
        return f"the log of {handle}/{container}"

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        assert not options.follow
        return iter([f"{container} of {handle}".encode()])


def test_a_log_that_the_provider_keeps_is_named_and_read_there(tmp_path: Path) -> None:
    clock = Clock()
    w = started(tmp_path, provider=RememberingProvider(clock=clock), clock=clock)
    handle = w.handle()

    delete_failed(w)

    (record,) = records(w)
    assert record["logs"] == [{"container": "c", "place": f"the log of {handle}/c"}]
    assert said(w, record, follow=True) == f"c of {handle}".encode()
    assert kept(tmp_path) == []


def test_the_garbage_collector_has_nothing_to_look_up_for_a_record(w: World) -> None:
    w.create_pod("e", metadata={**EXECUTOR, **w.owner_of()}, containers=SAYS)
    w.observe_all()
    w.delete("pods", "e")
    w.observe_all()
    delete_failed(w)  # the owner that the executor's record names is gone
    asked: list[str] = []
    get = w.storage.get

    def counted(key: str) -> StoredObject:
        asked.append(key)
        return get(key)

    w.storage.get = counted  # type: ignore[method-assign]

    list(w.controllers.lifecycle.garbage.sweep())

    assert len(records(w)) == 2
    assert [key for key in asked if "/podrecords/" in key] == []


CALLS_AT_MOST = 40


def again(folder: Path, storage: Any, provider: FakeProvider, clock: Clock) -> World:  # Any: a store or a proxy of one
    return World(storage, provider=provider, clock=clock, host=LONG_LIVED, state=str(folder), first=False)


@pytest.mark.parametrize("delete", [each for each, _ in ENDS if each is not release])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_death_at_any_call_keeps_record_and_log_exactly_once(
    tmp_path: Path, delete: Callable[[World], None], after: bool
) -> None:
    for calls in range(CALLS_AT_MOST):
        folder, clock = tmp_path / str(calls), Clock()
        storage, provider = MemoryStorage(), FakeProvider(clock=clock)
        started(folder, storage, provider=provider, clock=clock)
        uid = storage.get("/registry/pods/ns/a").object()["metadata"]["uid"]
        countdown = Countdown(calls, after=after)
        with contextlib.suppress(Crash):
            dying = crashing_provider(provider, countdown)
            delete(again(folder, crashing_storage(storage, countdown), dying, clock))
        if not countdown.crashed:
            return
        born = again(folder, storage, provider, clock)
        for _ in range(4):
            born.run_chores()
            born.observe_all()
            born.pass_time(200)
        if born.get("pods", "a") is not None:  # the client died, or was told so: it asks again
            assert records(born) == []
            delete(born)
            born.run_chores()
        assert [each["pod"]["metadata"]["uid"] for each in records(born)] == [uid]
        assert said(born, records(born)[0]) == b"hello\n"
        assert kept(folder) == [uid]
    raise AssertionError("the scenario makes more calls than were tried")
