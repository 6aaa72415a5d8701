"""A pod that another one owns, as a driver its executors, gets nothing that belongs to a third."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.references import PodRejected
from chalicelib.controllers.translation.task import translate
from tests.unit.controllers.builders import container, pod
from tests.unit.controllers.translation.builders import Objects, encoded, node

USES: dict[str, JSON] = {
    "configMap": {"volumes": [{"name": "v", "configMap": {"name": "conf"}}]},
    "optional configMap": {"volumes": [{"name": "v", "configMap": {"name": "conf", "optional": True}}]},
    "secret": {"volumes": [{"name": "v", "secret": {"secretName": "keys"}}]},
    "claim": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
    "projected": {"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "conf"}}]}}]},
    "envFrom": {"envFrom": [{"secretRef": {"name": "keys"}}]},
    "env": {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "k"}}}]},
}


def _owned_by(*names: str, kind: str = "Pod") -> list[JSON]:
    return [{"apiVersion": "v1", "kind": kind, "name": name, "uid": f"uid-of-{name}"} for name in names]


def _named(name: str, owners: list[JSON], **fields: Any) -> JSON:
    metadata = {"name": name, "namespace": "ns", "uid": f"uid-of-{name}", "ownerReferences": owners}
    return {"metadata": metadata, **fields}


def _translated(use: JSON, *, pods_owners: list[JSON], objects_owners: list[JSON]) -> None:
    """Translate a pod that uses an object in that way."""
    claimed = {"resources": {"requests": {"storage": "1Gi"}}}
    objects = {
        ("pods", "a-driver"): _named("a-driver", []),
        ("pods", "a-exec"): _named("a-exec", _owned_by("a-driver")),
        ("pods", "b-driver"): _named("b-driver", []),
        ("pods", "b-exec"): _named("b-exec", _owned_by("b-driver")),
        ("statefulsets", "a-set"): _named("a-set", _owned_by("a-driver")),
        ("configmaps", "conf"): _named("conf", objects_owners, data={"k": "v"}),
        ("secrets", "keys"): _named("keys", objects_owners, data={"K": encoded("v")}),
        ("persistentvolumeclaims", "data"): _named("data", objects_owners, spec=claimed),
    }
    fields = {key: value for key, value in use.items() if key != "volumes"}
    if "volumes" in use:
        fields["volumeMounts"] = [{"name": "v", "mountPath": "/m"}]
    obj = pod(containers=[container(**fields)], volumes=use.get("volumes", []))
    obj["metadata"] |= {"ownerReferences": pods_owners}
    assert translate(obj, node(lookup=Objects(objects))).task is not None


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_belongs_to_another_application_is_refused(use: JSON) -> None:
    for owners in (_owned_by("b-driver"), _owned_by("b-exec"), _owned_by("gone")):
        for ours in (_owned_by("a-driver"), _owned_by("a-set", kind="StatefulSet")):
            with pytest.raises(PodRejected, match="belongs to another application"):
                _translated(use, pods_owners=ours, objects_owners=owners)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (_owned_by("a-driver"), []),
        (_owned_by("a-driver"), _owned_by("a-driver")),
        (_owned_by("a-driver"), _owned_by("a-exec")),
        (_owned_by("a-driver"), _owned_by("b-driver", "a-driver")),
        (_owned_by("a-driver"), _owned_by("a-set", kind="StatefulSet")),
        (_owned_by("a-set", kind="StatefulSet"), _owned_by("a-driver")),
        ([], _owned_by("b-driver")),
    ],
    ids=str,
)
def test_what_is_nobodys_or_the_applications_own_is_had(use: JSON, ours: list[JSON], theirs: list[JSON]) -> None:
    _translated(use, pods_owners=ours, objects_owners=theirs)
