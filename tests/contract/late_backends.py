"""Providers that bind tasks late, for their contract: the fake, and Fargate on an ECS whose tasks never start."""

from __future__ import annotations

import time
from typing import Protocol

import boto3

from chalicelib.providers.base import Provider as AnyProvider
from chalicelib.providers.base import Task, TaskState
from chalicelib.providers.fargate.provider import FargateProvider
from chalicelib.providers.fargate.site import DeploymentConfig
from tests.aws_box.ecs_task import ACCOUNT, REGION, Document
from tests.aws_box.fake_ecs import CLUSTER, FakeEcs, NoEngine
from tests.fake_provider import FakeProvider


class LateProvider(AnyProvider, Protocol):
    """A Provider that is BindsLate as well."""

    def shape(self, task: Task) -> str: ...

    def reserve(self, task: Task) -> TaskState: ...

    def bind(self, handle: str, task: Task) -> TaskState: ...


class LateFakes:
    """The fake."""

    def __init__(self) -> None:
        self.provider: LateProvider = FakeProvider(hold_pending=True)

    def close(self) -> None:
        self.provider.close()


class LateFargate:
    """Fargate."""

    def __init__(self) -> None:
        def tell(_event: Document) -> None:
            return None

        self._ecs = FakeEcs(NoEngine(), tell)
        role = f"arn:aws:iam::{ACCOUNT}:role/task"
        site = DeploymentConfig(
            name=CLUSTER,
            cluster=CLUSTER,
            region=REGION,
            subnets=(("", "subnet-1a"),),
            security_group="sg-1",
            assign_public_ip=False,
            execution_role_arn=role,
            task_role_arn=role,
            log_group="/tasks",
        )
        self.provider: LateProvider = FargateProvider(
            site,
            payloads=lambda task: f"https://api/{task.uid}/payload",
            client=lambda service, region: boto3.client(
                service,  # type: ignore[call-overload]  # the name of a service is a literal to boto3's stubs
                region_name=region,
                endpoint_url=self._ecs.url,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            ),
            sleep=time.sleep,
        )

    def close(self) -> None:
        self._ecs.close()
