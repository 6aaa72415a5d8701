"""Translate a Task into what the engine is asked to create. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from docker.types import Mount

from chalicelib.providers.base import Container, Task
from chalicelib.providers.docker import archives, labels, mounts, pause_image
from chalicelib.providers.docker.engine import Raw

SANDBOX = ".sandbox"  # no container of a task can have this name: it is no DNS label
LONGEST_HOSTNAME = 63  # of a DNS label; the kernel would take 64
LOG_FILES = {"max-size": "64m", "max-file": "3"}  # so that a chatty pod cannot fill the engine's disk
NDOTS = "ndots:5"  # as in Kubernetes: a name with fewer dots is first looked up in the search domains
MIB = 1024 * 1024
NANO_PER_MILLI = 1_000_000
LEAST_CPU_MILLI = 10  # the engine refuses less, and more than there are
SHARES_PER_CPU = 1024  # the kernel's weight of one CPU, as Kubernetes reckons it


@dataclass(frozen=True, slots=True)
class HostContext:
    """The host that a task's containers run on: network, names of the control plane, the machine's size."""

    context: mounts.MountContext
    network: str
    gateway: str
    control_plane: str  # address, or the engine's word for it, behind host_names
    host_names: tuple[str, ...] = ()  # names under which containers reach the control plane
    cpus: int = 1
    name_server: str = ""  # empty: there is none, and the engine's own alone is asked


@dataclass(frozen=True, slots=True)
class Spec:
    """One container to create: its name, the engine's JSON, and the tar to unpack in it before the start."""

    name: str
    config: Raw
    archive: bytes = b""


def needs_sandbox(task: Task) -> bool:
    """Return whether something must keep the task's network (or RAM volumes) while its containers come and go.

    A lone main container needs none: init containers have the same address one after the other.
    """
    mains = sum(not container.init for container in task.containers)
    return (mains > 1 and not task.host_network) or (mounts.shares_memory(task) and len(task.containers) > 1)


def specs(task: Task, *, address: str, host: HostContext) -> list[Spec]:
    """Return the containers of the task in the order of their creation: sandbox, init ones, the rest.

    The task's ADDRESS has been replaced already. Raises TaskRejected.
    """
    has_sandbox = needs_sandbox(task)
    roles: list[tuple[Container, labels.Role]] = []
    if has_sandbox:
        roles.append((Container(name=SANDBOX, image=""), "sandbox"))
    roles += [(each, "init") for each in task.containers if each.init]
    roles += [(each, "main") for each in task.containers if not each.init]
    return [
        _spec(task, container, role=role, order=order, count=len(roles), address=address, host=host)
        for order, (container, role) in enumerate(roles, start=0 if has_sandbox else 1)
    ]


def loader_config(mounted: list[Mount], marks: dict[str, str]) -> Raw:
    """Return the engine's JSON of a container that never runs and only shows volumes."""
    return {"Image": pause_image.NAME, "Labels": marks, "HostConfig": {"Mounts": mounted, "NetworkMode": "none"}}


def _spec(
    task: Task, container: Container, *, role: labels.Role, order: int, count: int, address: str, host: HostContext
) -> Spec:
    marks = labels.of_task(host.context.control_plane_id, task)
    marks |= labels.of_container(container, role=role, order=order, count=count, address=address)
    entries = mounts.container_entries(task, container)
    if entries:
        marks[labels.LAST_COPY] = json.dumps([entries[-1].path, entries[-1].mode])
    owns_network = role == "sandbox" or not needs_sandbox(task)
    config: Raw = {
        "Image": pause_image.NAME if role == "sandbox" else container.image,
        "Cmd": list(container.args) if container.args is not None else None,
        "Entrypoint": list(container.command) if container.command is not None else None,
        "Env": [f"{name}={value}" for name, value in container.env],
        "Labels": marks,
        "User": container.user,
        "WorkingDir": container.working_dir,
        "Tty": container.tty,
        "OpenStdin": container.stdin,
        "StdinOnce": container.stdin and container.stdin_once,
        "Healthcheck": {"Test": ["NONE"]},  # an image's own check is no business of a pod
        "HostConfig": _host_config(task, container, role=role, host=host, owns_network=owns_network),
    }
    if owns_network and not task.host_network:
        endpoint = {"IPAMConfig": {"IPv4Address": address}, "Aliases": [task.hostname] if task.hostname else []}
        config["Hostname"] = (task.hostname or task.name)[:LONGEST_HOSTNAME].rstrip("-.")
        config["Domainname"] = task.domain  # the engine writes the whole name before the short one into /etc/hosts
        config["NetworkingConfig"] = {"EndpointsConfig": {host.network: endpoint}}
    name = labels.container_name(host.context.control_plane_id, task, container.name)
    return Spec(name=name, config=config, archive=archives.archive(entries) if entries else b"")


def _host_config(task: Task, container: Container, *, role: labels.Role, host: HostContext, owns_network: bool) -> Raw:
    sandbox = labels.container_name(host.context.control_plane_id, task, SANDBOX)
    network = "host" if task.host_network else host.network
    memory = (container.memory_mib or 0) * MIB  # 0: no limit
    hosts = dict.fromkeys(host.host_names, host.control_plane) | {name: at for at, name in task.host_entries}
    if role == "sandbox":
        mounted = mounts.sandbox_mounts(task, host.context)
    else:
        mounted = mounts.container_mounts(task, container, host.context)
    restart = "no" if role == "sandbox" or container.restart == "never" else container.restart
    mains = max(1, sum(not each.init for each in task.containers))
    shares = max(2, task.cpu_milli * SHARES_PER_CPU // 1000 // mains) if task.cpu_milli else 0
    cpu_milli = min(max(container.cpu_milli or 0, LEAST_CPU_MILLI), host.cpus * 1000)
    asks = owns_network and not task.host_network and host.name_server and task.search_domains
    return {
        "Init": True,  # PID 1 without a handler ignores SIGTERM, and nobody reaps orphans
        "NetworkMode": network if owns_network else f"container:{sandbox}",
        "ExtraHosts": [f"{name}:{at}" for name, at in hosts.items()] if owns_network else [],
        "Dns": [host.name_server] if asks else [],
        "DnsSearch": list(task.search_domains) if asks else [],
        "DnsOptions": [NDOTS] if asks else [],
        "Memory": memory,
        "MemorySwap": memory,  # otherwise the engine allows as much swap again
        "NanoCpus": cpu_milli * NANO_PER_MILLI if container.cpu_milli else 0,
        "CpuShares": shares,
        "Mounts": mounted,
        "CapAdd": list(container.add_capabilities),
        "CapDrop": list(container.drop_capabilities),
        "Privileged": container.privileged,
        "ReadonlyRootfs": container.read_only_root,
        "SecurityOpt": ["no-new-privileges"] if container.no_new_privileges else [],
        "DeviceRequests": [{"Count": container.gpus, "Capabilities": [["gpu"]]}] if container.gpus else [],
        "RestartPolicy": {"Name": "on-failure" if role == "init" and restart != "no" else restart},
        "LogConfig": {"Type": "json-file", "Config": LOG_FILES},
    }
