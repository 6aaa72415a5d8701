"""Events about containers, in a kubelet's words: a row per turn of a container's state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.controllers.podmodel.events import container_news, launched
from chalicelib.controllers.podmodel.status import next_status
from chalicelib.providers.base import ContainerState, Fetch, TaskState
from tests.unit.controllers.builders import NOW, container, known, pod, task
from tests.unit.controllers.world import World

HERE = Fetch()
FETCHED = Fetch(seconds=1.25, asked_seconds=62.0, size_bytes=2156518)
CREATING = ContainerState("c", "waiting", reason="ContainerCreating", image="image:1")
PULLING = replace(CREATING, message='Pulling image "image:1"')
PROGRESS = replace(CREATING, message='Pulling image "image:1": 1 of 2 layers, 2 of 4 MiB')
FAILED = replace(CREATING, reason="ErrImagePull", message="no such host")
BACKING_OFF = replace(CREATING, reason="ImagePullBackOff", message='Back-off pulling image "image:1": x')
NEVER = replace(CREATING, reason="ErrImageNeverPull", message="it is not here")
CRASHING = replace(CREATING, reason="CrashLoopBackOff", message="later")
RUNNING = known(image="image:1")
ENDED = known(phase="stopped", exit_code=0, image="image:1")
UNSTARTED = known(phase="stopped", exit_code=128, image="image:1", reason="StartError", message="exec: no such file")

PRESENT = 'Pulled: Container image "image:1" already present on machine and can be accessed by the pod'
PULLED = 'Pulled: Successfully pulled image "image:1" in 1.25s (1m2s including waiting). Image size: 2156518 bytes.'
STARTED = "Started: Container started"


def report_of(state: ContainerState) -> TaskState:
    """Return the report on a task of that one container."""
    return task("pending" if state.phase == "waiting" else state.phase, [state])


def told(before: ContainerState, after: ContainerState) -> list[str]:
    """Return what is said when a container of a pod goes from one report to another."""
    first = pod()
    old = {**first, "status": next_status(first, report_of(before), now=NOW)}
    report = report_of(after)
    new = {**old, "status": next_status(old, report, now=NOW + timedelta(seconds=1))}
    return [f"{news.reason}: {news.message}" for news in container_news(old, new, report)]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (CREATING, PULLING, ['Pulling: Pulling image "image:1"']),
        (PULLING, PROGRESS, []),
        (PROGRESS, FAILED, ['Failed: Failed to pull image "image:1": no such host', "Failed: Error: ErrImagePull"]),
        (FAILED, BACKING_OFF, ['BackOff: Back-off pulling image "image:1"', "Failed: Error: ImagePullBackOff"]),
        (BACKING_OFF, PULLING, ['Pulling: Pulling image "image:1"']),
        (CREATING, NEVER, ["ErrImageNeverPull: it is not here", "Failed: Error: ErrImageNeverPull"]),
        (CREATING, replace(RUNNING, fetch=HERE), [PRESENT, STARTED]),
        (PROGRESS, replace(RUNNING, fetch=FETCHED), [PULLED, STARTED]),
        (CREATING, RUNNING, [STARTED]),  # a provider that can't tell
        (CREATING, replace(ENDED, fetch=HERE), [PRESENT, STARTED]),  # too short to be seen running
        (replace(RUNNING, fetch=HERE), replace(ENDED, fetch=HERE), []),
        (
            RUNNING,
            CRASHING,
            ["BackOff: Back-off restarting failed container c in pod a_ns(" + pod()["metadata"]["uid"] + ")"],
        ),
        (CRASHING, replace(RUNNING, restarts=1, fetch=None), [STARTED]),
        (CREATING, replace(UNSTARTED, fetch=HERE), [PRESENT, "Failed: Error: exec: no such file"]),
    ],
)
def test_each_turn_has_its_words(before: ContainerState, after: ContainerState, said: list[str]) -> None:
    assert told(before, after) == said


def test_the_container_is_named_by_its_field(w: World) -> None:
    w.create_pod(containers=[container("one"), container("two")], initContainers=[container("first")])

    events = [item.object() for item in w.storage.list("/registry/events/").items]

    started = [each["involvedObject"]["fieldPath"] for each in events if each["reason"] == "Started"]
    assert sorted(started) == ["spec.containers{one}", "spec.containers{two}", "spec.initContainers{first}"]


def test_what_the_launch_itself_reports_is_told_once(w: World) -> None:
    w.create_pod()
    w.observe_all()

    events = [item.object() for item in w.storage.list("/registry/events/").items]

    assert {each["reason"]: each["count"] for each in events} == {"Scheduled": 1, "Started": 1}


def test_a_report_of_a_state_that_has_no_containers_says_nothing() -> None:
    state = TaskState(uid="u", handle="h", phase="pending")
    assert list(container_news(pod(), {**pod(), "status": next_status(pod(), state, now=NOW)}, state)) == []


@pytest.mark.parametrize(
    ("unsupported", "warnings", "notes", "told"),
    [
        ([], [], [], []),
        ([], [], ["shared"], [("Normal", "not honoured here: shared")]),
        (["spec.a", "spec.b"], ["lost"], ["shared"], [("Warning", "not honoured here: spec.a, spec.b; lost; shared")]),
        ([], ["lost"], [], [("Warning", "not honoured here: lost")]),
    ],
)
def test_a_pod_is_warned_of_what_it_lacks_and_not_of_what_it_shares(
    unsupported: list[str], warnings: list[str], notes: list[str], told: list[tuple[str, str]]
) -> None:
    assert [(each.type, each.message) for each in launched(unsupported, warnings, notes)] == told
