"""A Pod, and what it refers to, as a provider's Task. Pure but for the Lookup and the token issuer.

A pod waits for objects that do not exist yet, as with a kubelet, and is rejected for what can never be provided;
fields that are not honoured are reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Literal

from chalicelib.apimachinery.accessors import full_name, labels_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import placement as pod_placement
from chalicelib.controllers.podmodel import resources as pod_resources
from chalicelib.controllers.podmodel.record import launches, task_grace_seconds
from chalicelib.controllers.podmodel.references import IssueToken, Missing, PodRejected, References
from chalicelib.controllers.podmodel.resources import UNKNOWN_SIZE, NodeSize
from chalicelib.controllers.runtime.objects import Lookup
from chalicelib.controllers.translation import network as pod_network
from chalicelib.controllers.translation import spark_admission
from chalicelib.controllers.translation import volumes as pod_volumes
from chalicelib.controllers.translation.api_urls import with_api_url
from chalicelib.controllers.translation.credentials import logins
from chalicelib.controllers.translation.env import PodView, container_env, expanded
from chalicelib.controllers.translation.network import ApiAddress
from chalicelib.controllers.translation.unsupported import unsupported_fields
from chalicelib.providers.base import Container, Mount, Restart, Task, Volume
from chalicelib.resources.pods.totals import is_sidecar

NAMESPACE_LABEL, POD_LABEL = "sparkanywhere.io/namespace", "sparkanywhere.io/pod"

_RESTARTS: dict[str, Restart] = {"Never": "never", "OnFailure": "on-failure", "Always": "always"}
_PULLS: dict[str, Literal["always", "missing", "never"]] = {
    "Always": "always",
    "IfNotPresent": "missing",
    "Never": "never",
}


@dataclass(frozen=True, slots=True)
class Node:
    """What pods run on: its name, where they find what they refer to, the API and Services.

    `api_url` returns what pods are told instead of the API's usual URL, "" where that works. `issue_token` is
    None where the server gives out no tokens. Without `launches` no pod is ever started: they stay Pending,
    without a node. `probes` says whether containers' probes are run, `keeps_ended` whether ended tasks hold anything.
    """

    name: str
    lookup: Lookup
    issue_token: IssueToken | None = None
    api: Callable[[], ApiAddress | None] = lambda: None
    api_url: Callable[[], str] = str
    service_network: IPv4Network | None = None
    size: NodeSize = UNKNOWN_SIZE
    launches: bool = True
    probes: bool = False
    keeps_ended: bool = True

    def runs(self, pod: JSON) -> bool:
        """Return whether the pod is for this node: not bound to another one, and pods are launched at all."""
        return self.launches and pod["spec"].get("nodeName") in (None, "", self.name)


@dataclass(frozen=True, slots=True)
class Translation:
    """A pod's task; or None, and what it waits for. `unsupported` holds paths of fields not honoured."""

    task: Task | None
    missing: tuple[Missing, ...]
    unsupported: tuple[str, ...]

    def wants(self, namespace: str) -> set[tuple[str, str, str]]:
        """Return what the pod waits for: resource, namespace and name."""
        return {(each.resource, namespace, each.name) for each in self.missing}


def translate(pod: JSON, node: Node) -> Translation:
    """Return the pod's task or what is missing for it, as the node's lookup sees it. Raises PodRejected."""
    view, task = _parts(pod, node, has_token=True)
    unsupported = tuple(unsupported_fields(pod, probes=node.probes))
    if view.references.missing:
        return Translation(None, tuple(view.references.missing), unsupported)
    task = replace(task, logins=logins(pod, view.references))
    url = node.api_url()
    return Translation(with_api_url(task, url, spec=view.spec) if url else task, (), unsupported)


def draft(pod: JSON, node: Node) -> Task | None:
    """Return the task as far as it can be told before the pod is stored; None for a pod to be rejected.

    Without what is missing, tokens, their volume, and names: enough to ask a provider what it would not honour.
    """
    unsigned = {**pod, "metadata": {"uid": "", **pod["metadata"]}}
    unsigned["metadata"].setdefault("name", "")
    try:
        return _parts(unsigned, replace(node, issue_token=lambda *_: ""), has_token=False)[1]
    except PodRejected:
        return None


def _parts(pod: JSON, node: Node, *, has_token: bool) -> tuple[PodView, Task]:
    """Return the task without its names, with its token's volume or not, and the view that knows what is missing."""
    metadata, namespace = pod["metadata"], pod["metadata"].get("namespace", "")
    env = pod_network.service_env(pod, node.lookup, api=node.api(), network=node.service_network)
    view = PodView(pod, References(pod, node.lookup), node.name, node.size, env)
    spec = view.spec
    volumes = pod_volumes.volumes(view, issue_token=node.issue_token)
    token = _token_volume(view, node) if has_token else None
    # A sidecar (an init container that always restarts) starts with the main ones and not before the init
    # containers that follow it; the controller stops it when the main ones have ended.
    containers = [_container(view, each, token, init=not is_sidecar(each)) for each in spec.get("initContainers") or ()]
    containers += [_container(view, each, token, init=False) for each in spec.get("containers") or ()]
    labels = {**labels_of(pod), NAMESPACE_LABEL: namespace, POD_LABEL: metadata["name"]}
    return view, Task(
        uid=metadata["uid"],
        group=namespace,
        name=metadata["name"],
        containers=tuple(sorted(containers, key=lambda container: not container.init)),
        volumes=volumes + ((token,) if token else ()),
        cpu_milli=pod_resources.pod_total(spec, "cpu").milli,
        memory_mib=pod_resources.pod_total(spec, "memory").mebibytes,
        disk_gib=pod_resources.disk_gib(spec),
        labels=tuple(sorted(labels.items())),
        hostname=pod_network.hostname(pod),
        domain=pod_network.domain(pod),
        search_domains=pod_network.search_domains(pod),
        host_entries=pod_network.host_aliases(pod),
        stop_grace_seconds=task_grace_seconds(pod),
        placement=pod_placement.placement(pod) + pod_placement.iam_role(_service_account(view)),
        deadline_seconds=spec.get("activeDeadlineSeconds"),
        host_network=bool(spec.get("hostNetwork")),
        attempt=launches(pod),
    )


def _container(view: PodView, container: JSON, token: Volume | None, *, init: bool) -> Container:
    env = container_env(view, container)
    mounts = pod_volumes.mounts(view.spec, container, env)
    if token and not _mounts_token(container):
        mounts += (Mount(token.name, pod_volumes.TOKEN_DIRECTORY, read_only=True),)
    args = spark_admission.respecting_properties(view.pod, container, _spark_properties(view, container))
    security = container.get("securityContext") or {}
    capabilities = security.get("capabilities") or {}
    before_stop = (container.get("lifecycle") or {}).get("preStop") or {}
    stop_command = (before_stop.get("exec") or {}).get("command")
    if before_stop.get("sleep"):  # by the container's own program
        stop_command = ["sleep", str(before_stop["sleep"].get("seconds", 0))]
    return Container(
        name=container["name"],
        image=container.get("image", ""),
        command=expanded(container.get("command"), env),
        args=expanded(args, env),
        env=tuple(env.items()),
        mounts=mounts,
        working_dir=container.get("workingDir") or "",
        cpu_milli=pod_resources.cpu_limit_milli(container) or pod_resources.cpu_limit_milli(view.spec),
        memory_mib=pod_resources.memory_limit_mib(container) or pod_resources.memory_limit_mib(view.spec),
        gpus=pod_resources.gpus(container),
        init=init,
        restart=_restart(view.spec, container, init=init),
        stop_command=tuple(stop_command) if stop_command else None,
        user=_user(view, container),
        read_only_root=bool(security.get("readOnlyRootFilesystem")),
        no_new_privileges=security.get("allowPrivilegeEscalation") is False,
        privileged=bool(security.get("privileged")),
        add_capabilities=tuple(capabilities.get("add") or ()),
        drop_capabilities=tuple(capabilities.get("drop") or ()),
        tty=bool(container.get("tty")),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        pull=_PULLS.get(container.get("imagePullPolicy", ""), "missing"),
        ports=tuple(port["containerPort"] for port in container.get("ports") or ()),
    )


def _restart(spec: JSON, container: JSON, *, init: bool) -> Restart:
    """Return when a container is started again; an init container that succeeded never is."""
    own = container.get("restartPolicy")
    if own in _RESTARTS:
        return _RESTARTS[own]
    policy = _RESTARTS.get(spec.get("restartPolicy", "Always"), "always")
    return "on-failure" if init and policy == "always" else policy


def _user(view: PodView, container: JSON) -> str:
    context = {**(view.spec.get("securityContext") or {}), **(container.get("securityContext") or {})}
    user, group = context.get("runAsUser"), context.get("runAsGroup")
    if context.get("runAsNonRoot") and user == 0:
        whose = f'pod: "{full_name(view.pod)}"'
        message = f"container's runAsUser breaks non-root policy ({whose}, container: {container['name']})"
        raise PodRejected("CreateContainerConfigError", message)
    if user is None:
        return ""
    return f"{user}" if group is None else f"{user}:{group}"


def _token_volume(view: PodView, node: Node) -> Volume | None:
    """Return the volume that the ServiceAccount admission plugin would have added to this pod.

    Added here and not to the stored pod, which so stays as a server without that plugin shows it.
    """
    wish = view.spec.get("automountServiceAccountToken")
    if node.issue_token is not None and wish is None:
        wish = (_service_account(view) or {}).get("automountServiceAccountToken")
    if node.issue_token is None or wish is False:
        return None
    if all(_mounts_token(container) for container in pod_resources.all_containers(view.spec)):
        return None
    return pod_volumes.token_volume(view, node.issue_token)


def _service_account(view: PodView) -> JSON | None:
    return view.references.find("serviceaccounts", view.spec.get("serviceAccountName") or "default")


def _mounts_token(container: JSON) -> bool:
    return any(
        mount.get("mountPath", "").rstrip("/") == pod_volumes.TOKEN_DIRECTORY
        for mount in pod_volumes.mounts_of(container)
    )


def _spark_properties(view: PodView, container: JSON) -> str:
    """Return the spark.properties that a container mounts from a ConfigMap, empty if none."""
    mounted = {mount.get("name") for mount in pod_volumes.mounts_of(container)}
    for volume in view.spec.get("volumes") or ():
        if volume.get("name") in mounted and volume.get("configMap"):
            data = view.references.data("configmaps", volume["configMap"].get("name", "")) or {}
            if spark_admission.PROPERTIES_KEY in data:
                return data[spark_admission.PROPERTIES_KEY].decode(errors="replace")
    return ""
