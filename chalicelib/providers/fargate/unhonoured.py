"""What of a task Fargate rounds up or leaves out, in words for people. Pure.

Amazon ECS Developer Guide, "Task definition differences for Fargate" (platform version 1.4.0).
"""

from __future__ import annotations

from chalicelib.providers.base import Task
from chalicelib.providers.fargate.definitions import size_of


def unhonoured(task: Task) -> list[str]:
    """Return a clause for each thing that the task asks for and does not get as asked. Raises TaskRejected."""
    size, containers = size_of(task), task.containers
    names = ", ".join(dict.fromkeys(name for _, name in task.host_entries))
    unmet = [
        (
            (size.cpu_milli, size.memory_mib) != (task.cpu_milli, task.memory_mib),
            f"rounded up to {size.cpu_milli / 1000:g} vCPU and {size.memory_mib}Mi, the next size that Fargate has",
        ),
        (any(each.gpus for each in containers), "GPUs are not to be had on Fargate"),
        (
            any(each.privileged or each.add_capabilities for each in containers),
            "containers get no further privileges on Fargate",
        ),
        (
            any(each.no_new_privileges for each in containers),
            "allowPrivilegeEscalation cannot be turned off on Fargate",
        ),
        (
            any(each.kind == "named" for each in task.volumes),
            "persistent volume claims are scratch space on Fargate, gone with the pod",
        ),
        (
            bool(task.logins),
            "imagePullSecrets are not used: the execution role pulls, from ECR or without a login",
        ),
        (bool(names), f"names of Services and hostAliases do not resolve on Fargate: {names}"),
    ]
    return [clause for applies, clause in unmet if applies]
