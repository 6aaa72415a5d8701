"""Warm tasks wait for the next job of their shape and user's: each is bound once, paid once, and ends by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.rules.time import parse_time
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.registry.options import WriteOptions
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.parking_job import PROPERTIES, create_driver, create_executor, living
from tests.unit.controllers.world import World

WARM = ["warm-1", "warm-1-parked-1", "warm-1-parked-2"]


@pytest.fixture
def w() -> World:
    """Return a World whose tasks stay pending until they are begun, as they do where a start takes long."""
    clock = Clock()
    return World(MemoryStorage(), provider=FakeProvider(clock=clock, hold_pending=True), clock=clock)


def names(w: World, start: str = "") -> list[str]:
    found = [item.object()["metadata"]["name"] for item in w.storage.list("/registry/pods/").items]
    return sorted(each for each in found if each.startswith(start))


def warm_up(w: World, **annotations: str) -> list[str]:
    """Have a driver's and two executors' tasks wait; return their handles."""
    create_driver(w, "warm-1", warm="30m", **annotations)
    return [w.handle(each) for each in WARM]


def run_job(w: World) -> list[str]:
    """Start a job of that shape; return the handles of its driver and executors."""
    create_driver(w)
    for number in (1, 2):
        create_executor(w, number)
    return [handle_of(w.pod(each)) for each in ("a", "exec-1", "exec-2")]


def test_a_warm_drivers_executors_wait_with_it_and_nothing_else_is_started(w: World) -> None:
    handles = warm_up(w)

    assert names(w) == WARM
    assert living(w) == sorted(handles)
    assert {w.pod(each)["spec"]["activeDeadlineSeconds"] for each in WARM} == {1800}


def test_the_next_jobs_driver_and_executors_get_the_tasks_that_wait(w: World) -> None:
    waiting = warm_up(w)

    taken = run_job(w)

    assert taken[0] == waiting[0]
    assert sorted(taken) == sorted(waiting)
    assert names(w) == ["a", "exec-1", "exec-2"]
    assert len(w.provider.tasks) == 3, "nothing else was started"


def test_what_such_a_task_tells_from_then_on_is_the_pods_that_has_it(w: World) -> None:
    warm_up(w)
    run_job(w)

    for each in ("a", "exec-1"):
        w.provider.begin(handle_of(w.pod(each)))
    w.observe_all()
    w.run_chores()
    running = [w.phase("a"), w.phase("exec-1"), w.phase("exec-2")]
    w.provider.finish(handle_of(w.pod("exec-1")), 0)
    w.observe_all()

    assert running == ["Running", "Running", "Pending"]
    assert w.phase("exec-1") == "Succeeded"


def test_executors_beyond_those_that_were_foretold_take_warm_tasks_too(w: World) -> None:
    waiting = warm_up(w)
    create_driver(w, properties=PROPERTIES.replace("=2", "=1"))

    for number in (1, 2, 3):
        create_executor(w, number)

    assert {handle_of(w.pod(f"exec-{number}")) for number in (1, 2)} == set(waiting[1:])
    assert handle_of(w.pod("exec-3")) == w.handle("exec-3")


def another_user(w: World) -> None:
    w.user = "bob"


def controllers_own(w: World) -> None:
    w.user = ""


def nearly_over(w: World) -> None:
    w.pass_time(1750)


def ended(w: World) -> None:
    for each in WARM:
        w.provider.finish(w.handle(each), None, reason="SpotInterruption")
    w.observe_all()


@pytest.mark.parametrize("change", [another_user, controllers_own, nearly_over, ended])
def test_no_job_gets_what_is_not_for_it(w: World, change: object) -> None:
    waiting = warm_up(w)
    change(w)  # type: ignore[operator]  # one of those above

    assert not set(run_job(w)) & set(waiting)


def test_a_job_of_another_shape_leaves_them(w: World) -> None:
    waiting = warm_up(w)
    create_driver(w, properties=PROPERTIES.replace("1g", "2g"))

    create_executor(w, 1, memory="2432Mi")

    assert handle_of(w.pod("a")) == waiting[0], "its driver is of that shape"
    assert handle_of(w.pod("exec-1")) not in waiting
    assert names(w, "warm-") == WARM[1:]


def test_a_job_of_another_service_account_leaves_them(w: World) -> None:
    w.create("serviceaccounts", "reader")
    waiting = warm_up(w)

    pod = w.create_pod("b", serviceAccountName="reader", metadata={"labels": {"spark-role": "driver"}})

    assert handle_of(pod) not in waiting
    assert names(w, "warm-") == WARM


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"serviceAccountName": "reader"}, "warm-1 waits under another service account"),
        ({}, "warm-1 is of another shape: image, CPU, memory, mounts or what else its task fixes"),
    ],
)
def test_an_event_says_why_a_driver_starts_cold_beside_a_warm_one(w: World, fields: dict[str, str], words: str) -> None:
    w.create("serviceaccounts", "reader")
    warm_up(w)

    w.create_pod("b", metadata={"labels": {"spark-role": "driver"}}, **fields)

    assert ("NotWarm", f"starts cold: {words}") in w.events("b")


def test_no_event_blames_warm_tasks_where_there_are_none_or_a_job_has_them(w: World) -> None:
    create_driver(w, "cold")
    warm_up(w)
    create_driver(w)
    create_driver(w, "b")

    told = [reason for name in ("cold", "a", "b", "warm-1") for reason, _ in w.events(name)]
    assert "NotWarm" not in told


def test_two_jobs_at_once_share_none(w: World) -> None:
    warm_up(w)
    create_driver(w)
    create_driver(w, "b")

    handles = [handle_of(w.pod(each)) for each in names(w)]

    assert len(set(handles)) == len(handles) == 6


def test_they_end_when_their_time_is_over(w: World) -> None:
    warm_up(w)

    w.pass_time(1801)
    w.run_chores()
    w.observe_all()
    w.run_chores()

    assert (names(w), living(w)) == ([], [])


@pytest.mark.parametrize("grace", [None, 0])
def test_executors_go_with_a_warm_driver_that_somebody_deletes(w: World, grace: int | None) -> None:
    warm_up(w)
    create_driver(w, "warm-2", warm="30m")

    w.delete("pods", "warm-1", grace_seconds=grace)
    w.observe_all()

    assert names(w) == ["warm-2", "warm-2-parked-1", "warm-2-parked-2"]
    w.run_chores()
    assert len(living(w)) == 3


def test_what_ends_with_a_job_is_its_own(w: World) -> None:
    warm_up(w)
    create_driver(w, properties=PROPERTIES.replace("=2", "=1"))

    w.provider.finish(handle_of(w.pod("a")), 1)
    w.observe_all()
    w.observe_all()

    assert names(w) == ["a", WARM[2]]
    assert living(w) == [w.handle(WARM[2])]


def test_a_job_that_asks_for_it_leaves_tasks_for_the_next_one(w: World) -> None:
    create_driver(w, keep_warm="10m")
    for number in (1, 2):
        create_executor(w, number)
    assert names(w, "warm-") == []

    w.provider.finish(handle_of(w.pod("a")), 0)
    w.observe_all()
    w.run_chores()
    kept = names(w, "warm-")
    waiting = [handle_of(w.pod(each)) for each in kept]
    w.storage.delete("/registry/pods/ns/exec-1", expected_revision=w.storage.get("/registry/pods/ns/exec-1").revision)
    create_driver(w, "b")

    assert kept == ["warm-a", "warm-a-parked-1", "warm-a-parked-2"]
    assert handle_of(w.pod("b")) == waiting[0]
    assert {handle_of(w.pod(f"b-parked-{number}")) for number in (1, 2)} == set(waiting[1:])
    w.run_chores()
    assert names(w, "warm-") == [], "they are kept once"


def test_what_a_job_leaves_is_gone_with_its_driver(w: World) -> None:
    create_driver(w, keep_warm="10m")
    w.provider.finish(w.handle(), 0)
    w.observe_all()

    w.delete("pods", "a")
    w.observe_all()
    w.run_chores()

    assert (names(w, "warm-"), living(w)) == ([], [])


def test_a_job_of_the_size_of_a_quota_takes_the_places_of_what_waits_for_it(w: World) -> None:
    w.create("resourcequotas", "q", spec={"hard": {"pods": "3"}})
    waiting = warm_up(w)

    taken = run_job(w)

    assert sorted(taken) == sorted(waiting)
    w.run_chores()
    assert (w.get("resourcequotas", "q") or {})["status"]["used"] == {"pods": "3"}


def test_a_claim_that_a_quota_refuses_is_given_back(w: World) -> None:
    warm_up(w)
    w.create("resourcequotas", "q", spec={"hard": {"requests.memory": "100Mi"}})

    with pytest.raises(StatusError, match="must specify"):
        create_driver(w)

    assert w.pod("warm-1")["metadata"]["annotations"]["sparkanywhere.io/waits-for"] == ""


def test_a_dry_run_claims_nothing(w: World) -> None:
    warm_up(w)
    pod = {"metadata": {"name": "a", "labels": {"spark-role": "driver"}}, "spec": w.pod("warm-1")["spec"]}

    w.registries["", "pods"].create("ns", pod, WriteOptions(dry_run=True, user=w.user))

    assert w.pod("warm-1")["metadata"]["annotations"]["sparkanywhere.io/waits-for"] == ""


@pytest.mark.parametrize(
    ("name", "labels", "words"),
    [("other", {"spark-role": "driver"}, "whose name begins with warm-"), ("warm-1", {}, "a driver of Spark")],
)
def test_a_pod_that_cannot_be_warm_is_refused(w: World, name: str, labels: dict[str, str], words: str) -> None:
    about = {"labels": labels, "annotations": {"sparkanywhere.io/warm": "30m"}}

    with pytest.raises(StatusError, match=words) as refused:
        w.create_pod(name, metadata=about)

    assert refused.value.code == 403


@pytest.mark.parametrize("span", ["", "never", "0", "119", "2d", "soon"])
@pytest.mark.parametrize("wish", ["warm", "keep_warm"])
def test_a_time_that_is_none_is_refused(w: World, wish: str, span: str) -> None:
    with pytest.raises(StatusError, match="of a day at most"):
        create_driver(w, "warm-1", **{wish: span})


def test_no_client_makes_a_pod_a_warm_one_by_our_marks(w: World) -> None:
    marks = {f"sparkanywhere.io/{name}": "ana" for name in ("warm-user", "takes-warm", "bound-to", "kept-warm")}

    pod = w.create_pod("warm-b", metadata={"annotations": marks})

    assert "ana" not in (pod["metadata"].get("annotations") or {}).values()


@pytest.mark.parametrize("name", ["a", "a-parked-1"])
def test_a_pod_starts_when_it_gets_its_task_and_its_deadline_counts_from_then(w: World, name: str) -> None:
    warm_up(w)
    begun = w.clock.now
    w.pass_time(900)

    create_driver(w)

    pod = w.pod(name)
    assert handle_of(pod)
    assert parse_time(pod["status"]["startTime"]) == begun + timedelta(seconds=900)
