"""The budget_enforcer: what has spent its budget ends, says why, and gets nothing new; whoever else is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.controllers.podmodel import budget
from chalicelib.controllers.podmodel.usage import Usage
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.resources.pods.marks import BUDGET_EXCEEDED, MAX_USD, USED_BY_GONE
from chalicelib.storage.keys import object_key
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import NOW, known, pod, task
from tests.unit.controllers.world import World

HOUR = 3600.0
SPEC: dict[str, Any] = {
    "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]
}


def world(max_usd: str = "5", **parts: Any) -> World:  # Any: fields of ControllerParts
    """Return a world of a dollar a vCPU-hour, with a driver `d` of that budget and an executor `e`."""
    w = World(MemoryStorage(), **{"usd_per_vcpu_hour": 1.0, **parts})
    w.create_pod("d", metadata={"annotations": {MAX_USD: max_usd}}, **SPEC)
    w.create_pod("e", metadata=w.owner_of("d"), **SPEC)
    w.observe_all()
    return w


def resync(w: World) -> None:
    """Let the control plane look, and the provider tell what came of it, until all is quiet."""
    w.resync()
    w.observe_all()


# -- the decision -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("usd", "is_over"), [(0.0, False), (4.99, False), (5.0, True), (50.0, True)])
def test_a_budget_is_spent_when_it_is_reached(usd: float, is_over: bool) -> None:
    driver = pod(metadata={"annotations": {MAX_USD: "5"}})

    assert bool(budget.excess(driver, Usage(1.0, 2.0, usd), 3)) == is_over


def test_the_sentence_has_the_figures() -> None:
    driver = pod(metadata={"annotations": {MAX_USD: "0.5"}})

    said = budget.excess(driver, Usage(3600.0, 7200.0, 0.75), 3)

    assert said == f"used $0.7500 of $0.5000 ({MAX_USD}): 3 pods, 3600 vCPU-seconds, 7200 GiB-seconds"


@pytest.mark.parametrize("annotations", [{}, {MAX_USD: "much"}, {MAX_USD: "-1"}])
def test_without_a_budget_nothing_is_too_much(annotations: dict[str, str]) -> None:
    assert budget.excess(pod(metadata={"annotations": annotations}), Usage(usd=1e9), 1) == ""


def test_the_first_mark_stays() -> None:
    marked = budget.with_mark(pod(), "first", NOW)

    assert budget.exceeded(budget.with_mark(marked, "second", NOW)) == "first"


@pytest.mark.parametrize(("seconds", "is_ours"), [(-1, False), (0, True), (1, True)])
def test_who_ended_by_himself_before_the_mark_was_not_ended(seconds: int, is_ours: bool) -> None:
    marked = budget.with_mark(pod(), "spent", NOW)
    ended = task("stopped", [known("c", "stopped", 0)], stopped_at=NOW + timedelta(seconds=seconds))

    assert budget.was_ended(marked, ended) == is_ours


def test_an_end_that_nobody_has_timed_is_ours() -> None:
    marked = budget.with_mark(pod(), "spent", NOW)

    assert budget.was_ended(marked, task("stopped", [known("c", "stopped", 143)], stopped_at=None))


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"at": 5}'])
def test_a_broken_mark_is_none(text: str) -> None:
    broken = pod(metadata={"annotations": {BUDGET_EXCEEDED: text}})

    assert budget.exceeded(broken) == ""
    assert not budget.was_ended(broken, task("stopped"))


# -- what is done -------------------------------------------------------------------------------------


def test_within_the_budget_all_goes_on() -> None:
    w = world()
    w.pass_time(2 * HOUR)  # two pods: four dollars

    resync(w)

    assert (w.phase("d"), w.phase("e")) == ("Running", "Running")


def test_what_names_the_driver_from_another_namespace_is_none_of_its_own() -> None:
    w = world()
    stranger = w.pod("e")
    stranger["metadata"] |= {"namespace": "other", "uid": "far"}
    w.storage.create(object_key("pods", "other", "e"), stranger)
    w.pass_time(2 * HOUR)  # with a third pod it would be six dollars

    resync(w)
    assert (w.phase("d"), w.phase("e")) == ("Running", "Running")
    w.pass_time(HOUR)
    resync(w)

    assert w.phase("d") == "Failed"
    untouched = w.get("pods", "e", "other") or {}
    assert "deletionTimestamp" not in untouched["metadata"]
    assert w.controllers.usage.of(w.pod("d")["metadata"]["uid"]).pods <= 1


def test_a_spent_budget_ends_the_driver_gracefully_and_says_why() -> None:
    w = world()
    w.pass_time(3 * HOUR)

    resync(w)

    status = w.pod("d")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "BudgetExceeded")
    assert status["message"].startswith("used $6.0000 of $5.0000")
    assert (w.handle("d"), 30) in w.provider.stops
    assert [reason for reason, _ in w.events("d")].count("BudgetExceeded") >= 1


def test_its_executors_go_with_it() -> None:
    w = world()
    w.pass_time(3 * HOUR)

    resync(w)

    assert w.get("pods", "e") is None


def test_a_driver_that_has_ended_still_answers_for_what_its_workloads_run() -> None:
    """Its pods are owned by a Job, which a CronJob owns, which the driver does."""
    w = world()
    w.delete("pods", "e", grace_seconds=0)
    template = {"spec": {**SPEC, "restartPolicy": "Never"}}
    cron = {"schedule": "0 * * * *", "jobTemplate": {"spec": {"template": template}}}
    w.create("cronjobs", "c", metadata=w.owner_of("d"), spec=cron)
    w.provider.finish(w.handle("d"), 0)
    w.observe_all()
    for _ in range(6):
        w.pass_time(HOUR)
        w.controllers.workloads.run_due()
        resync(w)

    assert w.phase("d") == "Succeeded"
    assert budget.exceeded(w.pod("d")).startswith("used $")
    assert [item.key for item in w.storage.list("/registry/pods/").items] == ["/registry/pods/ns/d"]


def test_pods_that_are_gone_have_spent_too() -> None:
    w = world()
    w.pass_time(2 * HOUR)
    w.delete("pods", "e", grace_seconds=0)
    w.pass_time(2 * HOUR)  # four hours of the driver, two of the executor

    resync(w)

    assert w.pod("d")["status"]["reason"] == "BudgetExceeded"


def test_new_executors_are_refused() -> None:
    w = world()
    owner = w.owner_of("d")
    w.pass_time(3 * HOUR)
    resync(w)

    with pytest.raises(StatusError, match=r"pod d used \$6\.0000 of \$5\.0000") as refused:
        w.create_pod("f", metadata=owner, **SPEC)

    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")


def test_a_driver_that_ended_well_before_the_mark_has_succeeded() -> None:
    w = world()
    w.pass_time(3 * HOUR)
    w.provider.finish(w.handle("d"), 0)  # nobody has told us yet
    w.pass_time(1)

    w.controllers.budget_enforcer.check(w.pod("d"))
    w.observe_all()

    assert w.phase("d") == "Succeeded"


def test_executors_that_outlive_their_driver_still_cost() -> None:
    w = world()
    w.provider.finish(w.handle("d"), 1)
    w.observe_all()
    w.pass_time(6 * HOUR)

    resync(w)

    assert w.get("pods", "e") is None
    assert w.phase("d") == "Failed"
    assert "reason" not in w.pod("d")["status"]  # a finished pod stays as it is
    assert "BudgetExceeded" in [reason for reason, _ in w.events("d")]


def test_what_a_crash_left_half_done_is_done_by_the_next() -> None:
    w = world()
    w.pass_time(HOUR)
    key = "/registry/pods/ns/d"
    stored = w.storage.get(key)
    marked = budget.with_mark(stored.object(), "spent", w.clock())
    w.storage.update(key, marked, expected_revision=stored.revision)  # marked, and then the process died

    resync(w)

    assert w.pod("d")["status"]["reason"] == "BudgetExceeded"
    assert w.get("pods", "e") is None


def test_a_driver_that_waits_for_its_start_is_ended_at_once() -> None:
    w = World(MemoryStorage(), usd_per_vcpu_hour=1.0)
    w.provider.failures.append(ProviderUnavailable("NoCapacity", "none left"))
    w.create_pod("d", metadata={"annotations": {MAX_USD: "1"}}, **SPEC)
    w.create_pod("e", metadata=w.owner_of("d"), **SPEC)
    w.observe_all()
    w.pass_time(2 * HOUR)
    w.provider.failures.append(ProviderUnavailable("NoCapacity", "none left"))

    resync(w)

    assert w.pod("d")["status"]["reason"] == "BudgetExceeded"


def test_a_budget_that_is_raised_in_time_counts() -> None:
    w = world()
    key = "/registry/pods/ns/d"
    stored = w.storage.get(key)
    driver = stored.object()
    driver["metadata"]["annotations"][MAX_USD] = "50"
    w.storage.update(key, driver, expected_revision=stored.revision)
    w.pass_time(3 * HOUR)

    resync(w)

    assert w.phase("d") == "Running"


def test_where_nothing_costs_anything_no_budget_is_spent() -> None:
    w = world(max_usd="0.01", usd_per_vcpu_hour=0.0)
    w.pass_time(1000 * HOUR)

    resync(w)

    assert w.phase("d") == "Running"


def test_a_provider_that_does_not_answer_stops_no_fuse() -> None:
    w = world()
    w.pass_time(3 * HOUR)

    def fail(handles: object) -> list[Any]:
        raise ProviderUnavailable("Down", str(handles))

    w.provider.describe = fail  # type: ignore[method-assign]  # the fake's own, for one call
    w.resync()

    assert BUDGET_EXCEEDED in w.pod("d")["metadata"]["annotations"]


def a_job(w: World) -> str:
    """Create a Job of a driver with a budget of five dollars; return its first pod's name."""
    labels = {"job": "j"}
    template = {
        "metadata": {"labels": labels, "annotations": {MAX_USD: "5"}},
        "spec": {**SPEC, "restartPolicy": "Never"},
    }
    w.create("jobs", "j", spec={"backoffLimit": 5, "template": template})
    w.observe_all()
    return drivers(w)[0]


def drivers(w: World) -> list[str]:
    found = [item.object()["metadata"] for item in w.storage.list("/registry/pods/ns/").items]
    return [each["name"] for each in sorted(found, key=lambda each: str(each["creationTimestamp"]))]


def test_all_attempts_of_a_job_share_one_budget() -> None:
    w = World(MemoryStorage(), usd_per_vcpu_hour=1.0)
    first = a_job(w)
    w.pass_time(3 * HOUR)
    w.provider.finish(w.handle(first), 1)
    w.observe_all()
    w.pass_time(60)
    w.run_chores()
    w.observe_all()
    second = drivers(w)[1]
    w.pass_time(3 * HOUR)  # six dollars in all, three of them the second's

    resync(w)

    assert w.pod(second)["status"]["reason"] == "BudgetExceeded"
    assert w.pod(second)["status"]["message"].startswith("used $6.")


def test_a_job_that_has_spent_its_budget_is_not_tried_again() -> None:
    w = World(MemoryStorage(), usd_per_vcpu_hour=1.0)
    a_job(w)
    w.pass_time(6 * HOUR)

    resync(w)
    w.pass_time(HOUR)
    w.run_chores()

    job = w.get("jobs", "j")
    assert job is not None
    (failed,) = [each for each in job["status"]["conditions"] if each["type"] == "Failed"]
    assert failed["reason"] == "BudgetExceeded"
    assert len(drivers(w)) == 1


def test_an_owner_without_a_uid_is_left_to_validation() -> None:
    w = World(MemoryStorage())

    with pytest.raises(StatusError) as refused:
        w.create_pod("d", metadata={"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x"}]})

    assert refused.value.code == 422


# -- what may be written ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "0", "-1", "five", "1e3", "$5", "nan", "inf", "5 ", "٥"])
def test_a_budget_that_is_no_amount_is_refused(text: str) -> None:
    w = World(MemoryStorage())

    with pytest.raises(StatusError, match="must be an amount of US dollars above 0") as refused:
        w.create_pod("d", metadata={"annotations": {MAX_USD: text}})

    assert refused.value.code == 422
    assert f"metadata.annotations[{MAX_USD}]" in refused.value.message


@pytest.mark.parametrize("text", ["5", "0.50", "1000000", "0.000001"])
def test_amounts_are_taken(text: str) -> None:
    w = World(MemoryStorage())

    w.create_pod("d", metadata={"annotations": {MAX_USD: text}})

    assert budget.max_usd(w.pod("d")) == float(text)


def test_a_copy_of_a_pod_does_not_take_over_what_we_wrote_into_it() -> None:
    w = world()
    w.pass_time(3 * HOUR)
    w.delete("pods", "e", grace_seconds=0)
    resync(w)
    old = w.pod("d")["metadata"]["annotations"]
    assert {BUDGET_EXCEEDED, USED_BY_GONE} <= old.keys()

    w.create_pod("copy", metadata={"annotations": old}, **SPEC)
    w.observe_all()

    copy = w.pod("copy")
    assert not {BUDGET_EXCEEDED, USED_BY_GONE} & copy["metadata"]["annotations"].keys()
    assert w.phase("copy") == "Running"
