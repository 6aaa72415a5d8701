"""A task as the body of a container group, and what Azure leaves out of it. Pure.

Azure/azure-rest-api-specs, Microsoft.ContainerInstance 2023-05-01, ContainerGroup. A body is the same whenever it is
made: PUT of the same body leaves a group as it is.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.providers.azure import start
from chalicelib.providers.azure.arm import Document
from chalicelib.providers.azure.prices import GIB, SIZES
from chalicelib.providers.base import Container, Mount, Task, TaskRejected, Volume
from chalicelib.providers.sizes import Size

INSTANCE, UID, POD = "sparkanywhere-instance", "sparkanywhere-uid", "sparkanywhere-pod"  # tags
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 50, 512, 256
SLASH = ":"  # stands for a slash in a tag's name, where Azure takes none and a label's key has no colon
MAX_CONTAINERS, MAX_VOLUMES, MAX_PORTS = 60, 20, 5
FALLBACK_PORT = 7079  # a private address has to have a port
RESTARTS = {"never": "Never", "on-failure": "OnFailure", "always": "Always"}
ARCHITECTURE_KEY, OS_KEY = "kubernetes.io/arch", "kubernetes.io/os"
TYPE_KEY, REGION_KEY = "sparkanywhere.io/capacity-type", "topology.kubernetes.io/region"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all groups of a control plane share."""

    instance: str
    location: str
    subnet: str  # resource ids
    identity: str = ""
    registry: str = ""  # a server from which the identity pulls
    dns: tuple[str, ...] = ()
    zone: str = ""


def name_of(task: Task) -> str:
    """Return a group's name: up to 63 small letters, digits and dashes, a letter first."""
    return f"sa-{task.uid.lower()}-{task.attempt}"


def size_of(task: Task) -> Size:
    """Return what is asked for, rounded up. Raises TaskRejected."""
    return SIZES.fit(cpu_milli=task.cpu_milli, memory_mib=task.memory_mib, disk_gib=task.disk_gib)


def body(task: Task, site: Site) -> Document:
    """Return the container group that runs a task. Raises TaskRejected."""
    check(task, site)
    properties: Document = {
        "osType": "Linux",
        "sku": "Standard",
        "priority": "Regular",
        "restartPolicy": RESTARTS[_restart(task)],
        "subnetIds": [{"id": site.subnet}],
        "ipAddress": {"type": "Private", "ports": [{"protocol": "TCP", "port": port} for port in _ports(task)]},
        "initContainers": _init_containers(task),
        "containers": _main_containers(task),
        "volumes": [*_volumes(task), {"name": start.VOLUME, "emptyDir": {}}],
        "imageRegistryCredentials": _logins(task, site),
    }
    if site.dns:
        properties["dnsConfig"] = {"nameServers": list(site.dns)}
    document: Document = {"location": site.location, "tags": _tags(task, site), "properties": properties}
    if site.identity:
        document["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {site.identity: {}}}
    if site.zone:
        document["zones"] = [site.zone]
    return document


def check(task: Task, site: Site) -> None:
    """Raise TaskRejected where no group can run a task."""
    size_of(task)
    hints = dict(task.placement)
    for key, here in ((OS_KEY, "linux"), (ARCHITECTURE_KEY, "amd64"), (REGION_KEY, site.location)):
        if hints.get(key) and here not in hints[key].split(","):
            raise TaskRejected("NodeAffinity", f"{key} is {here} here, not {hints[key]}")
    if hints.get(TYPE_KEY) == "spot":
        raise TaskRejected(
            "SpotNotInNetwork", "Azure has no Spot containers in a virtual network, where executors reach their driver"
        )
    if len(task.containers) > MAX_CONTAINERS or len(task.volumes) >= MAX_VOLUMES:
        raise TaskRejected("TooMany", f"a group has up to {MAX_CONTAINERS} containers and {MAX_VOLUMES - 1} volumes")
    for volume in task.volumes:
        if volume.kind == "host":
            raise TaskRejected("UnsupportedVolume", f"volume {volume.name}: Azure has no host to mount a path of")
    for mount in (each for container in task.containers for each in container.mounts):
        if mount.sub_path:
            raise TaskRejected("SubPathNotSupported", f"{mount.path}: Azure mounts whole volumes, not {mount.sub_path}")


def unhonoured(task: Task, site: Site) -> list[str]:
    """Return a clause for each thing that the task asks for and does not get as asked. Raises TaskRejected."""
    check(task, site)
    size, containers = size_of(task), task.containers
    names = ", ".join(dict.fromkeys(name for _, name in task.host_entries))
    several = len({each.restart for each in containers if not each.init}) > 1
    unmet = [
        (
            (size.cpu_milli, size.memory_mib) != (max(task.cpu_milli, 100), task.memory_mib),
            f"rounded up to {size.cpu_milli / 1000:g} vCPU and {size.memory_mib}Mi",
        ),
        (any(each.gpus for each in containers), "GPUs are not to be had in a virtual network of Azure"),
        (several, "containers of one group are restarted all or none: none is"),
        (
            any(each.kind == "named" for each in task.volumes),
            "persistent volume claims are scratch space, gone with the pod",
        ),
        (any(each.kind == "memory" for each in task.volumes), "volumes in memory are on disk"),
        (any(each.read_only_root for each in containers), "root file systems are writable"),
        (len(_all_ports(task)) > MAX_PORTS, f"Azure is told of {MAX_PORTS} ports only: {_ports(task)}"),
        (bool(names), f"names of Services and hostAliases do not resolve: {names}"),
    ]
    return [clause for applies, clause in unmet if applies]


def _restart(task: Task) -> str:
    found = {each.restart for each in task.containers if not each.init}
    return found.pop() if len(found) == 1 else "never"


def _all_ports(task: Task) -> list[int]:
    return list(dict.fromkeys(port for each in task.containers for port in each.ports))


def _ports(task: Task) -> list[int]:
    return _all_ports(task)[:MAX_PORTS] or [FALLBACK_PORT]


def _tags(task: Task, site: Site) -> dict[str, str]:
    own = {INSTANCE: site.instance, UID: task.uid, POD: f"{task.group}.{task.name}"}
    labels = {key.replace("/", SLASH)[:MAX_TAG_KEY]: value[:MAX_TAG_VALUE] for key, value in task.labels}
    return dict(list({**own, **labels, **own}.items())[:MAX_TAGS])


def _main_containers(task: Task) -> list[Document]:
    mains = [each for each in task.containers if not each.init]
    size, made = size_of(task), []
    for number, (each, share) in enumerate(zip(mains, _shares(mains), strict=True)):
        document = _container(each, task)
        cpu, memory = size.cpu_milli * share, size.memory_mib * share
        requests = {"cpu": max(round(cpu / 1000, 2), 0.01), "memoryInGB": max(round(memory / GIB, 1), 0.1)}
        document["properties"]["resources"] = {"requests": requests}
        if number == 0:
            document["properties"]["ports"] = [{"port": port, "protocol": "TCP"} for port in _ports(task)]
        made.append(document)
    return made


def _shares(mains: list[Container]) -> list[float]:
    """Return how a group's size is divided among its containers: by their limits of memory, else evenly."""
    limits = [each.memory_mib or 0 for each in mains]
    return [each / sum(limits) for each in limits] if all(limits) else [1 / len(mains)] * len(mains)


def _init_containers(task: Task) -> list[Document]:
    made = [_container(each, task) for each in task.containers if each.init]
    if script := start.layout(task):
        copied = [each.name for each in task.volumes if each.kind == "files" and not start.is_plain(each)]
        properties = {
            "image": next(each.image for each in task.containers if not each.init),
            "command": ["/bin/sh", "-c", script],
            "volumeMounts": [
                *(
                    {"name": f"{each}-files", "mountPath": f"{start.SOURCES}/{each}", "readOnly": True}
                    for each in copied
                ),
                *({"name": each, "mountPath": f"{start.TARGETS}/{each}"} for each in copied),
            ],
            "securityContext": {"runAsUser": 0},
        }
        made.insert(0, {"name": start.FILES, "properties": properties})
    return made


def _container(each: Container, task: Task) -> Document:
    volumes = {volume.name: volume for volume in task.volumes}
    properties: Document = {
        "image": each.image,
        "environmentVariables": _environment(each),
        "volumeMounts": [
            *(_mount(mount, volumes[mount.volume]) for mount in each.mounts),
            {"name": start.VOLUME, "mountPath": start.PATH},
        ],
    }
    if words := start.command(each):
        properties["command"] = words
    if security := _security(each):
        properties["securityContext"] = security
    return {"name": each.name, "properties": properties}


def _environment(each: Container) -> list[Document]:
    """Return variables whose values Azure never shows again: which of them are secrets is not known here."""
    found = [{"name": name, "secureValue": value} for name, value in dict(each.env).items()]
    if names := start.addressed(each):
        found.append({"name": start.ADDRESSED, "value": names})
    return found


def _mount(mount: Mount, volume: Volume) -> Document:
    read_only = mount.read_only or (volume.kind == "files" and start.is_plain(volume))
    return {"name": mount.volume, "mountPath": mount.path, "readOnly": read_only}


def _security(each: Container) -> Document:
    found: Document = {}
    user, _, group = each.user.partition(":")
    for key, value in (("runAsUser", user), ("runAsGroup", group)):
        if value.isdecimal():
            found[key] = int(value)
    if each.privileged:
        found["privileged"] = True
    if each.no_new_privileges:
        found["allowPrivilegeEscalation"] = False
    if each.add_capabilities or each.drop_capabilities:
        found["capabilities"] = {"add": list(each.add_capabilities), "drop": list(each.drop_capabilities)}
    return found


def _volumes(task: Task) -> Iterable[Document]:
    for each in task.volumes:
        if each.kind != "files":
            yield {"name": each.name, "emptyDir": {}}
        elif start.is_plain(each):
            yield {"name": each.name, "secret": {file.path: _encoded(file.content) for file in each.files}}
        else:
            files = {str(number): _encoded(file.content) for number, file in enumerate(each.files)}
            yield {"name": each.name, "emptyDir": {}}
            yield {"name": f"{each.name}-files", "secret": files}


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _logins(task: Task, site: Site) -> list[Document]:
    found = [{"server": each.registry, "username": each.username, "password": each.password} for each in task.logins]
    if site.registry and site.identity:
        found.append({"server": site.registry, "identity": site.identity})
    return found
