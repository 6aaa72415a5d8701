"""What goes with its owner, what stays, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.objects import PAGE
from chalicelib.registry.options import WriteOptions
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World


def test_driver_takes_everything_it_owns_with_it(w: World) -> None:
    w.create_pod("driver")
    owner = w.owner_of("driver")
    w.create_pod("exec-1", metadata=owner)
    w.create("configmaps", "conf", metadata=owner, data={})
    ports = [{"port": 7078}]
    w.create("services", "svc", metadata=owner, spec={"clusterIP": "None", "ports": ports})
    w.create("networkpolicies", "policy", metadata=owner, spec={"podSelector": {}})
    w.create("configmaps", "other", data={})

    w.delete("pods", "driver")
    assert w.get("configmaps", "conf") is not None, "the driver has not ended yet"
    w.observe_all()

    gone = [("pods", "driver"), ("configmaps", "conf"), ("services", "svc"), ("networkpolicies", "policy")]
    assert [w.get(resource, name) for resource, name in gone] == [None] * 4
    assert w.pod("exec-1")["metadata"]["deletionTimestamp"], "executors end gracefully"
    w.observe_all()
    assert w.get("pods", "exec-1") is None
    assert w.get("configmaps", "other") is not None


def test_chain_of_owners_goes_whole(w: World) -> None:
    w.create("configmaps", "a", data={})
    w.create("configmaps", "b", metadata=w.owner_of("a", resource="configmaps"), data={})
    w.create("configmaps", "c", metadata=w.owner_of("b", resource="configmaps"), data={})

    w.delete("configmaps", "a")

    assert [w.get("configmaps", name) for name in "abc"] == [None] * 3


def test_dependent_lives_while_one_owner_lives(w: World) -> None:
    w.create("configmaps", "a", data={})
    w.create("configmaps", "b", data={})
    both = [
        *w.owner_of("a", resource="configmaps")["ownerReferences"],
        *w.owner_of("b", resource="configmaps")["ownerReferences"],
    ]
    w.create("configmaps", "c", metadata={"ownerReferences": both}, data={})

    w.delete("configmaps", "a")

    stays = w.get("configmaps", "c")
    assert stays is not None
    assert [owner["name"] for owner in stays["metadata"]["ownerReferences"]] == ["b"]
    w.delete("configmaps", "b")
    assert w.get("configmaps", "c") is None


def test_owner_counts_by_uid_not_by_name(w: World) -> None:
    w.create("configmaps", "a", data={})
    owner = w.owner_of("a", resource="configmaps")
    w.delete("configmaps", "a")
    w.create("configmaps", "a", data={})
    w.create("configmaps", "c", metadata=owner, data={})
    w.pass_time(600)

    w.run_chores()

    assert w.get("configmaps", "a") is not None
    assert w.get("configmaps", "c") is None


def _foreign(w: World, resource: str, name: str, owner: JSON, **fields: object) -> None:
    """Store a dependent in another namespace than its owner's, which no API server can keep a client from doing."""
    metadata = {"name": name, "namespace": "other", "uid": f"far-{name}", **owner}
    w.storage.create(object_key(resource, "other", name), {"metadata": metadata, **fields})


def test_owner_in_another_namespace_counts_as_gone_even_while_it_lives(w: World) -> None:
    w.create("configmaps", "a", data={})
    _foreign(w, "configmaps", "c", w.owner_of("a", resource="configmaps"))
    w.pass_time(600)

    w.run_chores()

    assert w.get("configmaps", "a") is not None
    assert w.get("configmaps", "c", "other") is None


@pytest.mark.parametrize("propagation", ["Foreground", "Orphan"])
def test_a_dependent_in_another_namespace_neither_holds_an_owner_nor_is_changed_by_its_delete(
    w: World, propagation: str
) -> None:
    w.create("configmaps", "a", data={})
    _foreign(w, "configmaps", "c", w.owner_of("a", resource="configmaps", blocks=True))
    before = w.get("configmaps", "c", "other")

    w.delete("configmaps", "a", propagation=propagation)

    assert w.get("configmaps", "a") is None
    assert w.get("configmaps", "c", "other") == before


def test_an_owner_of_the_cluster_owns_in_every_namespace(w: World) -> None:
    w.create("priorityclasses", "high", value=1)
    uid = (w.get("priorityclasses", "high", None) or {})["metadata"]["uid"]
    reference = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "name": "high", "uid": uid}
    _foreign(w, "configmaps", "c", {"ownerReferences": [reference]})
    w.pass_time(600)
    w.run_chores()
    assert w.get("configmaps", "c", "other") is not None

    w.delete("priorityclasses", "high")

    assert w.get("configmaps", "c", "other") is None


def test_orphans_stay_without_their_owner(w: World) -> None:
    w.create("configmaps", "a", data={})
    w.create("configmaps", "c", metadata=w.owner_of("a", resource="configmaps"), data={})

    w.delete("configmaps", "a", propagation="Orphan")

    stays = w.get("configmaps", "c")
    assert w.get("configmaps", "a") is None
    assert stays is not None
    assert "ownerReferences" not in stays["metadata"]


def deletions(w: World, since: int) -> list[str]:
    events = w.storage.events_after("/registry/", since).events
    return [event.key.rsplit("/", 1)[1] for event in events if event.type == "DELETED"]


@pytest.mark.parametrize(("blocks", "order"), [(True, ["c", "a"]), (False, ["c", "a"])])
def test_foreground_delete_takes_dependents_first(w: World, blocks: bool, order: list[str]) -> None:
    w.create("configmaps", "a", data={})
    w.create("configmaps", "c", metadata=w.owner_of("a", resource="configmaps", blocks=blocks), data={})
    since = w.storage.revision()

    w.delete("configmaps", "a", propagation="Foreground")

    assert deletions(w, since) == order


def test_foreground_delete_waits_for_a_dependent_that_blocks(w: World) -> None:
    w.create("configmaps", "a", data={})
    w.create_pod("exec-1", metadata=w.owner_of("a", resource="configmaps", blocks=True))
    w.observe_all()

    w.delete("configmaps", "a", propagation="Foreground")

    waits = w.get("configmaps", "a")
    assert waits is not None
    assert waits["metadata"]["finalizers"] == ["foregroundDeletion"]
    w.observe_all()
    assert w.get("pods", "exec-1") is None
    assert w.get("configmaps", "a") is None


def test_foreground_delete_does_not_wait_for_one_that_does_not_block(w: World) -> None:
    w.create("configmaps", "a", data={})
    w.create_pod("exec-1", metadata=w.owner_of("a", resource="configmaps"))
    w.observe_all()

    w.delete("configmaps", "a", propagation="Foreground")

    assert w.get("configmaps", "a") is None
    assert w.pod("exec-1")["metadata"]["deletionTimestamp"]


def test_dependent_of_another_living_owner_survives_a_foreground_delete(w: World) -> None:
    w.create("configmaps", "a", data={})
    w.create("configmaps", "b", data={})
    both = [
        *w.owner_of("a", resource="configmaps", blocks=True)["ownerReferences"],
        *w.owner_of("b", resource="configmaps")["ownerReferences"],
    ]
    w.create("configmaps", "c", metadata={"ownerReferences": both}, data={})

    w.delete("configmaps", "a", propagation="Foreground")

    stays = w.get("configmaps", "c")
    assert stays is not None
    assert [owner["name"] for owner in stays["metadata"]["ownerReferences"]] == ["b"]
    assert w.get("configmaps", "a") is None


def put(w: World, name: str, metadata: JSON) -> None:
    """Store a ConfigMap without any hook, as if we had died before it ran."""
    full = {"name": name, "namespace": "ns", "uid": f"uid-{name}", **metadata}
    w.storage.create(f"/registry/configmaps/ns/{name}", {"metadata": full})


OLD = {"creationTimestamp": "2026-01-01T00:00:00Z"}
LOST_OWNER = {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "gone", "uid": "gone"}]}


def test_sweep_finds_dependents_whose_owner_went_unseen(w: World) -> None:
    put(w, "c", {**OLD, **LOST_OWNER})

    w.run_chores()

    assert w.get("configmaps", "c") is None


def test_sweep_reads_more_than_a_page(w: World) -> None:
    for number in range(PAGE):
        put(w, f"c{number:04}", OLD)
    put(w, "z", {**OLD, **LOST_OWNER})

    w.run_chores()

    assert w.get("configmaps", "z") is None
    assert len(w.storage.list("/registry/configmaps/ns/").items) == PAGE + 1  # the namespace's own is one


@pytest.mark.parametrize("kept", [[], ["b"]])
def test_a_dependent_that_comes_after_its_owner_has_gone_is_collected_at_once(w: World, kept: list[str]) -> None:
    w.create("configmaps", "a", data={})
    owners = w.owner_of("a", resource="configmaps")["ownerReferences"]
    for name in kept:
        w.create("configmaps", name, data={})
        owners += w.owner_of(name, resource="configmaps")["ownerReferences"]
    w.delete("configmaps", "a")

    w.create_pod("late", metadata={"ownerReferences": owners})
    w.observe_all()

    late = w.get("pods", "late")
    assert [each["name"] for each in late["metadata"]["ownerReferences"]] == kept if late else not kept


def test_a_dependent_whose_owner_is_set_after_that_has_gone_is_collected(w: World) -> None:
    w.create("configmaps", "a", data={})
    owner = w.owner_of("a", resource="configmaps")
    w.delete("configmaps", "a")
    w.create("configmaps", "c", data={})
    registry = w.registries[("", "configmaps")]
    dependent = registry.typed(registry.get("ns", "c"))

    registry.update("ns", "c", {**dependent, "metadata": {**dependent["metadata"], **owner}}, WriteOptions())

    assert w.get("configmaps", "c") is None


NOT_SERVED = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "gone", "uid": "gone"}


@pytest.mark.parametrize(
    ("resource", "namespace", "owner"),
    [
        ("configmaps", "ns", NOT_SERVED),
        ("configmaps", "ns", {**NOT_SERVED, "apiVersion": "v2", "kind": "Pod"}),
        ("priorityclasses", None, {**NOT_SERVED, "apiVersion": "v1", "kind": "Pod"}),
    ],
)
def test_an_owner_that_cannot_be_looked_up_keeps_what_it_owns(
    w: World, resource: str, namespace: str | None, owner: JSON
) -> None:
    fields: dict[str, Any] = {"data": {}} if namespace else {"value": 1}
    w.create(resource, "c", metadata={"ownerReferences": [owner]}, **fields)

    w.run_chores()

    assert w.get(resource, "c", namespace) is not None


def test_foreground_delete_goes_down_the_chain(w: World) -> None:
    labels = {"matchLabels": {"app": "x"}}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    w.create("deployments", "d", spec={"replicas": 2, "selector": labels, "template": template})
    w.observe_all()
    since = w.storage.revision()

    w.delete("deployments", "d", propagation="Foreground")

    sets = [item.object() for item in w.storage.list("/registry/replicasets/").items]
    assert [each["metadata"]["finalizers"] for each in sets] == [["foregroundDeletion"]]
    assert w.get("deployments", "d") is not None
    w.observe_all()
    pods = w.storage.events_after("/registry/pods/", since).events
    assert len({event.key for event in pods if event.type == "DELETED"}) == 2
    assert deletions(w, since)[-2:] == [sets[0]["metadata"]["name"], "d"]


def test_foreground_delete_of_a_circle_ends(w: World) -> None:
    w.create("configmaps", "a", data={})
    w.create("configmaps", "b", metadata=w.owner_of("a", resource="configmaps", blocks=True), data={})
    owned = {"metadata": w.owner_of("b", resource="configmaps", blocks=True)}
    key = object_key("configmaps", "ns", "a")
    guaranteed_update(w.storage, key, lambda a: {**a, "metadata": {**a["metadata"], **owned["metadata"]}})

    w.delete("configmaps", "a", propagation="Foreground")

    assert [w.get("configmaps", name) for name in "ab"] == [None, None]


def test_an_object_that_asked_to_orphan_does_so_when_it_is_collected(w: World) -> None:
    w.create("configmaps", "a", data={})
    asked = {"finalizers": ["orphan"], **w.owner_of("a", resource="configmaps")}
    w.create("configmaps", "b", metadata=asked, data={})
    w.create("configmaps", "c", metadata=w.owner_of("b", resource="configmaps"), data={})

    w.delete("configmaps", "a")

    stays = w.get("configmaps", "c")
    assert w.get("configmaps", "b") is None
    assert stays is not None
    assert "ownerReferences" not in stays["metadata"]


def test_sweep_finishes_what_a_finalizer_asked_for(w: World) -> None:
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
    put(w, "a", {**OLD, **going, "finalizers": ["orphan"]})
    owner = {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "uid-a"}]}
    put(w, "c", {**OLD, **owner})

    w.run_chores()

    stays = w.get("configmaps", "c")
    assert w.get("configmaps", "a") is None
    assert stays is not None
    assert "ownerReferences" not in stays["metadata"]


def test_sweep_changes_nothing_where_all_is_well(w: World) -> None:
    w.create_pod("driver")
    w.observe_all()
    w.create("configmaps", "conf", metadata=w.owner_of("driver"), data={})
    w.run_chores()  # makes the provider's node
    w.pass_time(600)
    before = w.storage.revision()

    w.run_chores()

    assert w.storage.revision() == before


def test_namespace_is_emptied_and_goes_with_its_last_object(w: World) -> None:
    w.create("configmaps", "a", data={})
    w.create_pod()
    w.observe_all()

    w.delete("namespaces", "ns")

    assert w.get("configmaps", "a") is None
    assert w.get("namespaces", "ns", None) is not None, "a pod is still ending"
    w.observe_all()
    assert w.get("pods", "a") is None
    assert w.get("namespaces", "ns", None) is None


def test_empty_namespace_goes(w: World) -> None:
    w.delete("namespaces", "ns")

    assert w.get("namespaces", "ns", None) is None


def test_claim_whose_finalizer_nobody_looked_after_goes_with_the_next_sweep(w: World) -> None:
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
    held = {"name": "data", "namespace": "ns", "uid": "u", "finalizers": ["kubernetes.io/pvc-protection"]}
    w.storage.create("/registry/persistentvolumeclaims/ns/data", {"metadata": {**held, **going}})

    w.run_chores()

    assert w.get("persistentvolumeclaims", "data") is None


def test_namespace_that_nobody_emptied_goes_with_the_next_sweep(w: World) -> None:
    w.create("configmaps", "a", data={})
    stored = w.storage.get("/registry/namespaces/ns")
    going = stored.object()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    w.storage.update(stored.key, going, expected_revision=stored.revision)

    w.run_chores()

    assert w.get("configmaps", "a") is None
    assert w.get("namespaces", "ns", None) is None


def test_namespace_that_is_not_going_is_left_alone(w: World) -> None:
    w.create("configmaps", "a", data={})

    w.run_chores()

    assert w.get("configmaps", "a") is not None


def test_finalizer_of_others_holds_a_namespace(w: World) -> None:
    w.create("configmaps", "a", metadata={"finalizers": ["example.com/hold"]}, data={})

    w.delete("namespaces", "ns")
    w.run_chores()

    assert w.get("namespaces", "ns", None) is not None
    assert w.get("configmaps", "a") is not None


CLAIM = {"accessModes": ["ReadWriteOncePod"], "resources": {"requests": {"storage": "1Gi"}}}
USES_CLAIM = {
    "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
    "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
}


def test_claim_stays_while_a_pod_uses_it(w: World) -> None:
    w.create("persistentvolumeclaims", "data", spec=CLAIM)
    w.create("pods", "a", spec={**USES_CLAIM, "restartPolicy": "Never"})
    w.observe_all()

    w.delete("persistentvolumeclaims", "data")
    assert w.get("persistentvolumeclaims", "data") is not None
    w.delete("pods", "a")
    w.observe_all()

    assert w.get("persistentvolumeclaims", "data") is None


def test_claim_is_bound_by_the_first_pod_that_mounts_it(w: World) -> None:
    w.create("persistentvolumeclaims", "data", spec=CLAIM)
    before = w.get("persistentvolumeclaims", "data")
    assert before is not None
    assert before["status"]["phase"] == "Pending"

    w.create("pods", "a", spec={**USES_CLAIM, "restartPolicy": "Never"})

    after = w.get("persistentvolumeclaims", "data")
    assert after is not None
    status = {"phase": "Bound", "accessModes": ["ReadWriteOncePod"], "capacity": {"storage": "1Gi"}}
    assert after["status"] == status


def test_claim_that_nobody_uses_goes(w: World) -> None:
    w.create("persistentvolumeclaims", "data", spec=CLAIM)

    w.delete("persistentvolumeclaims", "data")

    assert w.get("persistentvolumeclaims", "data") is None


class KeepingProvider(FakeProvider):
    """A fake that remembers which named volumes were still wanted."""

    wanted: set[str] | None = None

    def keep_volumes(self, wanted: Callable[[], Collection[str]]) -> None:
        self.wanted = set(wanted())


def test_what_stood_behind_a_claim_goes_after_it() -> None:
    provider = KeepingProvider()
    w = World(MemoryStorage(), provider=provider)
    kept = w.create("persistentvolumeclaims", "kept", spec=CLAIM)["metadata"]["uid"]
    w.create("persistentvolumeclaims", "gone", spec=CLAIM)
    w.delete("persistentvolumeclaims", "gone")

    w.controllers.lifecycle.claims.drop_volumes()

    assert provider.wanted == {kept}


VOLUME = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/v"}}


def test_volume_that_no_claim_is_bound_to_goes(w: World) -> None:
    w.create("persistentvolumes", "v", spec=VOLUME)

    w.delete("persistentvolumes", "v")

    assert w.get("persistentvolumes", "v", namespace=None) is None


def test_bound_volume_stays(w: World) -> None:
    w.create("persistentvolumes", "v", spec=VOLUME)
    key = object_key("persistentvolumes", None, "v")
    guaranteed_update(w.storage, key, lambda volume: {**volume, "status": {"phase": "Bound"}})

    w.delete("persistentvolumes", "v")

    assert w.get("persistentvolumes", "v", namespace=None) is not None


def test_claim_of_a_finished_pod_goes_with_the_next_sweep(w: World) -> None:
    w.create("persistentvolumeclaims", "data", spec=CLAIM)
    w.create("pods", "a", spec={**USES_CLAIM, "restartPolicy": "Never"})
    w.delete("persistentvolumeclaims", "data")
    w.provider.finish(w.handle(), 0)
    w.observe_all()

    w.run_chores()

    assert w.get("persistentvolumeclaims", "data") is None


def test_what_was_marked_by_a_process_that_died_before_the_removal_is_removed(w: World) -> None:
    w.create("configmaps", "c", metadata={"finalizers": ["example.com/held"]}, data={})
    w.delete("configmaps", "c")
    left = w.storage.get("/registry/configmaps/ns/c")
    marked = left.object()
    del marked["metadata"]["finalizers"]
    w.storage.update(left.key, marked, expected_revision=left.revision)

    list(w.controllers.lifecycle.garbage.sweep())

    assert w.get("configmaps", "c") is None
