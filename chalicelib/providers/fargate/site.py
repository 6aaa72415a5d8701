"""Where tasks run and as whom: what all of a deployment have in common, and what those of one namespace have. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.providers.base import Task, TaskRejected

ROLE_KEY = "eks.amazonaws.com/role-arn"  # a hint of the task: the role that its service account names
ROLE_ARN = re.compile(r"arn:[a-z-]+:iam::\d+:role/[\w+=,.@/-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeploymentConfig:
    """What every task of one deployment has in common.

    `security_groups` holds the namespaces (a task's group) with a security group of their own. Such a namespace has a
    role of its own, too, called as the shared one and the namespace; so Terraform names them (task_roles.tf).
    """

    name: str
    cluster: str
    region: str
    subnets: tuple[tuple[str, str], ...]  # (availability zone or "", subnet id)
    security_group: str
    assign_public_ip: bool
    execution_role_arn: str
    task_role_arn: str
    log_group: str
    execute_command: bool = False
    security_groups: Mapping[str, str] = field(default_factory=dict)

    def security_group_of(self, task: Task) -> str:
        """Return the security group that a task is in."""
        return self.security_groups.get(task.group, self.security_group)

    def role_of(self, task: Task) -> str:
        """Return the ARN of the role that a task has.

        Raises TaskRejected for what is no role's ARN, for a role that is another namespace's own, and for one that
        is not the deployment's to give.
        """
        own = self._own_role(task.group) if task.group in self.security_groups else self.task_role_arn
        named = dict(task.placement).get(ROLE_KEY, "")
        for namespace in self.security_groups:
            # by its name alone, which only one role of an account has, whatever path and case a client writes it in
            if namespace != task.group and _name(named).lower() == _name(self._own_role(namespace)).lower():
                raise TaskRejected("InvalidRole", f"role {_name(named)} is for pods of namespace {namespace} alone")
        if not ROLE_ARN.fullmatch(named or own):
            raise TaskRejected("InvalidRole", f"{named or own} is not the ARN of an IAM role")
        if not self.gives(named or own):
            where = f"{self.task_role_arn.rpartition('/')[0]}/"
            raise TaskRejected("InvalidRole", f"role {named} is not below {where}, where the roles of pods are")
        return named or own

    def gives(self, role_arn: str) -> bool:
        """Return whether a role may be a task's: it is of the same account and under the same path as Terraform's."""
        return bool(ROLE_ARN.fullmatch(role_arn)) and role_arn.startswith(f"{self.task_role_arn.rpartition('/')[0]}/")

    @property
    def sessions(self) -> str:
        """Return how the ARN of every session of a role of our account begins."""
        return f"arn:{self._partition}:sts::{self._account}:assumed-role/"

    def task_arn(self, task_id: str) -> str:
        """Return the ARN of a task of our cluster."""
        return f"arn:{self._partition}:ecs:{self.region}:{self._account}:task/{self.cluster}/{task_id}"

    def runs(self, handle: str) -> bool:
        """Return whether a task ends with our cluster: ECS deletes none while tasks run in it.

        Of another cluster's task nothing is known: then it is our settings that are wrong.
        """
        return f":{self.region}:" in handle and f":task/{self.cluster}/" in handle

    @property
    def _partition(self) -> str:
        return self.task_role_arn.split(":")[1]

    @property
    def _account(self) -> str:
        return self.task_role_arn.split(":")[4]

    def _own_role(self, namespace: str) -> str:
        return f"{self.task_role_arn}-{namespace}"


def _name(role_arn: str) -> str:
    return role_arn.rpartition("/")[2]
