"""CronJobs: what starts when, what is kept, and what a clock, a crash or a user can do to them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.plane.host import LAMBDA
from chalicelib.registry.options import WriteOptions
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World
from tests.unit.registry.bodies import causes

TEMPLATE: JSON = {"spec": {"containers": [{"name": "c", "image": "image:1"}], "restartPolicy": "Never"}}
HOUR = 3600.0
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def _cron(w: World, schedule: str = "0 * * * *", **spec: Any) -> None:  # Any: fields of a CronJob's spec
    w.create("cronjobs", "c", spec={"schedule": schedule, "jobTemplate": {"spec": {"template": TEMPLATE}}, **spec})


def _jobs(w: World) -> list[JSON]:
    found = [item.object() for item in w.storage.list("/registry/jobs/").items]
    return sorted(found, key=lambda job: str(job["metadata"]["name"]))


def _status(w: World) -> JSON:
    found = w.get("cronjobs", "c")
    assert found is not None
    status: JSON = found.get("status") or {}
    return status


def _pass(w: World, seconds: float) -> None:
    w.pass_time(seconds)
    w.controllers.workloads.run_due()


def _end_pods(w: World, exit_code: int = 0) -> None:
    for state in w.provider.list_tasks():
        if state.phase != "stopped":
            w.provider.finish(state.handle, exit_code)
    w.observe_all()


def _reasons(w: World) -> set[str]:
    return {reason for reason, _ in w.events("c")}


def _on_the_hour(w: World) -> None:
    """Let time pass up to the middle of an hour."""
    now = w.clock()
    w.pass_time(((now.replace(minute=30, second=0, microsecond=0) + timedelta(hours=1)) - now).total_seconds())


def test_a_job_starts_at_its_time_and_its_end_is_noted(w: World) -> None:
    _on_the_hour(w)
    _cron(w)
    assert _jobs(w) == []

    _pass(w, HOUR)

    (job,) = _jobs(w)
    due = w.clock().replace(minute=0)
    assert job["metadata"]["name"] == f"c-{int(due.timestamp()) // 60}"
    assert job["metadata"]["annotations"][SCHEDULED] == due.isoformat()
    assert job["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    (active,) = _status(w)["active"]
    assert active["uid"] == job["metadata"]["uid"]
    assert _status(w)["lastScheduleTime"] == due.strftime("%Y-%m-%dT%H:%M:%SZ")
    _end_pods(w)
    assert "active" not in _status(w)
    assert _status(w)["lastSuccessfulTime"] == w.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert {"SuccessfulCreate", "SawCompletedJob"} <= _reasons(w)


def test_nothing_starts_twice_for_one_time(w: World) -> None:
    _on_the_hour(w)
    _cron(w)
    _pass(w, HOUR)

    for _ in range(3):
        w.controllers.workloads.sweep()
        _pass(w, 60.0)

    assert len(_jobs(w)) == 1


def test_a_job_deleted_by_hand_does_not_start_again(w: World) -> None:
    _on_the_hour(w)
    _cron(w)
    _pass(w, HOUR)

    w.delete("jobs", _jobs(w)[0]["metadata"]["name"], propagation="Background")
    _pass(w, 60.0)

    assert _jobs(w) == []
    assert "MissingJob" in _reasons(w)
    assert "active" not in _status(w)


def test_the_time_zone_is_that_of_the_schedule(w: World) -> None:
    _cron(w, "0 12 * * *", timeZone="Asia/Kolkata")

    for _ in range(25):
        _pass(w, HOUR)

    stamps = [job["metadata"]["annotations"][SCHEDULED] for job in _jobs(w)]
    assert all(stamp.endswith("T12:00:00+05:30") for stamp in stamps)
    assert stamps


@pytest.mark.parametrize(
    ("policy", "running", "reason"),
    [("Allow", 2, ""), ("Forbid", 1, "JobAlreadyActive"), ("Replace", 1, "SuccessfulDelete")],
)
def test_concurrency(w: World, policy: str, running: int, reason: str) -> None:
    _on_the_hour(w)
    _cron(w, concurrencyPolicy=policy)
    _pass(w, HOUR)
    first = _jobs(w)[0]["metadata"]["name"]

    _pass(w, HOUR)
    w.observe_all()
    w.controllers.workloads.sweep()

    live = [job["metadata"]["name"] for job in _jobs(w) if not job["metadata"].get("deletionTimestamp")]
    assert len(live) == running
    assert (first in live) == (policy != "Replace")
    assert len(_status(w)["active"]) == running
    assert not reason or reason in _reasons(w)


def test_a_run_that_was_forbidden_starts_late_once_it_may(w: World) -> None:
    _on_the_hour(w)
    _cron(w, concurrencyPolicy="Forbid")
    _pass(w, HOUR)
    _pass(w, HOUR)

    _end_pods(w)

    assert [len(_jobs(w)), len(_status(w)["active"])] == [2, 1]


def test_a_suspended_one_starts_nothing_until_it_is_resumed(w: World) -> None:
    _on_the_hour(w)
    _cron(w, suspend=True)
    _pass(w, HOUR)
    assert _jobs(w) == []

    registry = w.registries[("batch", "cronjobs")]
    obj = registry.typed(registry.get("ns", "c"))
    registry.update("ns", "c", {**obj, "spec": {**obj["spec"], "suspend": False}}, WriteOptions())

    assert len(_jobs(w)) == 1


@pytest.mark.parametrize(("deadline", "started"), [(None, 1), (30, 0), (2 * 3600, 1), (2**62, 1)])
def test_what_was_missed_while_nobody_looked(w: World, deadline: int | None, started: int) -> None:
    _on_the_hour(w)
    _cron(w, startingDeadlineSeconds=deadline)

    _pass(w, 5 * HOUR)

    assert len(_jobs(w)) == started


def test_many_missed_times_are_told_and_only_the_last_is_served(w: World) -> None:
    _cron(w, "* * * * *")

    _pass(w, 24 * HOUR)

    assert len(_jobs(w)) == 1
    assert "TooManyMissedTimes" in _reasons(w)


def test_as_many_finished_jobs_are_kept_as_were_asked_for(w: World) -> None:
    _on_the_hour(w)
    _cron(w, successfulJobsHistoryLimit=2, failedJobsHistoryLimit=0)
    for _ in range(5):
        _pass(w, HOUR)
        _end_pods(w)
    names = [job["metadata"]["name"] for job in _jobs(w)]

    assert len(names) == 2
    assert names[-1] == f"c-{int(w.clock().replace(minute=0).timestamp()) // 60}"


def test_a_job_made_by_hand_neither_counts_as_a_run_nor_holds_one_up(w: World) -> None:
    _on_the_hour(w)
    _cron(w, concurrencyPolicy="Forbid")
    cron = w.get("cronjobs", "c")
    assert cron is not None
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": "c",
        "uid": cron["metadata"]["uid"],
        "controller": True,
    }
    w.create("jobs", "by-hand", metadata={"ownerReferences": [owner]}, spec={"template": TEMPLATE})

    _pass(w, HOUR)

    assert [job["metadata"]["name"] for job in _jobs(w) if job["metadata"]["name"] != "by-hand"]
    assert len(_status(w)["active"]) == 1


def test_a_status_that_a_client_made_up_stalls_nothing(w: World) -> None:
    _on_the_hour(w)
    _cron(w)
    registry = w.registries[("batch", "cronjobs")]
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        obj = registry.typed(registry.get("ns", "c"))
        changed = {**obj, "status": {"lastScheduleTime": moment, "active": [{}]}}
        registry.update("ns", "c", changed, WriteOptions(), subresource="status")
        w.controllers.workloads.sweep()

    assert len(_jobs(w)) == 1  # the first of the two made up that one was due long ago


def _wrong(**spec: Any) -> list[str]:  # Any: fields of a CronJob's spec
    return causes(
        "CronJob", {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}, **spec}}
    )


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"schedule": ""}, "spec.schedule: Required value"),
        (
            {"schedule": "61 * * * *"},
            'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61',
        ),
        (
            {"schedule": "TZ=UTC * * * * *"},
            'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field'
            " instead",
        ),
        (
            {"timeZone": "Europe/Pariss"},
            'spec.timeZone: Invalid value: "Europe/Pariss": unknown time zone Europe/Pariss',
        ),
        ({"timeZone": "../etc"}, 'spec.timeZone: Invalid value: "../etc": unknown time zone ../etc'),
        ({"timeZone": "Europe"}, 'spec.timeZone: Invalid value: "Europe": unknown time zone Europe'),
        ({"timeZone": ""}, 'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'),
        (
            {"timeZone": "local"},
            'spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone as defined in'
            " https://www.iana.org/time-zones",
        ),
        (
            {"concurrencyPolicy": "Never"},
            'spec.concurrencyPolicy: Unsupported value: "Never": supported values: "Allow", "Forbid", "Replace"',
        ),
        (
            {"startingDeadlineSeconds": -1},
            "spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            {"jobTemplate": {"spec": {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Always"}}}}},
            'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
        ),
        (
            {"jobTemplate": {"spec": {"template": TEMPLATE, "manualSelector": True}}},
            'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
        ),
    ],
)
def test_what_is_refused(spec: JSON, cause: str) -> None:
    assert _wrong(**spec) == [cause]


def test_a_name_leaves_room_for_the_time() -> None:
    spec = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": TEMPLATE}}}
    wrong = causes("CronJob", {"metadata": {"name": "a" * 53}, "spec": spec})

    assert wrong == [f'metadata.name: Invalid value: "{"a" * 53}": must be no more than 52 characters']


def test_a_schedule_that_is_never_due_is_no_trouble(w: World) -> None:
    _cron(w, "0 0 31 2 *")

    _pass(w, 24 * HOUR)

    assert _jobs(w) == []


def test_where_no_thread_lives_between_requests_the_schedule_of_the_chores_starts_jobs() -> None:
    w = World(MemoryStorage(), host=LAMBDA)
    _on_the_hour(w)
    _cron(w)
    w.pass_time(HOUR)

    w.run_chores()
    w.run_chores()

    assert len(_jobs(w)) == 1
    assert len(_status(w)["active"]) == 1
