"""A task's shape as a task definition, what RunTask is told beside it, and what Fargate leaves out of it. Pure.

Definitions are registered once per shape (image, size, containers, volumes, roles, architecture) and found again by
the hash in their family's name: all executors share one, and so do those of another application of that shape. Amazon
ECS API Reference, RegisterTaskDefinition and RunTask (2014-11-13); Developer Guide, "Task definition differences for
Fargate" (1.4.0).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from math import ceil
from typing import Any

from chalicelib.providers.base import Container, Mount, Task, TaskRejected, Volume
from chalicelib.providers.fargate import capacity, identity, payload
from chalicelib.providers.fargate.prices import GIB, SIZES, cpu_units
from chalicelib.providers.fargate.shape import with_fixed_paths
from chalicelib.providers.fargate.site import DeploymentConfig
from chalicelib.providers.fargate.subnets import subnet_choices
from chalicelib.providers.sizes import Size

Document = dict[str, Any]  # a parameter of the ECS API

ARCHITECTURES = {"": "X86_64", "amd64": "X86_64", "x86_64": "X86_64", "arm64": "ARM64", "aarch64": "ARM64"}
ARCHITECTURE_KEY = "kubernetes.io/arch"
OS_KEY, REGION_KEY = "kubernetes.io/os", "topology.kubernetes.io/region"
SPARK_ROLE = "spark-role"  # the label of a pod of Spark's, which from 4.3 turns privileges off in each, asked or not
TMPFS_MIB = 64  # of a memory volume without a size: ECS demands one, and takes it from the task's memory
# For whichever user the container has, as a kubelet makes it. Amazon ECS API Reference, "Tmpfs" (2026), lists the
# option by its name, `mode`; that such a one comes with its value, as for mount(8), is what others do with `uid=`
# (github.com/ministryofjustice/opg-lpa/pull/3734, on Fargate).
TMPFS_OPTIONS = ("mode=1777",)
MIN_STOP_SECONDS, MAX_STOP_SECONDS = 2, 120  # a stopTimeout that Fargate takes
RESTART_SECONDS = 60  # that a container must have run to be started again: the least that ECS takes
LEAST_CPU_MILLI, LEAST_MEMORY_MIB = 250, 512  # on instances, of a task that asks for less
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 50, 128, 256
FAMILY_DIGITS = 16  # of its hash, in a family's name
PLATFORM_VERSION = "1.4.0"


def size_of(task: Task) -> Size:
    """Return the Fargate size that holds a task, with the volumes that lie on its disk. Raises TaskRejected.

    On instances any size will do, and the disk is theirs.
    """
    if capacity.is_on_instances(task):
        return Size(max(task.cpu_milli, LEAST_CPU_MILLI), max(task.memory_mib, LEAST_MEMORY_MIB))
    volumes = sum(each.size_mib or 0 for each in task.volumes if each.kind in ("scratch", "named"))
    disk_gib = max(task.disk_gib, ceil(volumes / GIB))
    return SIZES.fit(cpu_milli=task.cpu_milli, memory_mib=task.memory_mib, disk_gib=disk_gib)


def placement(task: Task, key: str) -> str:
    """Return a placement hint, "" if there is none; several allowed values are joined by commas."""
    return dict(task.placement).get(key, "")


def definition(task: Task, site: DeploymentConfig) -> Document:
    """Return RegisterTaskDefinition's parameters for a task's shape, its family named by their hash."""
    task = with_fixed_paths(task)
    for each in task.volumes:
        if each.kind == "host":
            message = f"volume {each.name}: Fargate has no host to mount a path of"
            raise TaskRejected("UnsupportedVolume", message)
    for key, here in ((OS_KEY, "linux"), (REGION_KEY, site.region)):
        wanted = placement(task, key)
        if wanted and here not in wanted.split(","):
            raise TaskRejected("NodeAffinity", f"{key} is {here} here, not {wanted}")
    wanted = placement(task, ARCHITECTURE_KEY)
    architecture = next((ARCHITECTURES[each] for each in wanted.split(",") if each in ARCHITECTURES), "")
    if not architecture:
        raise TaskRejected("NodeAffinity", f"Fargate has no architecture {wanted}: amd64 and arm64 are there")
    size = size_of(task)
    document: Document = {
        "networkMode": "awsvpc",
        "requiresCompatibilities": capacity.compatibilities(task),
        "cpu": str(cpu_units(size.cpu_milli)),
        "memory": str(size.memory_mib),
        "runtimePlatform": {"cpuArchitecture": architecture, "operatingSystemFamily": "LINUX"},
        "executionRoleArn": site.execution_role_arn,
        "taskRoleArn": site.role_of(task),
        "containerDefinitions": _containers(task, site, size),
        "volumes": [{"name": each.name} for each in task.volumes if each.kind != "memory"],
    }
    document["volumes"].append({"name": payload.VOLUME})
    if size.disk_gib:
        document["ephemeralStorage"] = {"sizeInGiB": size.disk_gib}
    text = json.dumps(document, sort_keys=True)
    document["family"] = f"{site.name}-{hashlib.sha256(text.encode()).hexdigest()[:FAMILY_DIGITS]}"
    return document


def _containers(task: Task, site: DeploymentConfig, size: Size) -> list[Document]:
    volumes = {each.name: each for each in task.volumes}
    bounds = _bounds(task, size)
    main = next(each for each in task.containers if not each.init)
    kept = [each.name for each in task.volumes if each.kind != "memory"]
    fetcher: Document = {
        "name": payload.FETCHER,
        "image": main.image,
        "essential": False,
        "user": "0",
        "entryPoint": ["/bin/sh", "-c", payload.FETCH_SCRIPT],
        "command": [payload.FETCHER],
        "environment": [
            {"name": identity.STS_HOST, "value": identity.sts_host(site.region)},
            {"name": identity.AUDIENCE, "value": identity.audience(site.name)},
        ],
        "mountPoints": [
            _mount(payload.VOLUME, payload.START_PATH),
            *(_mount(name, f"{payload.VOLUMES_PATH}/{name}") for name in kept),
        ],
        "logConfiguration": _logs(site),
    }
    made = [fetcher]
    before = [payload.FETCHER]
    for each in task.containers:
        document = _container(each, task, site, volumes) | bounds.get(each.name, {})
        document["dependsOn"] = [{"containerName": name, "condition": "COMPLETE"} for name in before]
        made.append(document)
        if each.init:
            before = [each.name]
    return made


def _container(each: Container, task: Task, site: DeploymentConfig, volumes: dict[str, Volume]) -> Document:
    document: Document = {
        "name": each.name,
        "image": each.image,
        "essential": not each.init,
        "entryPoint": ["/bin/sh", "-c", payload.INIT_SCRIPT if each.init else payload.START_SCRIPT, each.name],
        "command": [],
        "mountPoints": [
            _mount(payload.VOLUME, payload.START_PATH, read_only=not each.init),
            *(_volume_mount(mount) for mount in each.mounts if volumes[mount.volume].kind != "memory"),
        ],
        "logConfiguration": _logs(site),
        "stopTimeout": min(max(task.stop_grace_seconds, MIN_STOP_SECONDS), MAX_STOP_SECONDS),
        "readonlyRootFilesystem": each.read_only_root,
        "linuxParameters": {"initProcessEnabled": True},
    }
    if each.user:
        document["user"] = each.user
    if each.gpus and capacity.is_on_instances(task):
        document["resourceRequirements"] = [{"type": "GPU", "value": str(each.gpus)}]
    for mount in each.mounts:
        if volumes[mount.volume].kind == "memory":
            size = volumes[mount.volume].size_mib or TMPFS_MIB
            place = {"containerPath": mount.path, "size": size, "mountOptions": list(TMPFS_OPTIONS)}
            document["linuxParameters"].setdefault("tmpfs", []).append(place)
    if each.drop_capabilities:
        document["linuxParameters"]["capabilities"] = {"drop": list(each.drop_capabilities)}
    if each.restart != "never":
        document["restartPolicy"] = {
            "enabled": True,
            "ignoredExitCodes": [0] if each.restart == "on-failure" else [],
            "restartAttemptPeriod": RESTART_SECONDS,
        }
    return document


def _bounds(task: Task, size: Size) -> dict[str, Document]:
    """Return the limits of each main container that ECS takes: all together no more than the task has.

    Limits beyond requests are more than the task may have; then the task's own size is what bounds them. Init
    containers run alone, but ECS would add them up with the rest.
    """
    mains = [each for each in task.containers if not each.init]
    found: dict[str, Document] = {each.name: {} for each in mains}
    for key, most, limits in (
        ("memory", size.memory_mib, [each.memory_mib or 0 for each in mains]),
        ("cpu", cpu_units(size.cpu_milli), [cpu_units(each.cpu_milli or 0) for each in mains]),
    ):
        if sum(limits) <= most:
            for each, limit in zip(mains, limits, strict=True):
                found[each.name] |= {key: limit} if limit else {}
    return found


def _mount(volume: str, path: str, *, read_only: bool = False) -> Document:
    return {"sourceVolume": volume, "containerPath": path, "readOnly": read_only}


def _volume_mount(mount: Mount) -> Document:
    if mount.sub_path:
        raise TaskRejected("SubPathNotSupported", f"{mount.path}: Fargate mounts whole volumes, not {mount.sub_path}")
    return _mount(mount.volume, mount.path, read_only=mount.read_only)


def _logs(site: DeploymentConfig) -> Document:
    options = {
        "awslogs-group": site.log_group,
        "awslogs-region": site.region,
        "awslogs-stream-prefix": site.name,
        "mode": "non-blocking",  # a slow log must not stop Spark
        "max-buffer-size": "4m",
    }
    return {"logDriver": "awslogs", "options": options}


@dataclass(frozen=True, slots=True)
class Launch:
    """What is this run's own: where to fetch the payload, and whose turn it is once a clientToken is spent.

    `waits`: it asks what it is for until it is told. `spreads`: its application's zone has no capacity, so any zone
    will do. `place`: which of the places to try.
    """

    definition_arn: str
    payload_url: str
    waits: bool = False
    turn: int = 0
    capacity_provider: str = capacity.FARGATE
    spreads: bool = False
    place: int = 0


def run_task(task: Task, site: DeploymentConfig, launch: Launch) -> Document:
    """Return RunTask's parameters for one task. Raises TaskRejected."""
    choices, on_fargate = subnet_choices(task, site.subnets), capacity.is_fargate(launch.capacity_provider)
    own = [("sparkanywhere:deployment", site.name), ("sparkanywhere:pod", f"{task.group}/{task.name}")]
    tags = {key[:MAX_TAG_KEY]: value[:MAX_TAG_VALUE] for key, value in [*own, *task.labels]}
    environment = [{"name": payload.URL, "value": launch.payload_url}]
    if launch.waits:
        environment.append({"name": payload.WAITS, "value": "1"})
    override = {"name": payload.FETCHER, "environment": environment}
    return {
        "cluster": site.cluster,
        "taskDefinition": launch.definition_arn,
        "count": 1,
        "clientToken": client_token(task.uid, task.attempt, launch.turn),
        "startedBy": task.uid,
        "group": f"{site.name}:{task.group}"[:255],
        **({"platformVersion": PLATFORM_VERSION} if on_fargate else {}),
        "capacityProviderStrategy": [{"capacityProvider": launch.capacity_provider, "weight": 1}],
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": choices[-1] if launch.spreads or task.attempt else choices[0],
                "securityGroups": [site.security_group_of(task)],
                "assignPublicIp": "ENABLED" if site.assign_public_ip and on_fargate else "DISABLED",
            }
        },
        "overrides": {"containerOverrides": [override]},
        "tags": [{"key": key, "value": value} for key, value in list(tags.items())[:MAX_TAGS]],
        "propagateTags": "TASK_DEFINITION",
        "enableECSManagedTags": True,
        "enableExecuteCommand": site.execute_command,
    }


def shape(task: Task, site: DeploymentConfig) -> str:
    """Return what RunTask is told of a task beside what is its own: all that it keeps. Raises TaskRejected."""
    places = subnet_choices(task, site.subnets)[-1]
    fixed = [definition(task, site)["family"], site.security_group_of(task), places, capacity.ladder(task)]
    return json.dumps(fixed)


def client_token(uid: str, attempt: int = 0, turn: int = 0) -> str:
    """Return the token under which ECS starts a task at most once: 64 characters at most."""
    return hashlib.sha256(f"{uid}/{attempt}/{turn}".encode()).hexdigest() if attempt or turn else uid


def unhonoured(task: Task) -> list[str]:
    """Return a clause for each thing that the task asks for and does not get as asked. Raises TaskRejected."""
    size, containers, on_instances = size_of(task), task.containers, capacity.is_on_instances(task)
    names = ", ".join(dict.fromkeys(name for _, name in task.host_entries))
    unmet = [
        (
            (size.cpu_milli, size.memory_mib) != (task.cpu_milli, task.memory_mib) and not on_instances,
            f"rounded up to {size.cpu_milli / 1000:g} vCPU and {size.memory_mib}Mi, the next size that Fargate has",
        ),
        (any(each.gpus for each in containers) and not on_instances, "GPUs are not to be had on Fargate"),
        (on_instances, "the price of instances is not known here: their time counts at Fargate's list price"),
        (
            any(each.privileged or each.add_capabilities for each in containers),
            "containers get no further privileges on Fargate",
        ),
        (
            any(each.no_new_privileges for each in containers) and SPARK_ROLE not in dict(task.labels),
            "allowPrivilegeEscalation cannot be turned off on Fargate",
        ),
        (
            any(each.kind == "named" for each in task.volumes),
            "persistent volume claims are scratch space on Fargate, gone with the pod",
        ),
        (bool(task.logins), "imagePullSecrets are not used: the execution role pulls, from ECR or without a login"),
        (bool(names), f"names of Services and hostAliases do not resolve on Fargate: {names}"),
    ]
    return [clause for applies, clause in unmet if applies]
