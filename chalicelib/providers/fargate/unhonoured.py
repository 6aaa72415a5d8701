"""What of a task Fargate rounds up or leaves out, in words for people. Pure.

Amazon ECS Developer Guide, "Task definition differences for Fargate" (platform version 1.4.0).
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.providers.base import Container, Task
from chalicelib.providers.fargate.definitions import size_of


def unhonoured(task: Task) -> list[str]:
    """Return a clause for each thing that the task asks for and does not get as asked. Raises TaskRejected."""
    return [*_of_size(task), *_of_containers(task.containers), *_of_task(task)]


def _of_size(task: Task) -> Iterator[str]:
    size = size_of(task)
    if (size.cpu_milli, size.memory_mib) != (task.cpu_milli, task.memory_mib):
        yield f"rounded up to {size.cpu_milli / 1000:g} vCPU and {size.memory_mib}Mi, the next size that Fargate has"


def _of_containers(containers: tuple[Container, ...]) -> Iterator[str]:
    if any(each.gpus for each in containers):
        yield "GPUs are not to be had on Fargate"
    if any(each.privileged or each.add_capabilities for each in containers):
        yield "containers get no further privileges on Fargate"
    if any(each.no_new_privileges for each in containers):
        yield "allowPrivilegeEscalation cannot be turned off on Fargate"


def _of_task(task: Task) -> Iterator[str]:
    if any(each.kind == "named" for each in task.volumes):
        yield "persistent volume claims are scratch space on Fargate, gone with the pod"
    if task.logins:
        yield "imagePullSecrets are not used: the execution role pulls, from ECR or without a login"
    if task.host_entries:
        names = ", ".join(dict.fromkeys(name for _, name in task.host_entries))
        yield f"names of Services and hostAliases do not resolve on Fargate: {names}"
