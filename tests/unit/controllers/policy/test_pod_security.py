"""Pod Security: what each level forbids of a pod, in upstream's words, and what a namespace's labels make of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.policy.pod_security import violations
from chalicelib.registry.options import WriteOptions, Written
from tests.unit.controllers.world import World

PREFIX = "pod-security.kubernetes.io/"
SAFE: JSON = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def spec(container: JSON | None = None, context: JSON | None = None, **fields: Any) -> JSON:  # Any: fields of a pod
    """Return a pod's spec that no level forbids, but for what a test changes of its container `c`, or of the pod."""
    own = {**copy.deepcopy(SAFE), **(context or {})}
    return {"containers": [{"name": "c", "image": "i", "securityContext": own, **(container or {})}], **fields}


def in_two(context: JSON) -> JSON:
    """Return a spec whose two containers both have it in their security contexts."""
    one, two = spec(context=context)["containers"][0], spec(context=context)["containers"][0]
    return {"initContainers": [{**one, "name": "i"}], "containers": [two]}


BASELINE: list[tuple[JSON, str]] = [
    (spec(hostNetwork=True, hostPID=True), "host namespaces (hostNetwork=true, hostPID=true)"),
    (spec({"ports": [{"hostPort": 80}, {"containerPort": 1}]}), 'hostPort (container "c" uses hostPort 80)'),
    (
        spec({"livenessProbe": {"httpGet": {"host": "x"}}, "lifecycle": {"preStop": {"tcpSocket": {"host": "y"}}}}),
        'probe or lifecycle host (container "c" uses probe or lifecycle hosts "x", "y")',
    ),
    (spec(context={"privileged": True}), 'privileged (container "c" must not set securityContext.privileged=true)'),
    (in_two({"privileged": True}), 'privileged (containers "i", "c" must not set securityContext.privileged=true)'),
    (
        spec(context={"procMount": "Unmasked"}),
        'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ),
    (
        spec(context={"appArmorProfile": {"type": "Unconfined"}}),
        'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
    ),
    (
        spec(securityContext={"seLinuxOptions": {"type": "spc_t"}}),
        "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions)",
    ),
    (
        spec(securityContext={"sysctls": [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_syncookies"}]}),
        "forbidden sysctls (kernel.msgmax)",
    ),
    (
        spec(
            context={"seccompProfile": {"type": "Unconfined"}},
            securityContext={"seccompProfile": {"type": "Unconfined"}},
        ),
        'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
]
BASELINE_ALONE: list[tuple[JSON, str]] = [
    (
        spec(context={"capabilities": {"add": ["SYS_ADMIN", "CHOWN"], "drop": ["ALL"]}}),
        'non-default capabilities (container "c" must not include "SYS_ADMIN" in securityContext.capabilities.add)',
    ),
    (spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
]
RESTRICTED: list[tuple[JSON, str]] = [
    (
        spec(context={"allowPrivilegeEscalation": None}),
        'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
    ),
    (
        spec(context={"capabilities": {"add": ["CHOWN"]}}),
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"];'
        ' container "c" must not include "CHOWN" in securityContext.capabilities.add)',
    ),
    (
        spec(
            volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "e", "emptyDir": {}}, {"name": "n", "nfs": {}}]
        ),
        'restricted volume types (volumes "v", "n" use restricted volume types "hostPath", "nfs")',
    ),
    (
        spec(context={"runAsNonRoot": None}),
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
    ),
    (
        spec(context={"runAsNonRoot": False}),
        'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
    ),
    (spec(context={"runAsUser": 0}), 'runAsUser=0 (container "c" must not set runAsUser=0)'),
    (
        spec(context={"seccompProfile": None}),
        'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or'
        ' "Localhost")',
    ),
]
ALLOWED = [
    spec(),
    spec(context={"capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}),
    spec(context={"runAsNonRoot": None}, securityContext={"runAsNonRoot": True, "runAsUser": 1000}),
    spec(context={"seccompProfile": None}, securityContext={"seccompProfile": {"type": "Localhost"}}),
    spec(volumes=[{"name": "v", "secret": {}}, {"name": "w", "persistentVolumeClaim": {}}, {"name": "x", "image": {}}]),
    spec({"livenessProbe": {"httpGet": {"host": "", "port": 1}}, "ports": [{"hostPort": 0}]}),
]


@pytest.mark.parametrize(("pod", "said"), [*BASELINE, *BASELINE_ALONE])
def test_baseline_forbids(pod: JSON, said: str) -> None:
    assert violations(pod, "baseline") == [said]


@pytest.mark.parametrize(("pod", "said"), [*BASELINE, *RESTRICTED])
def test_restricted_forbids(pod: JSON, said: str) -> None:
    assert violations(pod, "restricted") == [said]


@pytest.mark.parametrize("pod", [pod for pod, _ in RESTRICTED if "hostPath" not in str(pod)])
def test_baseline_lets_pass_what_restricted_alone_forbids(pod: JSON) -> None:
    assert violations(pod, "baseline") == []


@pytest.mark.parametrize("pod", ALLOWED)
def test_every_level_lets_pass(pod: JSON) -> None:
    assert violations(pod, "restricted") == []


@pytest.mark.parametrize("pod", [pod for pod, _ in [*BASELINE, *BASELINE_ALONE, *RESTRICTED]])
def test_privileged_lets_everything_pass(pod: JSON) -> None:
    assert violations(pod, "privileged") == []


def held(w: World, **labels: str) -> None:
    """Give namespace `ns` labels of Pod Security."""
    registry = w.registries[("", "namespaces")]
    obj = registry.typed(registry.get(None, "ns"))
    obj["metadata"]["labels"] |= {PREFIX + mode.replace("_", "-"): level for mode, level in labels.items()}
    registry.update(None, "ns", obj, WriteOptions())


def test_an_enforced_level_refuses_a_pod_and_names_all_that_is_wrong(w: World) -> None:
    held(w, enforce="restricted", enforce_version="v1.30")

    with pytest.raises(StatusError) as caught:
        w.create_pod(hostNetwork=True)

    message = caught.value.message
    assert caught.value.code == 403
    assert message.startswith('pods "a" is forbidden: violates PodSecurity "restricted:v1.30": host namespaces (')
    wrong = ("allowPrivilegeEscalation", "unrestricted capabilities", "runAsNonRoot != true", "seccompProfile (")
    assert all(each in message for each in wrong)
    assert w.provider.tasks == []


def test_a_pod_that_keeps_to_the_level_runs(w: World) -> None:
    held(w, enforce="restricted", warn="restricted")

    w.create_pod(**spec())

    assert len(w.provider.tasks) == 1


def created(w: World, resource: tuple[str, str], kind: str, pod: JSON) -> Written:
    """Create a workload of that pod."""
    labels = {"a": "b"}
    template = {"metadata": {"labels": labels}, "spec": pod}
    obj = {
        "kind": kind,
        "apiVersion": f"{resource[0]}/v1",
        "metadata": {"name": "a"},
        "spec": {"template": template, "selector": {"matchLabels": labels}, "replicas": 0},
    }
    return w.registries[resource].create("ns", obj, WriteOptions())


def test_of_a_workload_a_level_is_only_warned_of(w: World) -> None:
    held(w, enforce="baseline", warn="baseline")
    pod = {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": True}}]}

    written = created(w, ("apps", "deployments"), "Deployment", pod)

    why = 'privileged (container "c" must not set securityContext.privileged=true)'
    assert written.warnings == [f'would violate PodSecurity "baseline:latest": {why}']


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        ({"enforce": "strict"}, "enforce"),
        ({"warn": ""}, "warn"),
        ({"audit_version": "1.30"}, "audit-version"),
        ({"enforce_version": "v1.x"}, "enforce-version"),
    ],
)
def test_a_level_that_is_none_is_refused(w: World, labels: dict[str, str], field: str) -> None:
    with pytest.raises(StatusError) as caught:
        held(w, **labels)

    assert caught.value.code == 422
    assert f"metadata.labels[{PREFIX}{field}]: Invalid value" in caught.value.message
