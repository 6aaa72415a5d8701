"""Pods that a provider refuses: Pending, tried again with growing pauses, started when the cause is gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.record import LAUNCHES, failed_starts, launches
from chalicelib.providers.base import ProviderError, ProviderUnavailable, TaskRejected
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

NFS = {"name": "v", "nfs": {"server": "s", "path": "/"}}
MOUNTS = [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/data"}]}]
DRIVER = {"labels": {"spark-role": "driver"}}
NO_COMMAND = TaskRejected("CreateContainerError", "no command")


def condition(pod: JSON, kind: str = "PodScheduled") -> str:
    return str(next(each["status"] for each in pod["status"]["conditions"] if each["type"] == kind))


def waiting(pod: JSON) -> JSON:
    found: JSON = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    return found


def tries(w: World, seconds: int, error: ProviderError) -> list[int]:
    """Return at which seconds the provider is asked to start the only pod, while it always refuses."""
    asked = []
    for second in range(seconds):
        w.provider.failures = [error]
        w.pods.retry()
        if second % 10 == 0:
            w.resync()
        if not w.provider.failures:
            asked.append(second)
        w.pass_time(1)
    return asked


@pytest.mark.parametrize(
    ("error", "reason", "news"),
    [
        (NO_COMMAND, "CreateContainerError", ("Failed", "Error: no command")),
        (
            TaskRejected("CreateContainerConfigError", "no key"),
            "CreateContainerConfigError",
            ("Failed", "Error: no key"),
        ),
        (TaskRejected("InvalidImageName", "bad"), "InvalidImageName", ("Failed", "Error: InvalidImageName")),
        (ProviderUnavailable("ErrImagePull", "not here"), "ErrImagePull", ("Failed", "Error: ErrImagePull")),
        (TaskRejected("HostPathNotAllowed", "/etc"), "ContainerCreating", ("FailedMount", "/etc")),
        (TaskRejected("SubPathNotSafe", "a link"), "ContainerCreating", ("FailedMount", "a link")),
        (
            ProviderUnavailable("FailedCreatePodSandBox", "no address"),
            "ContainerCreating",
            ("FailedCreatePodSandBox", "no address"),
        ),
        (TaskRejected("InvalidParameter", "odd"), "CreateContainerError", ("Failed", "Error: InvalidParameter: odd")),
    ],
)
def test_refused_pod_waits_on_its_node_as_a_kubelets_does(
    w: World, error: ProviderError, reason: str, news: tuple[str, str]
) -> None:
    w.provider.failures.append(error)

    w.create_pod()

    pod = w.pod()
    assert (w.phase(), condition(pod), condition(pod, "Ready")) == ("Pending", "True", "False")
    assert pod["spec"]["nodeName"] == "fake"
    assert waiting(pod)["reason"] == reason
    assert news in w.events()


@pytest.mark.parametrize("reason", ["OutOfResources", "OutOfDisk", "NodeAffinity"])
def test_pod_that_no_size_or_place_holds_is_unschedulable(w: World, reason: str) -> None:
    w.provider.failures.append(TaskRejected(reason, "44 vCPU asked for"))

    w.create_pod()

    pod = w.pod()
    assert (w.phase(), condition(pod), "nodeName" in pod["spec"]) == ("Pending", "False", False)
    assert w.events() == [("FailedScheduling", "0/1 nodes are available: 44 vCPU asked for")]


def test_pod_with_a_volume_that_cannot_be_had_waits(w: World) -> None:
    w.create_pod(containers=MOUNTS, volumes=[NFS])

    assert (w.phase(), waiting(w.pod())["reason"]) == ("Pending", "ContainerCreating")
    assert w.events() == [
        ("FailedMount", "spec.volumes[v].nfs: this kind of volume is not supported"),
        ("Scheduled", "Successfully assigned ns/a to fake"),
    ]
    assert w.provider.tasks == []


def test_first_init_container_waits_where_there_is_one(w: World) -> None:
    w.provider.failures.append(NO_COMMAND)

    w.create_pod(initContainers=[{"name": "i", "image": "i"}, {"name": "j", "image": "i"}])

    status = w.pod()["status"]
    inits = [each["state"]["waiting"]["reason"] for each in status["initContainerStatuses"]]
    assert inits == ["CreateContainerError", "PodInitializing"]
    assert waiting(w.pod())["reason"] == "PodInitializing"


def test_refused_pod_is_tried_as_often_as_a_kubelet_would_and_its_events_are_counted(w: World) -> None:
    w.provider.failures.append(TaskRejected("SubPathNotSafe", "a link"))
    w.create_pod()

    asked = tries(w, 3600, TaskRejected("SubPathNotSafe", "a link"))

    assert asked[:6] == [10, 30, 70, 150, 310, 610]
    assert len(asked) == 15
    events = [item.object() for item in w.storage.list("/registry/events/").items]
    assert {each["reason"]: each["count"] for each in events} == {"FailedMount": 16, "Scheduled": 1}
    assert (w.phase(), w.provider.tasks) == ("Pending", [])


def test_same_refusal_again_does_not_write_the_pod(w: World) -> None:
    w.provider.failures += [NO_COMMAND] * 2
    w.create_pod()
    before = w.pod()
    w.pass_time(10)

    w.pods.retry()

    assert w.provider.failures == []
    assert w.pod() == before


def test_refused_pod_runs_once_the_cause_is_gone(w: World) -> None:
    w.provider.failures.append(NO_COMMAND)
    w.create_pod()
    w.pass_time(10)

    w.pods.retry()
    w.observe_all()

    status = w.pod()["status"]
    assert status["phase"] == "Running"
    assert not {"reason", "message"} & set(status)


@pytest.mark.parametrize("error", [NO_COMMAND, TaskRejected("OutOfDisk", "900 GiB"), TaskRejected("Forbidden", "no")])
def test_refused_pod_is_deleted_at_once(w: World, error: ProviderError) -> None:
    w.provider.failures.append(error)
    w.create_pod()

    w.delete("pods", "a")
    w.pass_time(600)
    w.pods.retry()
    w.resync()

    assert w.get("pods", "a") is None
    assert w.provider.tasks == []


@pytest.mark.parametrize("error", [NO_COMMAND, TaskRejected("OutOfDisk", "900 GiB"), TaskRejected("Forbidden", "no")])
def test_driver_that_cannot_start_fails_so_that_its_submitter_hears_of_it(w: World, error: TaskRejected) -> None:
    w.provider.failures.append(error)
    w.create_pod(metadata=DRIVER)

    asked = tries(w, 29, error)
    assert (w.phase(), asked) == ("Pending", [10])
    tries(w, 12, error)

    status = w.pod()["status"]
    assert (status["phase"], status["reason"]) == ("Failed", error.reason)
    assert status["message"] == f"Pod was rejected: {error.message}"
    for each in status.get("containerStatuses", ()):
        ended = each["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"], ended["message"]) == (128, error.reason, error.message)
    assert tries(w, 3600, error) == []


def test_driver_that_waits_for_what_passes_is_left_to_wait(w: World) -> None:
    error = ProviderUnavailable("ErrImagePull", "not here yet")
    w.provider.failures.append(error)
    w.create_pod(metadata=DRIVER)

    tries(w, 600, error)

    assert w.phase() == "Pending"


def begun_in_vain(w: World) -> None:
    """End the task of the pod before any of it began, as an image that is not there does."""
    pods = [state for state in w.provider.list_tasks() if state.phase == "pending"]
    for state in pods:
        w.provider.finish(state.handle, None, reason="ErrImagePull")
        w.provider.update(state.handle, lambda state: replace(state, message="CannotPullContainerError: no such image"))
    w.observe_all()


def test_task_that_ends_before_it_begins_is_tried_again_without_end() -> None:
    w = World(MemoryStorage(), provider=FakeProvider(hold_pending=True))
    w.create_pod()
    for _ in range(LAUNCHES + 3):
        begun_in_vain(w)
        assert (w.phase(), waiting(w.pod())["reason"]) == ("Pending", "ErrImagePull")
        w.pass_time(300)
        w.pods.retry()

    assert len(w.provider.tasks) == LAUNCHES + 4
    assert (launches(w.pod()), len(failed_starts(w.pod()))) == (LAUNCHES + 3, LAUNCHES)
    assert [task.attempt for task in w.provider.tasks] == list(range(LAUNCHES + 4))


def test_driver_whose_task_ends_before_it_begins_fails() -> None:
    w = World(MemoryStorage(), provider=FakeProvider(hold_pending=True))
    w.create_pod(metadata=DRIVER)

    begun_in_vain(w)

    assert (w.phase(), w.pod()["status"]["reason"]) == ("Failed", "ErrImagePull")
