"""Death at any line loses nothing and leaks no task: every call of a scenario is made to be the last, in turn.

A scenario runs until the crash; then a new control plane starts over the same store and provider, time passes, and
everything must have come to where it would have been without the crash.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.runtime.background import Background
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.crash_walk import CrashStores, recover, walk
from tests.unit.controllers.world import URL, World

CALLS_AT_MOST = 60  # more than any scenario here makes
PATIENCE_SECONDS = 30.0


def launch(w: World) -> None:
    """A pod is created and runs."""
    w.create_pod()
    w.observe_all()


def finish(w: World) -> None:
    """A pod is created and ends by itself."""
    launch(w)
    w.provider.finish(w.handle(), 0)
    w.observe_all()


def delete(w: World) -> None:
    """A pod is created and deleted."""
    launch(w)
    w.delete("pods", "a")
    w.observe_all()


def delete_finished(w: World) -> None:
    """A pod ends by itself and is deleted."""
    finish(w)
    w.delete("pods", "a")


def force(w: World) -> None:
    """A running pod is deleted by force."""
    launch(w)
    w.delete("pods", "a", grace_seconds=0)


def application(w: World) -> None:
    """A driver with executors and a ConfigMap ends and is deleted."""
    launch(w)
    owner = w.owner_of()
    w.create_pod("exec-1", metadata=owner)
    w.create("configmaps", "conf", metadata=owner, data={})
    w.observe_all()
    w.provider.finish(w.handle(), 0)
    w.observe_all()
    w.delete("pods", "a")
    w.observe_all()


def late_mount(w: World) -> None:
    """A pod waits for its ConfigMap, which comes."""
    w.create_pod(
        containers=[{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        volumes=[{"name": "v", "configMap": {"name": "conf"}}],
    )
    w.create("configmaps", "conf", data={})
    w.observe_all()


def namespace(w: World) -> None:
    """A namespace with a pod and a ConfigMap is deleted."""
    launch(w)
    w.create("configmaps", "conf", data={})
    w.delete("namespaces", "ns")
    w.observe_all()


def quota(w: World) -> None:
    """The one pod that a quota has room for, with the requests that a LimitRange gives it, makes way for another."""
    hard = {"pods": "1", "requests.cpu": "2", "count/configmaps": "1"}
    w.create("resourcequotas", "q", spec={"hard": hard})
    w.create("limitranges", "l", spec={"limits": [{"type": "Container", "defaultRequest": {"cpu": "2"}}]})
    launch(w)
    w.create("configmaps", "conf", data={})
    with pytest.raises(StatusError, match="exceeded quota: q"):
        w.create_pod("b")
    w.delete("pods", "a", grace_seconds=0)
    w.create_pod("b")
    w.observe_all()


def driver(w: World) -> None:
    """A driver of stock Spark, which is told where this API is as it comes in, and its executor."""
    containers = [{"name": "spark-kubernetes-driver", "image": "spark", "args": ["driver", "--class", "Pi"]}]
    w.create_pod(metadata={"labels": {"spark-role": "driver"}}, containers=containers)
    w.create_pod("exec-1", metadata=w.owner_of())
    w.observe_all()


def bind(w: World) -> None:
    """Pods that ask for memory are bound to the node, one after the other, and run."""
    w.controllers.nodes.keep()
    for name in ("a", "b"):
        requests = {"requests": {"memory": "6Gi"}}
        w.create_pod(name, containers=[{"name": "c", "image": "image:1", "resources": requests}])
    w.observe_all()


SCENARIOS: list[Callable[[World], None]] = [
    launch,
    finish,
    delete,
    delete_finished,
    force,
    application,
    late_mount,
    namespace,
    quota,
    driver,
    bind,
]


def assert_whole(w: World) -> None:
    """Every pod has its one task, every task its pod, nothing hangs, and nobody writes any more."""
    pods = {item.object()["metadata"]["uid"]: item.object() for item in w.storage.list("/registry/pods/").items}
    if w.get("configmaps", "conf") is None:  # the client died before it made what its pod waits for
        pods = {uid: pod for uid, pod in pods.items() if "volumes" not in pod["spec"]}
    tasks = w.provider.list_tasks()
    assert {task.uid for task in tasks} == set(pods)
    for task in tasks:
        assert handle_of(pods[task.uid]) == task.handle
        ended = pods[task.uid]["status"]["phase"] in ("Succeeded", "Failed")
        assert ended == (task.phase == "stopped")
    stored = [item for _, each in sorted(w.registries) for item in w.storage.list(f"/registry/{each}/").items]
    assert len(stored) >= len(pods)
    assert [item.key for item in stored if "deletionTimestamp" in item.json] == []
    uids = [task.uid for task in w.provider.tasks]
    assert len(uids) == len(set(uids)), "no pod was started twice"
    for container in (each for started in w.provider.tasks for each in started.containers):
        is_told = f"spark.kubernetes.driver.master={URL}" in (container.args or ())
        assert is_told == (container.name == "spark-kubernetes-driver")
    for item in w.storage.list("/registry/resourcequotas/").items:
        used = item.object()["status"]["used"]
        configmaps = len(w.storage.list("/registry/configmaps/ns/").items)
        cpu = str(2 * len(pods)) if w.get("limitranges", "l") else "0"
        assert used == {"pods": str(len(pods)), "requests.cpu": cpu, "count/configmaps": str(configmaps)}


@pytest.mark.parametrize("after", [False, True], ids=["before-the-call", "after-the-call"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_crash_at_any_call_is_healed(scenario: Callable[[World], None], after: bool, stores: CrashStores) -> None:
    walk(scenario, assert_whole, stores, after=after, most=CALLS_AT_MOST, raised=(StatusError,))


def test_pod_synced_by_many_threads_is_started_once() -> None:
    storage = MemoryStorage()
    w = World(storage, launches=False)
    w.create_pod()
    pod = w.pod()
    racing = World(storage, provider=w.provider, first=False)
    start = threading.Barrier(8)

    def sync() -> None:
        start.wait()
        racing.pods.sync(pod)

    threads = [threading.Thread(target=sync) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(w.provider.tasks) == 1
    assert handle_of(w.pod()) == w.handle()


def test_pods_created_and_deleted_at_once_leave_nothing() -> None:
    storage = MemoryStorage()
    background = Background()
    w = World(storage, later=background)
    w.provider.start(w.pods.observe)

    def live(number: int) -> None:
        for turn in range(5):
            name = f"p{number}-{turn}"
            w.create_pod(name)
            w.delete("pods", name, grace_seconds=(None, 0, 1)[turn % 3])

    threads = [threading.Thread(target=live, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert background.settle(PATIENCE_SECONDS)
    w.provider.settle()
    recover(w)
    assert background.settle(PATIENCE_SECONDS)
    w.provider.settle()
    recover(w)

    assert w.storage.list("/registry/pods/").items == []
    assert w.provider.list_tasks() == []
    w.provider.close()
    background.close()
