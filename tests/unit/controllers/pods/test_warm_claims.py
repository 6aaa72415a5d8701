"""A claim of a warm task is of one stored pod: it is taken back with that, and opens no way around quotas."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.controllers.podmodel.index import Ending
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.pods.reservations import is_kept_late
from chalicelib.registry.options import Patch, WriteOptions
from chalicelib.storage.base import Page
from sparkanywhere.jobs.application_names import find_application
from tests.api_client import ApiClient
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.crashing import Countdown, Crash, crashing_storage
from tests.unit.controllers.parking_job import PROPERTIES, conf_of, create_driver, create_driver_pod
from tests.unit.controllers.world import World
from tests.unit.sparkanywhere.jobs.kube_in_process import InProcessClient

WAITS_FOR = "sparkanywhere.io/waits-for"
ONE_EXECUTOR = PROPERTIES.replace("=2", "=1")


@pytest.fixture
def empty() -> World:
    """Return a World whose tasks stay pending until they are begun."""
    clock = Clock()
    return World(MemoryStorage(), provider=FakeProvider(clock=clock, hold_pending=True), clock=clock)


@pytest.fixture
def w(empty: World) -> World:
    """Return one with a driver's warm task and one of its executor's."""
    create_driver(empty, "warm-1", warm="30m", properties=ONE_EXECUTOR)
    return empty


def waits_for(w: World) -> str:
    return str(w.pod("warm-1")["metadata"]["annotations"][WAITS_FOR])


def ask_as_it_is(w: World, name: str) -> None:
    create_driver(w, name, park="false")


def ask_for_another_image(w: World, name: str) -> None:
    create_driver_pod(w, name, park="false")
    change_image(w, name)
    w.create("configmaps", conf_of(name), data={"spark.properties": PROPERTIES})


def change_image(w: World, name: str) -> None:
    """Have a pod, whose ConfigMap is missing, differ from what it has claimed."""
    image = {"op": "replace", "path": "/spec/containers/0/image", "value": "other"}
    w.registries["", "pods"].patch("ns", name, Patch("json", [image]), WriteOptions(user=w.user))


@pytest.mark.parametrize(
    ("is_interrupted", "ask"), [(True, ask_as_it_is), (False, ask_for_another_image)], ids=["interrupted", "patched"]
)
def test_a_warm_task_that_is_not_bound_lends_its_place_in_a_quota_once(
    w: World, is_interrupted: bool, ask: Callable[[World, str], None]
) -> None:
    w.create("resourcequotas", "q", spec={"hard": {"pods": "2"}})
    if is_interrupted:
        w.provider.finish(w.handle("warm-1"), None, reason="SpotInterruption")  # nobody has told us yet
    asked = ("d1", "d2", "d3", "d4")

    for name in asked:
        with suppress(StatusError):
            ask(w, name)

    w.observe_all()
    w.run_chores()
    assert [each for each in asked if w.get("pods", each)] == ["d1"]
    assert w.get("pods", "warm-1") is None
    assert (w.get("resourcequotas", "q") or {})["status"]["used"] == {"pods": "2"}


def test_what_is_of_another_shape_than_its_warm_task_says_so(w: World) -> None:
    ask_for_another_image(w, "b")

    words = "b is of another shape than the warm task that it has claimed, which is given back"
    assert ("NotParked", words) in w.events("b")
    w.observe_all()
    assert [w.get("pods", each) is not None for each in ("warm-1", "warm-1-parked-1")] == [False, True]


@pytest.mark.parametrize("grace_seconds", [None, 0])
def test_a_pod_that_goes_before_it_is_bound_leaves_its_warm_task_to_the_next(
    w: World, grace_seconds: int | None
) -> None:
    waiting = w.handle("warm-1")
    create_driver_pod(w, "b")
    assert waits_for(w) == "b"

    w.delete("pods", "b", grace_seconds=grace_seconds)

    assert waits_for(w) == ""
    create_driver(w)
    assert handle_of(w.pod()) == waiting


def test_a_pod_that_fails_before_it_is_bound_leaves_its_warm_task(w: World) -> None:
    create_driver_pod(w, "b")
    stored = w.storage.get("/registry/pods/ns/b")
    ended = {**stored.object(), "status": {**stored.object()["status"], "phase": "Failed"}}
    w.storage.update(stored.key, ended, expected_revision=stored.revision)

    w.controllers.parking.pod_changed(w.pod("b"))  # type: ignore[union-attr]  # this provider binds late

    assert waits_for(w) == ""


def test_a_claim_whose_pod_was_never_stored_is_taken_back_minutes_later(w: World) -> None:
    countdown = Countdown(0, after=True)
    doomed = World(crashing_storage(w.storage, countdown), provider=w.provider, clock=w.clock, first=False)
    with pytest.raises(Crash):
        create_driver_pod(doomed, "b")

    w.run_chores()
    at_once = waits_for(w)
    w.pass_time(121)
    w.run_chores()

    assert (at_once, waits_for(w)) == ("b", "")


def test_a_claim_of_a_pod_that_is_there_lasts(w: World) -> None:
    create_driver_pod(w, "b")

    w.pass_time(600)
    w.run_chores()

    assert waits_for(w) == "b"


def test_a_repeated_create_claims_no_second_task(w: World) -> None:
    waiting = w.handle("warm-1")
    create_driver(w, "b")
    create_driver(w, "warm-1", warm="30m", properties=ONE_EXECUTOR)

    with pytest.raises(StatusError) as refused:
        create_driver_pod(w, "b")

    assert refused.value.code == 409
    assert handle_of(w.pod("b")) == waiting
    assert waits_for(w) == ""


def test_a_repeated_create_leaves_the_claim_to_the_pod_that_is_there(w: World) -> None:
    waiting = w.handle("warm-1")
    create_driver_pod(w, "b")

    with pytest.raises(StatusError):
        create_driver_pod(w, "b")
    w.create("configmaps", conf_of("b"), data={"spark.properties": PROPERTIES})

    assert handle_of(w.pod("b")) == waiting


def test_the_name_of_a_job_is_not_that_of_what_it_leaves(empty: World) -> None:
    create_driver(empty, "a", keep_warm="10m")
    empty.pass_time(60)
    empty.provider.finish(handle_of(empty.pod()), 0)
    empty.observe_all()
    client = InProcessClient(ApiClient(empty.plane))

    job, kept = (find_application(client, "ns", name) for name in ("pi", "warm"))

    assert (job.driver_name, job.state) == ("a", "Succeeded")
    assert (kept.driver_name, kept.state) == ("warm-a", "Warm")


def create_executor_as(user: str, w: World, *, is_controller: bool) -> str:
    """Have a user ask for an executor of driver `a`, of the shape of the warm pod; return the handle of its task."""
    owner = {**w.owner_of()["ownerReferences"][0], "controller": is_controller}
    about = {"labels": {"spark-role": "executor"}, "ownerReferences": [owner]}
    w.create("configmaps", "e", data={})
    w.user = user
    volumes = [{"name": "conf", "configMap": {"name": "e"}}]
    w.create_pod("e", metadata=about, containers=w.pod("warm-1")["spec"]["containers"], volumes=volumes)
    return handle_of(w.pod("e"))


@pytest.mark.parametrize(
    ("user", "is_controller", "is_given"),
    [
        ("ana", True, True),
        ("system:serviceaccount:ns:default", True, True),
        ("bob", True, False),
        ("system:serviceaccount:ns:other", True, False),
        ("system:serviceaccount:other:default", True, False),
        ("ana", False, False),
    ],
)
def test_only_the_pods_of_a_users_driver_take_that_users_tasks(
    empty: World, user: str, is_controller: bool, is_given: bool
) -> None:
    create_driver(empty, keep_warm="10m", properties=ONE_EXECUTOR)
    create_driver(empty, "warm-1", warm="30m", properties=ONE_EXECUTOR)
    waiting = empty.handle("warm-1")

    handle = create_executor_as(user, empty, is_controller=is_controller)

    assert handle == (waiting if is_given else empty.handle("e"))


def test_a_warm_pod_that_a_workload_makes_is_refused(empty: World) -> None:
    empty.user = ""

    with pytest.raises(StatusError, match="nobody could take") as refused:
        create_driver_pod(empty, "warm-j", warm="30m")

    assert refused.value.code == 403


def test_others_pods_hide_no_warm_one(w: World) -> None:
    waiting = w.handle("warm-1")
    for number in range(220):
        w.create_pod(f"warm-0-{number}", schedulingGates=[{"name": "hold"}])

    create_driver(w)

    assert handle_of(w.pod()) == waiting


def test_a_look_for_warm_pods_goes_no_further_than_their_names(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(120):
        w.create_pod(f"x-{number}", schedulingGates=[{"name": "hold"}])
    pages = []
    listed = w.storage.list

    def list_pods(prefix: str, **options: Any) -> Page:  # Any: those of Storage.list
        page = listed(prefix, **options)
        if str(options.get("start_key") or "").startswith("/registry/pods/ns/warm-"):
            pages.append(len(page.items))
        return page

    monkeypatch.setattr(w.storage, "list", list_pods)
    create_driver_pod(w, "b")

    assert pages == [50]


@pytest.mark.parametrize("name", ["warm-1", "warm-1-parked-1"])
def test_the_image_of_a_pod_whose_task_waits_stays_what_it_is(w: World, name: str) -> None:
    with pytest.raises(StatusError, match="a task of the image that it had waits") as refused:
        change_image(w, name)

    assert refused.value.code == 422


def end_and_die(w: World, calls: int, *, after: bool) -> None:
    """End the job of driver `a`, and have the process that hears of it die at one of its writes."""
    w.provider.finish(w.handle(), 0)
    countdown = Countdown(calls, after=after)
    doomed = World(crashing_storage(w.storage, countdown), provider=w.provider, clock=w.clock, first=False)
    with suppress(Crash):
        doomed.observe_all()


@pytest.mark.parametrize("calls", range(12))
@pytest.mark.parametrize("after", [False, True], ids=["before-the-write", "after-the-write"])
def test_tasks_are_kept_warm_once_whichever_write_a_process_dies_at(empty: World, calls: int, after: bool) -> None:
    create_driver(empty, keep_warm="10m")
    end_and_die(empty, calls, after=after)

    empty.observe_all()
    empty.pass_time(61)
    empty.run_chores()

    assert empty.phase("warm-a") == "Pending"
    assert empty.pod()["metadata"]["annotations"]["sparkanywhere.io/kept-warm"] == "true"
    create_driver(empty, "b")
    empty.run_chores()
    assert empty.get("pods", "warm-a") is None, "once"


@pytest.mark.parametrize(
    ("seconds", "keep_warm", "is_late"),
    [
        (59, "10m", False),
        (60, "10m", True),
        (599, "10m", True),
        (600, "10m", False),
        (60, "", False),
        (60, "90s", False),
    ],
)
def test_what_was_begun_is_done_again_while_it_is_of_use(seconds: int, keep_warm: str, is_late: bool) -> None:
    end = Clock().now
    ending = Ending(end, has_failed=False, role="driver", is_parked=False, ttl="", keep_warm=keep_warm)

    assert is_kept_late(ending, end + timedelta(seconds=seconds)) == is_late
