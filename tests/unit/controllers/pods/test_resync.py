"""What resync heals: whatever a crash, a lost event or another process left behind."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.index import IndexedPod, PodIndex
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.pods import resync as resync_module
from chalicelib.controllers.pods.resync import BATCH, FEW, MOST, Resync
from chalicelib.controllers.runtime.objects import PAGE
from chalicelib.providers.base import Container, ProviderUnavailable, Task, TaskState, ToldInPart
from chalicelib.resources.pods.marks import TASK_ANNOTATION
from chalicelib.storage.base import StorageUnavailable
from tests.inline import Inline, inline
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import pod
from tests.unit.controllers.world import World


def put(w: World, obj: JSON) -> None:
    """Store a pod without any hook, as if we had died before it ran."""
    w.storage.create(f"/registry/pods/ns/{obj['metadata']['name']}", obj)


def task(uid: str, name: str = "orphan") -> Task:
    return Task(uid=uid, group="ns", name=name, containers=(Container("c", "image:1"),))


def resync(w: World) -> None:
    w.resync()


def test_pod_that_nobody_launched_is_launched(w: World) -> None:
    put(w, pod())

    resync(w)

    assert [each.name for each in w.provider.tasks] == ["a"]


def test_pod_that_came_just_now_is_left_to_its_request(w: World) -> None:
    put(w, pod(metadata={"creationTimestamp": "2026-01-02T03:04:03Z"}))

    resync(w)

    assert w.provider.tasks == []


def test_task_whose_handle_was_never_saved_is_found_again(w: World) -> None:
    put(w, pod())
    w.provider.run(task(pod()["metadata"]["uid"], "a"))

    resync(w)

    assert len(w.provider.tasks) == 1
    assert handle_of(w.pod()) == w.handle()


def test_news_that_got_lost_is_asked_for(w: World) -> None:
    w.create_pod()
    w.provider.finish(w.handle(), 3)

    resync(w)

    assert w.phase() == "Failed"
    assert w.pod()["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


def test_many_pods_are_asked_for_in_hundreds(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(101):
        w.create_pod(f"p{number}")
    asked: list[int] = []
    describe = w.provider.describe

    def counting(handles: Any) -> Any:  # Any: as the provider's
        asked.append(len(handles))
        return describe(handles)

    monkeypatch.setattr(w.provider, "describe", counting)

    resync(w)

    assert asked == [100, 1]


def test_more_than_a_page_of_pods_is_looked_at(w: World) -> None:
    for number in range(PAGE):
        ended = pod(f"p{number:04}", uid=f"u{number}")
        ended["status"]["phase"] = "Succeeded"
        put(w, ended)
    put(w, pod("z"))

    resync(w)

    assert [each.name for each in w.provider.tasks] == ["z"]


def test_second_resync_writes_nothing(w: World) -> None:
    w.create_pod()
    resync(w)
    before = w.storage.revision()

    resync(w)

    assert w.storage.revision() == before


def test_task_that_the_provider_lost_makes_the_pod_fail(w: World) -> None:
    w.create_pod()
    w.observe_all()
    w.provider.remove(w.handle())
    resync(w)
    resync(w)
    assert w.phase() == "Running", "it may only not be known yet"

    w.pass_time(61)
    resync(w)
    assert w.phase() == "Running", "one answer without the task proves nothing"
    resync(w)

    status = w.pod()["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "TaskLost")


def test_new_task_of_a_deleting_pod_may_only_not_be_known_yet(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    w.create_pod()
    w.observe_all()
    monkeypatch.setattr(w.provider, "stop", lambda *_, **__: None)  # it takes its grace to end
    monkeypatch.setattr(w.provider, "describe", lambda _: [])
    w.delete("pods", "a")

    w.pass_time(20)
    resync(w)
    resync(w)
    assert w.phase() == "Running"

    w.pass_time(41)
    resync(w)
    resync(w)
    assert w.get("pods", "a") is None


def test_answers_without_a_task_count_only_if_none_with_it_is_between(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.create_pod()
    w.observe_all()
    w.pass_time(61)
    describe = w.provider.describe

    for is_known in (False, True, False, True):
        monkeypatch.setattr(w.provider, "describe", describe if is_known else lambda _: [])
        resync(w)

    assert w.phase() == "Running"


def test_tasks_that_the_provider_does_not_tell_of_now_keep_no_others_from_their_news(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(101):
        w.create_pod(f"p{number:03}")
    w.provider.finish(w.handle("p100"), 3)
    describe = w.provider.describe

    def refusing_the_first(handles: Any) -> Any:  # Any: as the provider's
        if w.handle("p000") in handles:
            raise ProviderUnavailable("Throttled", "later")
        return describe(handles)

    monkeypatch.setattr(w.provider, "describe", refusing_the_first)
    with pytest.raises(ProviderUnavailable):
        list(w.controllers.resync.run())

    assert w.phase("p100") == "Failed"


def test_a_task_that_the_provider_does_not_tell_of_hides_no_other_of_its_hundred(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("untold", "ended", "lost"):
        w.create_pod(name)
    w.provider.finish(w.handle("ended"), 3)
    w.provider.remove(w.handle("lost"))
    w.pass_time(61)
    describe, untold = w.provider.describe, w.handle("untold")

    def telling_in_part(handles: Sequence[str]) -> Any:  # Any: as the provider's
        states = describe([each for each in handles if each != untold])
        raise ToldInPart("Unavailable", "not of one", states=states, untold=[untold])

    monkeypatch.setattr(w.provider, "describe", telling_in_part)
    for _ in range(3):
        with pytest.raises(ToldInPart):
            list(w.controllers.resync.run())

    reasons = {name: (w.phase(name), w.pod(name)["status"].get("reason")) for name in ("untold", "ended", "lost")}
    assert reasons == {"untold": ("Running", None), "ended": ("Failed", None), "lost": ("Failed", "TaskLost")}


def test_orphans_that_are_told_of_are_stopped_whatever_is_not(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    w.provider.run(task("nobody"))
    states = w.provider.list_tasks()

    def telling_in_part(known: object = ()) -> Any:  # Any: as the provider's
        del known
        raise ToldInPart("Unavailable", "not of one", states=states, untold=["other"])

    monkeypatch.setattr(w.provider, "list_tasks", telling_in_part)
    with pytest.raises(ToldInPart):
        w.controllers.resync.stop_orphans()

    assert [handle for handle, _ in w.provider.stops] == ["fake-nobody"]


def test_a_pod_that_cannot_be_seen_to_keeps_no_other_from_its_turn(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bad", "good"):
        w.create_pod(name)
        w.provider.finish(w.handle(name), 3)
    observe, bad = w.pods.observe, w.handle("bad")

    def failing(state: TaskState) -> None:
        if state.handle == bad:
            raise RuntimeError("a report that nobody has thought of")
        observe(state)

    monkeypatch.setattr(w.pods, "observe", failing)
    with pytest.raises(RuntimeError):
        list(w.controllers.resync.run())

    assert (w.phase("bad"), w.phase("good")) == ("Running", "Failed")


def test_a_store_that_is_down_ends_a_run_at_once(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    for name in ("one", "two"):
        w.create_pod(name)
        w.provider.finish(w.handle(name), 3)

    def failing(state: TaskState) -> None:
        seen.append(state.handle)
        raise StorageUnavailable("throttled")

    monkeypatch.setattr(w.pods, "observe", failing)
    with pytest.raises(StorageUnavailable):
        list(w.controllers.resync.run())

    assert len(seen) == 1


def test_a_run_that_is_broken_off_is_gone_on_with_after_what_waits(w: World) -> None:
    for number in range(101):
        w.create_pod(f"p{number:03}")
    for name in ("p000", "p100"):
        w.provider.finish(w.handle(name), 3)
    first_run = w.controllers.resync.run()
    next(first_run)
    next(first_run)  # a hundred tasks
    first_run.close()  # type: ignore[attr-defined]  # a generator
    assert [w.phase(name) for name in ("p000", "p100")] == ["Failed", "Running"]

    put(w, pod("waiting", uid="waits"))
    second_run = w.controllers.resync.run()
    next(second_run)
    assert w.provider.tasks[-1].name == "waiting"
    next(second_run)

    assert w.phase("p100") == "Failed"


def resync_beside_functions(w: World, takes: Callable[[Sequence[str]], bool]) -> Resync:
    """Return a resync that can have pods launched by functions of their own."""
    return Resync(
        index=PodIndex(w.storage),
        provider=w.provider,
        pods=w.pods,
        removed=w.plane.stored.removed,
        clock=w.clock,
        later=inline,
        launch_elsewhere=takes,
    )


def put_waiting(w: World, count: int) -> None:
    """Store pods that nobody has launched, the last the oldest."""
    for number in range(count):
        created = f"2026-01-01T{23 - number // 60:02}:{59 - number % 60:02}:00Z"
        put(w, pod(f"w{number:03}", uid=f"w{number}", metadata={"creationTimestamp": created}))


def test_many_that_wait_are_launched_by_functions_of_their_own_the_oldest_first(w: World) -> None:
    put_waiting(w, MOST + 1)
    handed: list[Sequence[str]] = []

    def take(keys: Sequence[str]) -> bool:
        handed.append(keys)
        return True

    beside = resync_beside_functions(w, take)
    list(beside.run())
    assert [len(each) for each in handed] == [BATCH] * (MOST // BATCH)
    assert handed[0][0].endswith(f"w{MOST:03}")
    assert w.provider.tasks == []

    list(beside.run())  # a moment later
    assert [each.uid for each in w.provider.tasks] == ["w0"], "the newest, left to the next run"


def test_few_that_wait_and_those_that_no_function_takes_are_launched_here(w: World) -> None:
    put_waiting(w, FEW)
    handed: list[Sequence[str]] = []

    def once(keys: Sequence[str]) -> bool:
        handed.append(keys)
        return len(handed) == 1

    list(resync_beside_functions(w, once).run())
    assert (len(w.provider.tasks), handed) == (FEW, [])

    for number in range(BATCH + 5):
        put(w, pod(f"m{number:03}", uid=f"m{number}"))
    list(resync_beside_functions(w, once).run())

    assert [len(each) for each in handed] == [BATCH, 5]
    assert len(w.provider.tasks) == FEW + 5


def test_tasks_of_living_pods_cost_no_read_each(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        w.create_pod(f"p{number}")
    w.observe_all()
    resync(w)
    read: list[str] = []
    monkeypatch.setattr(w.storage, "get", read.append)
    monkeypatch.setattr(w.storage, "get_by_uid", read.append)

    resync(w)

    assert read == []


def test_deleting_pod_whose_task_is_gone_is_removed(w: World) -> None:
    put(w, going(w, pod(metadata={"annotations": {"sparkanywhere.io/task": "gone"}}, nodeName="fake")))

    resync(w)

    assert w.get("pods", "a") is None


def going(w: World, obj: JSON, grace: int = 30) -> JSON:
    del w
    metadata = {"deletionTimestamp": "2026-01-02T03:04:35Z", "deletionGracePeriodSeconds": grace}
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


def test_stop_that_never_reached_the_provider_is_repeated(w: World) -> None:
    w.create_pod()
    w.observe_all()
    stored = w.pod()
    w.storage.update(
        "/registry/pods/ns/a", going(w, stored), expected_revision=int(stored["metadata"]["resourceVersion"])
    )

    resync(w)

    assert w.provider.stops == [(f"fake-{stored['metadata']['uid']}", 30.0)]
    assert w.get("pods", "a") is None


def test_pod_past_its_deadline_is_stopped_and_fails(w: World) -> None:
    w.create_pod(activeDeadlineSeconds=60, terminationGracePeriodSeconds=5)
    w.observe_all()
    w.pass_time(59)
    resync(w)
    assert w.phase() == "Running"

    w.pass_time(1)
    resync(w)
    w.observe_all()

    status = w.pod()["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert w.provider.stops == [(w.handle(), 5.0)]
    message = "Pod was active on the node longer than the specified deadline"
    assert ("DeadlineExceeded", message) in w.events()


def test_pod_that_waits_past_its_deadline_fails(w: World) -> None:
    w.create_pod(
        activeDeadlineSeconds=60,
        containers=[{"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "absent"}}]}],
    )
    w.pass_time(60)

    resync(w)

    status = w.pod()["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert w.pods.waiting.storage_keys() == []
    w.create("secrets", "absent")
    assert w.provider.tasks == []


def test_sync_that_takes_long_is_not_asked_for_again() -> None:
    put_off: list[Callable[[], None]] = []

    class Postponing(Inline):
        def __call__(self, work: Callable[[], None], *, delay_seconds: float = 0.0) -> None:
            del delay_seconds
            put_off.append(work)

    w = World(MemoryStorage(), later=Postponing())
    put(w, pod())
    put_off.clear()

    resync(w)
    resync(w)
    assert len(put_off) == 1
    put_off.pop()()
    assert len(w.provider.tasks) == 1


def test_stray_task_is_stopped_and_then_forgotten(w: World) -> None:
    w.provider.run(task("nobody"))

    resync(w)
    assert [handle for handle, _ in w.provider.stops] == ["fake-nobody"], "a pod is stored before its task is run"
    resync(w)

    assert w.provider.list_tasks() == []


def test_second_task_of_a_pod_is_an_orphan(w: World) -> None:
    w.create_pod()
    w.observe_all()
    w.provider.run(task("ghost"))
    uid = w.pod()["metadata"]["uid"]
    w.provider.update("fake-ghost", lambda state: replace(state, uid=uid))
    resync(w)
    assert w.provider.stops == [], "it may be the one that the pod is just being given"

    w.pass_time(121)
    resync(w)

    assert [handle for handle, _ in w.provider.stops] == ["fake-ghost"]
    assert w.phase() == "Running"


@pytest.mark.parametrize(("name", "end"), [("e", ""), ("e", "over"), ("e", "gone"), ("d", ""), ("d", "over")])
def test_what_a_second_task_of_a_pod_has_used_is_recorded_beside_the_first(w: World, name: str, end: str) -> None:
    asked = [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "2"}}}]
    w.create_pod("d", containers=asked)
    w.create_pod("e", metadata=w.owner_of("d"), containers=asked)
    w.observe_all()
    uid, head = w.pod(name)["metadata"]["uid"], w.pod("d")["metadata"]["uid"]
    w.provider.run(task("ghost"))
    w.provider.update("fake-ghost", lambda state: replace(state, uid=uid))
    w.pass_time(100)
    if end == "over":
        w.provider.finish(w.handle(name), 0)
        w.observe_all()
    if end == "gone":
        w.delete("pods", name, grace_seconds=0)
    w.pass_time(100)

    for _ in range(3):  # stopped, seen to have ended, gone
        resync(w)

    records = [item.object() for item in w.storage.list(f"/registry/sparkanywhere-usage/{head}/").items]
    ghost = [each["vcpuSeconds"] for each in records if each["metadata"]["name"].startswith(f"{uid}-")]
    assert ghost == [2 * 200.0]
    assert w.provider.describe(["fake-ghost"]) == []


def test_task_of_a_finished_pod_that_still_runs_is_stopped(w: World) -> None:
    w.create_pod()
    stored = w.pod()
    stored["status"]["phase"] = "Failed"
    w.storage.update("/registry/pods/ns/a", stored, expected_revision=int(stored["metadata"]["resourceVersion"]))

    resync(w)

    assert [handle for handle, _ in w.provider.stops] == [w.handle()]


def test_task_of_a_finished_pod_is_kept_for_its_log(w: World) -> None:
    w.create_pod()
    w.provider.finish(w.handle(), 0)
    w.observe_all()
    w.pass_time(3600)

    resync(w)

    assert len(w.provider.list_tasks()) == 1


def test_pod_of_a_node_that_is_no_more_goes_long_after_its_grace(w: World) -> None:
    put(w, going(w, pod(nodeName="other")))
    resync(w)
    assert w.get("pods", "a") is not None

    w.pass_time(331)
    resync(w)

    assert w.get("pods", "a") is None


def test_unavailable_provider_ends_a_resync_without_harm(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    w.create_pod()

    def refuse(handles: object) -> object:
        raise ProviderUnavailable("Throttled", f"slow down: {handles}")

    monkeypatch.setattr(w.provider, "describe", refuse)
    before = w.storage.revision()

    resync(w)

    assert w.storage.revision() == before


def test_pods_that_need_nothing_are_read_once_and_their_tasks_asked_for(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.create_pod("a")
    w.create_pod("timed", activeDeadlineSeconds=60)
    w.observe_all()
    resync(w)
    read: list[str] = []
    decoded = IndexedPod.object

    def noting(each: IndexedPod) -> JSON:
        read.append(each.key)
        return decoded(each)

    monkeypatch.setattr(IndexedPod, "object", noting)

    resync(w)
    w.provider.finish(w.handle(), 3)
    resync(w)

    assert read == ["/registry/pods/ns/timed"] * 2
    assert w.phase() == "Failed"


def test_a_pod_of_another_node_is_never_asked_for(w: World) -> None:
    put(w, pod(metadata={"annotations": {TASK_ANNOTATION: "theirs"}}, nodeName="other"))

    for _ in range(4):
        w.pass_time(60)
        resync(w)

    assert w.phase() == "Pending"


def test_a_resync_does_not_hold_all_pods_decoded(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 executors would take a gigabyte, and the function on Lambda has half of one."""
    monkeypatch.setattr(resync_module, "STEP", 5)
    for number in range(60):
        env = [{"name": f"VARIABLE_{each}", "value": "x"} for each in range(100)]
        w.create_pod(f"p{number}", containers=[{"name": "c", "image": "image:1", "env": env}])
    w.observe_all()
    index = w.plane.stored.index
    index.look()
    tracemalloc.start()
    try:
        decoded = [each.object() for each in index.look().unfinished]
        all_at_once = tracemalloc.get_traced_memory()[0]
        decoded.clear()
        tracemalloc.reset_peak()

        list(w.controllers.resync.run())

        assert tracemalloc.get_traced_memory()[1] < all_at_once / 2
    finally:
        tracemalloc.stop()
