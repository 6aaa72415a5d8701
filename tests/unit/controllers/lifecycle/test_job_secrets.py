"""A marked Secret goes when its pod or Job has ended, though that is kept; any other one stays with its owner."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.lifecycle.job_secrets import JobSecrets, has_ended
from chalicelib.resources.configuration.secrets import DELETE_AT_END
from tests.unit.controllers.world import World

MOUNT = [{"name": "keys", "secret": {"secretName": "keys"}}]
MARK = {"annotations": {DELETE_AT_END: "true"}}


def create_driver(w: World, marks: JSON) -> None:
    """Create a pod that mounts a Secret of its own, which comes after it as for a driver of Spark."""
    w.create_pod("driver", metadata={"annotations": {"sparkanywhere.io/ttl": "never"}}, volumes=MOUNT)
    w.create("secrets", "keys", metadata={**marks, **w.owner_of("driver")}, data={"credentials": "QUs="})


def has_keys(w: World) -> bool:
    return w.get("secrets", "keys") is not None


@pytest.mark.parametrize("exit_code", [0, 1])
def test_it_goes_when_the_driver_has_ended_and_not_before(w: World, exit_code: int) -> None:
    create_driver(w, MARK)
    w.observe_all()
    w.run_chores()
    assert has_keys(w)

    w.provider.finish(w.handle("driver"), exit_code)
    w.observe_all()

    assert not has_keys(w)
    assert w.phase("driver") == ("Failed" if exit_code else "Succeeded")


@pytest.mark.parametrize("marks", [{}, {"annotations": {DELETE_AT_END: "false"}}])
def test_one_without_the_mark_stays_with_its_pod(w: World, marks: JSON) -> None:
    create_driver(w, marks)

    w.provider.finish(w.handle("driver"), 0)
    w.observe_all()
    w.run_chores()

    assert has_keys(w)


def test_an_end_that_was_missed_is_found_by_the_chore(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    create_driver(w, MARK)
    with monkeypatch.context() as crashed:
        crashed.setattr(JobSecrets, "owner_ended", lambda *_: None)
        w.provider.finish(w.handle("driver"), 0)
        w.observe_all()
    assert has_keys(w)

    w.run_chores()

    assert not has_keys(w)


def test_another_pod_that_mounts_it_does_not_end_it(w: World) -> None:
    create_driver(w, MARK)
    w.create_pod("executor", metadata=w.owner_of("driver"), volumes=MOUNT)

    w.provider.finish(w.handle("executor"), 0)
    w.observe_all()
    w.run_chores()

    assert has_keys(w)


def test_one_without_an_owner_stays(w: World) -> None:
    w.create("secrets", "keys", metadata=MARK, data={})

    w.run_chores()

    assert has_keys(w)


def test_that_of_a_job_stays_until_its_last_attempt(w: World) -> None:
    pod = {"containers": [{"name": "c", "image": "image:1"}], "restartPolicy": "Never", "volumes": MOUNT}
    job = w.create("jobs", "driver", spec={"backoffLimit": 1, "template": {"spec": pod}})
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "driver", "uid": job["metadata"]["uid"]}
    w.create("secrets", "keys", metadata={**MARK, "ownerReferences": [owner]}, data={})
    found = []

    for _ in range(2):
        w.pass_time(60)
        w.run_chores()
        for state in w.provider.list_tasks():
            if state.phase != "stopped":
                w.provider.finish(state.handle, 1)
        w.observe_all()
        found.append(has_keys(w))

    assert found == [True, False]


@pytest.mark.parametrize(
    ("resource", "owner", "is_over"),
    [
        ("pods", {"status": {"phase": "Failed"}}, True),
        ("pods", {"status": {"phase": "Running"}}, False),
        ("jobs", {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}, True),
        ("jobs", {"status": {"conditions": [{"type": "Failed", "status": "False"}]}}, False),
        ("jobs", {"status": {"conditions": [{"type": "Suspended", "status": "True"}]}}, False),
        ("jobs", {}, False),
        ("nodes", {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}, False),
    ],
)
def test_which_owners_have_ended(resource: str, owner: JSON, *, is_over: bool) -> None:
    assert has_ended(resource, owner) is is_over
