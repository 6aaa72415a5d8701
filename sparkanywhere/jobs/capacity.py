"""Which provider runs a control plane's pods, and whether any of its nodes could ever hold a job's.

Checked before anything is created, and only for our own nodes, which state a provider's maximum: another cluster may
grow as it needs.
"""

from __future__ import annotations

from pathlib import Path

from chalicelib.apimachinery.accessors import labels_of, spec_of, status_of
from chalicelib.apimachinery.rules.quantity import parse_quantity
from chalicelib.apimachinery.types import JSON
from chalicelib.providers import registry
from chalicelib.providers.declaration import ProviderDeclaration
from chalicelib.resources.cluster.marks import PROVIDER_LABEL
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.jobs.account_quota import is_on_instances, shortfall
from sparkanywhere.jobs.memory_size import pod_mib
from sparkanywhere.jobs.spark_properties import overhead_factor
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.staging import Say, nothing

ROLES = ("driver", "executor")
FORBIDDEN = 403


def provider_of_node(node: JSON) -> ProviderDeclaration | None:
    """Return the provider behind a node; None for a cluster's own node, and for a provider not installed here."""
    return registry.known(str(labels_of(node).get(PROVIDER_LABEL, "")))


def find_provider(client: KubeClient, namespace: str = "") -> ProviderDeclaration | None:
    """Return which provider runs pods, None if that is not known. Raises ApiError, ApiUnreachable.

    Who may not list nodes is told by the pods of a namespace, if one is named: each has its node's name.
    """
    try:
        found = [provider_of_node(node) for node in client.get("/api/v1/nodes")["items"]]
    except ApiError as error:
        if error.code != FORBIDDEN or not namespace:
            raise
        pods = client.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        found = [registry.of_node(str(spec_of(pod).get("nodeName", ""))) for pod in pods]
    return next((each for each in found if each is not None), None)


def check_shuffle(client: KubeClient, spec: JobSpec) -> None:
    """Return if a job's executors reach its --keep-shuffle, or that is not known. Raises SpecError, ApiUnreachable."""
    if not spec.keep_shuffle:
        return
    try:
        provider = find_provider(client)
    except ApiError:  # a user who may not list nodes
        return
    if provider is None or provider.network == "host":
        return
    if spec.shuffle_place.startswith("file:"):
        raise SpecError(
            f"--keep-shuffle {spec.keep_shuffle} is a folder of this machine, which pods of provider {provider.name}"
            " do not share: name a bucket, such as s3://bucket/shuffle."
        )


def check_events(client: KubeClient, namespace: str, folder: str, *, is_here: bool) -> None:
    """Return if pods see a folder of event logs, or that is not known; `is_here`: the control plane is on this machine.

    A history server without its folder logs that it is up, and ends. Raises SpecError, ApiError, ApiUnreachable.
    """
    provider = find_provider(client, namespace)
    if provider is not None and provider.network != "host":
        raise SpecError(
            f"--events {folder} is a folder, which pods of provider {provider.name} do not see: name a bucket, such as"
            " s3://bucket/event-logs."
        )
    if is_here and provider is not None and not Path(folder.removeprefix("file://")).is_dir():
        raise SpecError(f"--events {folder} is no folder of this machine.")


def check_warm(client: KubeClient | None) -> None:
    """Return if tasks can be kept warm there, or that is not known; None is this laptop, where no server runs.

    Raises SpecError, ApiUnreachable.
    """
    here, names = "This cluster", [registry.DEFAULT]
    if client is not None:
        try:
            nodes = client.get("/api/v1/nodes")["items"]
        except ApiError:
            return  # the control plane itself refuses what it does not have
        names = [name for node in nodes if (name := labels_of(node).get(PROVIDER_LABEL))]
        if not nodes:
            return
    known = [registry.known(name) for name in names]
    if any(each is None or each.binds_late for each in known):
        return
    if names:
        here = f"Provider {names[0]}"
    those = ", ".join(f"{each.name} ({each.summary})" for each in registry.declarations() if each.binds_late)
    raise SpecError(
        f"{here} keeps no tasks warm: run the job without. Providers that do: {those}; --on names such a deployment."
    )


def check_capacity(client: KubeClient, spec: JobSpec, *, say: Say = nothing) -> None:
    """Return if the driver and an executor fit somewhere; say it if further executors never will.

    Raises SpecError, ApiUnreachable.
    """
    try:
        nodes = client.get("/api/v1/nodes")["items"]
    except ApiError:
        return  # a user who may not list nodes sees it when the pod stays Pending
    problem = too_big(spec, nodes)
    if problem:
        raise SpecError(problem)
    for node in nodes[:1]:  # an account's quotas are told by each of its nodes
        provider, mib = provider_of_node(node), {f"{role}_mib": wanted_mib(spec, role) for role in ROLES}
        found = shortfall(spec, node, provider.sizes if provider else None, **mib)
        if found and found.is_hopeless:
            raise SpecError(found.problem)
        if found:
            say(found.problem[0].upper() + found.problem[1:])


def too_big(spec: JobSpec, nodes: list[JSON]) -> str:
    """Return which pod no node can ever hold and what to change, "" if all fit or if that is not known."""
    known = [node for node in nodes if PROVIDER_LABEL in labels_of(node) and "memory" in _amounts(node)]
    if not known or len(known) < len(nodes):
        return ""
    largest = [_largest_pod(node) for node in known]
    cores, mib = max(each[0] for each in largest), max(each[1] for each in largest)
    for role in ROLES:
        if any(is_on_instances(spec, role, node) for node in known):
            continue
        wanted = wanted_mib(spec, role)
        heap, wanted_cores = getattr(spec, f"{role}_memory"), getattr(spec, f"{role}_cores")
        if wanted > mib:
            return (
                f"--{role}-memory {heap} makes a pod of {wanted} MiB with its overhead, and the largest that can be"
                f" had here has {mib} MiB: lower it."
            )
        if wanted_cores > cores:
            return f"--{role}-cores {wanted_cores} is more than the {cores:g} that can be had here: lower it."
    return ""


def wanted_mib(spec: JobSpec, role: str) -> int:
    """Return the memory that the pod of a role asks for, overhead included."""
    overhead = spec.conf.get(f"spark.{role}.memoryOverhead", "")
    return pod_mib(getattr(spec, f"{role}_memory"), overhead=overhead, factor=overhead_factor(spec))


def _amounts(node: JSON) -> JSON:
    return status_of(node).get("allocatable") or {}


def _largest_pod(node: JSON) -> tuple[float, int]:
    """Return (cores, MiB) of the largest pod that a node can hold. Where cores are shared, any number will do."""
    provider = provider_of_node(node)
    if provider and provider.sizes:
        largest = provider.sizes.largest
        return largest.cpu_milli / 1000, largest.memory_mib
    amounts = _amounts(node)
    mib = int(parse_quantity(str(amounts["memory"])).mebibytes)
    cores = parse_quantity(str(amounts.get("cpu", "0"))).milli / 1000
    return float("inf") if provider and provider.shares_cpu else cores, mib
