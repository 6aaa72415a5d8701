"""What Kubernetes' admission plugins do by default, as far as docs/admission.md says that it is done here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.options import WriteOptions
from chalicelib.resources.volumes.claims import PersistentVolumeClaimStrategy
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

ENFORCED = {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}
EXPANDS = {"provisioner": "p", "allowVolumeExpansion": True}
OPTIONS = WriteOptions()


def refusal(w: World, **spec: Any) -> tuple[int, str]:
    """Return the code and the words by which a pod of that spec is refused. Any: fields of the spec."""
    with pytest.raises(StatusError) as caught:
        w.create_pod(**spec)
    return caught.value.code, caught.value.message


def test_a_pod_of_a_service_account_that_is_not_there_is_refused(w: World) -> None:
    why = 'error looking up service account ns/nobody: serviceaccount "nobody" not found'

    assert refusal(w, serviceAccountName="nobody") == (403, f'pods "a" is forbidden: {why}')
    assert w.provider.tasks == []


def test_a_pod_without_one_has_the_account_default(w: World) -> None:
    spec = w.create_pod()["spec"]

    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")


def test_a_pod_runs_though_its_account_default_is_being_made_again(w: World) -> None:
    w.delete("serviceaccounts", "default")

    w.create_pod()

    assert len(w.provider.tasks) == 1


def test_where_no_pods_run_they_are_stored_as_they_come() -> None:
    w = World(MemoryStorage(), launches=False)

    spec = w.create_pod(serviceAccountName="nobody", runtimeClassName="gvisor")["spec"]

    assert (spec["serviceAccountName"], spec["runtimeClassName"]) == ("nobody", "gvisor")


def test_logins_come_from_the_account_unless_the_pod_has_its_own(w: World) -> None:
    w.create("serviceaccounts", "puller", imagePullSecrets=[{"name": "registry"}])

    given = w.create_pod(serviceAccountName="puller")
    own = w.create_pod("b", serviceAccountName="puller", imagePullSecrets=[{"name": "mine"}])

    assert given["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert own["spec"]["imagePullSecrets"] == [{"name": "mine"}]


def _container(**fields: object) -> JSON:
    return {"name": "c", "image": "i", **fields}


FOREIGN: list[tuple[JSON, str]] = [
    ({"volumes": [{"name": "v", "secret": {"secretName": "x"}}]}, 'volume with secret.secretName="x"'),
    (
        {"containers": [_container(env=[{"name": "E", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k"}}}])]},
        'container c with envVar E referencing secret.secretName="x"',
    ),
    (
        {"containers": [_container(envFrom=[{"secretRef": {"name": "x"}}])]},
        'container c with envVar referencing secret.secretName="x"',
    ),
    (
        {"initContainers": [{**_container(envFrom=[{"secretRef": {"name": "x"}}]), "name": "i"}]},
        'init container i with envVar referencing secret.secretName="x"',
    ),
]


@pytest.mark.parametrize(("spec", "what"), FOREIGN)
def test_an_account_that_is_held_to_its_secrets_lends_its_pods_no_others(w: World, spec: JSON, what: str) -> None:
    w.create("serviceaccounts", "held", metadata=ENFORCED, secrets=[{"name": "own"}])
    w.create("serviceaccounts", "free", secrets=[{"name": "own"}])

    code, message = refusal(w, serviceAccountName="held", **spec)

    why = f"{what} is not allowed because service account held does not reference that secret"
    assert (code, message) == (403, f'pods "a" is forbidden: {why}')
    assert w.create_pod("b", serviceAccountName="free", **spec)


def test_an_account_that_is_held_to_its_secrets_lends_its_pods_its_own_logins(w: World) -> None:
    w.create("serviceaccounts", "held", metadata=ENFORCED, secrets=[{"name": "own"}], imagePullSecrets=[{"name": "r"}])
    volume = {"name": "v", "secret": {"secretName": "own"}}

    assert w.create_pod(serviceAccountName="held", imagePullSecrets=[{"name": "r"}], volumes=[volume])
    _, message = refusal(w, serviceAccountName="held", imagePullSecrets=[{"name": "r"}, {"name": "x"}])

    assert 'imagePullSecrets[1].name="x" is not allowed' in message
    assert message.endswith("service account held does not reference that imagePullSecret")


def test_a_runtime_class_that_is_not_there_is_refused(w: World) -> None:
    why = 'pod rejected: RuntimeClass "gvisor" not found'

    assert refusal(w, runtimeClassName="gvisor") == (403, f'pods "a" is forbidden: {why}')


def test_an_ingress_gets_the_default_class(w: World) -> None:
    marked = {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
    w.create("ingressclasses", "nginx", metadata=marked, spec={"controller": "x"})
    w.create("ingressclasses", "other", spec={"controller": "x"})

    given = w.create("ingresses", "a", spec={})
    named = w.create("ingresses", "b", spec={"ingressClassName": "other"})
    older = w.create("ingresses", "c", spec={}, metadata={"annotations": {"kubernetes.io/ingress.class": "other"}})

    assert given["spec"]["ingressClassName"] == "nginx"
    assert named["spec"]["ingressClassName"] == "other"
    assert "ingressClassName" not in older["spec"]


class Claims:
    """The claim `data` of 1Gi, and the attempt to change its size. Any: fields of its class."""

    def __init__(self, w: World, *, bound: bool, **storage_class: Any) -> None:
        self.w = w
        if storage_class:
            w.create("storageclasses", "fast", **storage_class)
        size = {"requests": {"storage": "1Gi"}}
        w.create(
            "persistentvolumeclaims",
            "data",
            spec={"accessModes": ["ReadWriteOnce"], "resources": size, "storageClassName": "fast"},
        )
        if bound:
            w.create_pod(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])

    def resize(self, size: str) -> JSON:
        """Ask for another size; return the claim."""
        registry = self.w.registries[("", "persistentvolumeclaims")]
        claim = registry.typed(registry.get("ns", "data"))
        claim["spec"]["resources"]["requests"]["storage"] = size
        registry.update("ns", "data", claim, OPTIONS)
        found = self.w.get("persistentvolumeclaims", "data")
        assert found is not None
        return found


def test_a_bound_claim_grows_where_its_class_lets_it(w: World) -> None:
    claim = Claims(w, bound=True, **EXPANDS).resize("2Gi")

    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert claim["status"]["capacity"] == {"storage": "2Gi"}


def test_a_claim_grows_within_its_quota(w: World) -> None:
    claims = Claims(w, bound=True, **EXPANDS)
    w.create("resourcequotas", "q", spec={"hard": {"requests.storage": "3Gi"}})

    claims.resize("3Gi")
    with pytest.raises(StatusError, match=r"exceeded quota: q, requested: requests.storage=1Gi"):
        claims.resize("4Gi")


@pytest.mark.parametrize(
    "storage_class", [{}, {"provisioner": "p"}, {"provisioner": "p", "allowVolumeExpansion": False}]
)
def test_a_claim_does_not_grow_where_its_class_does_not_say_so(w: World, storage_class: JSON) -> None:
    claims = Claims(w, bound=True, **storage_class)

    with pytest.raises(StatusError) as caught:
        claims.resize("2Gi")

    why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc"
    assert caught.value.message == f'persistentvolumeclaims "data" is forbidden: {why} must support resize'
    assert caught.value.code == 403


def test_a_claim_that_is_not_bound_keeps_its_size(w: World) -> None:
    with pytest.raises(StatusError) as caught:
        Claims(w, bound=False, **EXPANDS).resize("2Gi")

    assert (caught.value.code, "spec is immutable after creation" in caught.value.message) == (422, True)


def _claim(size: str, **resources: object) -> JSON:
    found = {"requests": {"storage": size}, **resources}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": found}
    return {"spec": spec, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (_claim("1Gi"), _claim("1Gi", limits={"storage": "2Gi"}), "spec"),
        (_claim("1Gi"), _claim("500Mi"), "spec.resources.requests.storage"),
        (_claim("3Gi"), _claim("1Gi"), "spec.resources.requests.storage"),
        (_claim("3Gi"), _claim("2Gi"), None),  # an expansion that was never made is taken back
        (_claim("1Gi"), {**_claim("1Gi"), "spec": {**_claim("1Gi")["spec"], "volumeName": "v"}}, None),
    ],
)
def test_of_a_bound_claim_only_the_size_changes(old: JSON, new: JSON, field: str | None) -> None:
    causes = list(PersistentVolumeClaimStrategy().validate_update(new, old))

    assert [each.field for each in causes] == ([field] if field else [])


def test_a_claim_does_not_shrink(w: World) -> None:
    with pytest.raises(StatusError) as caught:
        Claims(w, bound=True, **EXPANDS).resize("500Mi")

    assert caught.value.message.endswith("Forbidden: field can not be less than status.capacity")


def test_every_plugin_that_is_on_by_default_has_a_row() -> None:
    table = (Path(__file__).parents[3] / "docs" / "admission.md").read_text("utf-8")
    rows = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}

    assert rows == {
        "CertificateApproval",
        "CertificateSigning",
        "CertificateSubjectRestriction",
        "ClusterTrustBundleAttest",
        "DefaultIngressClass",
        "DefaultStorageClass",
        "DefaultTolerationSeconds",
        "LimitRanger",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionWebhook",
        "NamespaceLifecycle",
        "PersistentVolumeClaimResize",
        "PodSecurity",
        "PodTopologyLabels",
        "Priority",
        "ResourceQuota",
        "RuntimeClass",
        "ServiceAccount",
        "StorageObjectInUseProtection",
        "TaintNodesByCondition",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionWebhook",
    }
