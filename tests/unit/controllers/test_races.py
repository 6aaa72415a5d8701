"""Races, with the other party's move made at the worst moment."""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.registry.options import Patch, WriteOptions
from chalicelib.storage.base import KeyNotFound, StoredObject
from chalicelib.storage.updates import guaranteed_update
from tests.fake_provider import SlowProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World


def slow_world() -> tuple[World, SlowProvider]:
    provider = SlowProvider()
    return World(MemoryStorage(), provider=provider), provider


def test_pod_deleted_while_its_task_starts_leaves_no_task() -> None:
    w, provider = slow_world()
    provider.meanwhile = lambda: w.delete("pods", "a")

    w.create_pod()

    assert w.get("pods", "a") is None
    assert provider.list_tasks() == []


def test_pod_replaced_while_its_task_starts_gets_a_task_of_its_own() -> None:
    w, provider = slow_world()

    def replace() -> None:
        w.delete("pods", "a")
        w.create_pod()

    provider.meanwhile = replace

    w.create_pod()

    uid = w.pod()["metadata"]["uid"]
    assert [state.uid for state in provider.list_tasks()] == [uid]
    assert handle_of(w.pod()) == f"fake-{uid}"


def test_pod_marked_for_deletion_while_its_task_starts_is_stopped() -> None:
    w, provider = slow_world()
    provider.meanwhile = lambda: w.delete("pods", "a")

    w.create_pod(metadata={"finalizers": ["example.com/hold"]})

    assert [handle for handle, _ in provider.stops] == [w.handle()]
    w.observe_all()
    assert w.phase() == "Failed"


def test_label_set_while_the_task_starts_is_kept() -> None:
    w, provider = slow_world()
    patch = Patch("merge", {"metadata": {"labels": {"spark-exec-inactive": "true"}}})
    registry = w.registries[("", "pods")]
    provider.meanwhile = lambda: registry.patch("ns", "a", patch, WriteOptions())

    w.create_pod()

    assert w.pod()["metadata"]["labels"] == {"spark-exec-inactive": "true"}
    assert handle_of(w.pod()) == w.handle()
    assert len(provider.tasks) == 1


def test_end_reported_while_the_task_starts_is_not_overwritten() -> None:
    w, provider = slow_world()

    def end() -> None:
        provider.finish(provider.list_tasks()[0].handle, 0)
        w.observe_all()

    provider.meanwhile = end

    w.create_pod()

    assert w.phase() == "Succeeded"


class LateStorage(MemoryStorage):
    """Does `meanwhile` once, right after a pod that is stored has not found its ConfigMap."""

    meanwhile: Callable[[], object] | None = None

    def get(self, key: str) -> StoredObject:
        """Look; the world moves on before the caller hears of it."""
        try:
            return super().get(key)
        except KeyNotFound:
            if "/configmaps/" in key and self.meanwhile and self.list("/registry/pods/").items:
                meanwhile, self.meanwhile = self.meanwhile, None
                meanwhile()
            raise


def test_configmap_written_between_the_look_and_the_wait_is_not_missed() -> None:
    storage = LateStorage()
    w = World(storage)
    storage.meanwhile = lambda: w.create("configmaps", "conf", data={})

    w.create_pod(
        containers=[{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        volumes=[{"name": "v", "configMap": {"name": "conf"}}],
    )

    assert len(w.provider.tasks) == 1
    assert w.pods.waiting.storage_keys() == []


class BusyStorage(MemoryStorage):
    """Does `meanwhile` once, right after a reading of the object under `key`."""

    key = ""
    meanwhile: Callable[[], object] | None = None

    def get(self, key: str) -> StoredObject:
        """Read; the world moves on before the caller hears of it."""
        found = super().get(key)
        if key == self.key and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return found


def test_dependent_orphaned_at_the_last_moment_stays() -> None:
    storage = BusyStorage()
    w = World(storage)
    w.create("configmaps", "a", data={})
    w.create("configmaps", "c", metadata=w.owner_of("a", resource="configmaps"), data={})
    storage.key = "/registry/configmaps/ns/c"

    def orphan(obj: JSON) -> JSON:
        return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "ownerReferences"}}

    storage.meanwhile = lambda: guaranteed_update(storage, storage.key, orphan)

    w.delete("configmaps", "a")

    assert w.get("configmaps", "c") is not None


def test_pod_deleted_while_its_end_is_written_is_gone() -> None:
    storage = BusyStorage()
    w = World(storage)
    w.create_pod()
    w.observe_all()
    w.provider.finish(w.handle(), 0)
    storage.key = "/registry/pods/ns/a"
    storage.meanwhile = lambda: w.delete("pods", "a")

    w.observe_all()

    assert storage.meanwhile is None
    assert w.get("pods", "a") is None
    assert not list(w.provider.list_tasks())
