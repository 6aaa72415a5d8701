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
        ("configmaps", "a-map"): _named("a-map", _owned_by("a-driver")),
        ("services", "a-service"): _named("a-service", _owned_by("a-map", kind="ConfigMap")),
        ("cronjobs", "a-cron"): _named("a-cron", _owned_by("a-driver")),
        ("jobs", "a-job"): _named("a-job", _owned_by("a-cron", kind="CronJob")),
        ("configmaps", "a-circle"): _named("a-circle", _owned_by("a-circle", "a-map", kind="ConfigMap")),
        ("configmaps", "b-map"): _named("b-map", _owned_by("b-driver")),
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


OURS = {  # whatever a reference says of its owner, and whatever stands between a pod and its driver
    "the driver": _owned_by("a-driver"),
    "a StatefulSet": _owned_by("a-set", kind="StatefulSet"),
    "a ConfigMap": _owned_by("a-map", kind="ConfigMap"),
    "a Service of a ConfigMap": _owned_by("a-service", kind="Service"),
    "a Job of a CronJob": _owned_by("a-job", kind="Job"),
    "the driver by a wrong kind": _owned_by("a-driver", kind="ConfigMap"),
    "a StatefulSet by a wrong name": [{**_owned_by("a-set", kind="Pod")[0], "name": "b-driver"}],
    "the driver, named twice": _owned_by("a-driver", "a-driver"),
    "a circle": _owned_by("a-circle", kind="ConfigMap"),
    "nothing that is there": _owned_by("no-map", kind="ConfigMap"),
}


@pytest.mark.parametrize("ours", OURS.values(), ids=OURS)
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_belongs_to_another_application_is_refused(use: JSON, ours: list[JSON]) -> None:
    foreign = (
        _owned_by("b-driver"),
        _owned_by("b-driver", "b-driver"),
        _owned_by("b-exec"),
        _owned_by("b-map", kind="ConfigMap"),
        _owned_by("b-driver", kind="ConfigMap"),
        _owned_by("gone"),
    )
    for owners in foreign:
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
        (_owned_by("a-map", kind="ConfigMap"), _owned_by("a-job", kind="Job")),
        (_owned_by("a-circle", kind="ConfigMap"), _owned_by("a-exec")),
        ([], _owned_by("b-driver")),
    ],
    ids=str,
)
def test_what_is_nobodys_or_the_applications_own_is_had(use: JSON, ours: list[JSON], theirs: list[JSON]) -> None:
    _translated(use, pods_owners=ours, objects_owners=theirs)
