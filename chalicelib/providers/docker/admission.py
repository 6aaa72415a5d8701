"""Say what of a task cannot be had on this machine, before anything is created. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.providers.base import Capacity, ProviderUnavailable, Task, TaskRejected
from chalicelib.providers.docker.engine import Raw

MIB = 1024 * 1024
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # the kernel's word -> that of images and Kubernetes
# kubernetes.io/docs/concepts/security/pod-security-standards, "Baseline", v1.36
CAPABILITIES = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
UNSCHEDULABLE = "Unschedulable"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the engine has to give."""

    architecture: str
    cpus: int
    memory_mib: int
    has_gpus: bool


def machine(info: Raw) -> Machine:
    """Return the machine of one `GET /info` answer."""
    architecture = str(info.get("Architecture") or "")
    runtimes = info.get("Runtimes") or {}
    return Machine(
        architecture=ARCHITECTURES.get(architecture, architecture),
        cpus=int(info.get("NCPU") or 1),
        memory_mib=int(info.get("MemTotal") or 0) // MIB,
        has_gpus="nvidia" in runtimes,
    )


def capacity(machine: Machine) -> Capacity:
    """Return the machine as the Provider contract describes it; the engine does not count GPUs."""
    gpus = None if machine.has_gpus else 0
    return Capacity(machine.architecture, machine.cpus * 1000, machine.memory_mib, gpus)


def check(task: Task, machine: Machine, *, allow_privileged: bool) -> None:
    """Raise ProviderUnavailable if the machine is too small, TaskRejected for what is not allowed here."""
    short = []
    if task.memory_mib > machine.memory_mib:
        short.append(f"Insufficient memory ({task.memory_mib}Mi asked, the engine has {machine.memory_mib}Mi)")
    if any(container.gpus for container in task.containers) and not machine.has_gpus:
        short.append("Insufficient GPUs (the engine has no NVIDIA runtime)")
    if short:
        raise ProviderUnavailable(UNSCHEDULABLE, ", ".join(short))
    if not allow_privileged:
        _check_baseline(task)


def _check_baseline(task: Task) -> None:
    """Raise TaskRejected for what the Pod Security Standards' level "baseline" forbids, of what a task can ask for."""
    asked = ["the network of the host"] if task.host_network else []
    for container in task.containers:
        if container.privileged:
            asked.append(f"container {container.name!r} to be privileged")
        more = sorted({each.upper().removeprefix("CAP_") for each in container.add_capabilities} - CAPABILITIES)
        if more:
            asked.append(f"container {container.name!r} to have {', '.join(more)}")
    if asked:
        message = f"{'; '.join(asked)}: not allowed here unless SPARKANYWHERE_ALLOW_PRIVILEGED is set"
        raise TaskRejected("PrivilegedNotAllowed", f"the pod asks for {message}")


def warnings(task: Task) -> list[str]:
    """Return one sentence for each thing asked for that is not honoured."""
    found = []
    for volume in task.volumes:
        if volume.kind == "scratch" and volume.size_mib:
            found.append(f"volume {volume.name!r}: its size limit is not enforced by Docker")
        has_parts = any(m.sub_path for c in task.containers for m in c.mounts if m.volume == volume.name)
        if volume.kind == "memory" and has_parts:
            found.append(f"volume {volume.name!r}: kept on disk, since a part of it is mounted")
    if task.disk_gib:
        found.append(f"{task.disk_gib} GiB of disk asked for: Docker reserves none")
    return found
