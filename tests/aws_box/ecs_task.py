"""A task as ECS writes it: one document, a version that grows with every change, and the event about each.

Amazon ECS API Reference, Task (2014-11-13); Developer Guide, "Amazon ECS task state change events".
"""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

ACCOUNT, REGION = "123456789012", "us-east-1"
TIMES = (
    "connectivityAt",
    "createdAt",
    "executionStoppedAt",
    "pullStartedAt",
    "pullStoppedAt",
    "startedAt",
    "stoppedAt",
    "stoppingAt",
)

Document = dict[str, Any]  # as the ECS API has it


class EcsTask:
    """One task of a cluster. Safe to use from many threads."""

    def __init__(self, cluster: str, definition: Document, request: Document, tell: Callable[[Document], None]) -> None:
        self.id = uuid.uuid4().hex
        self.definition = definition
        self.stop_asked = threading.Event()
        self._tell = tell
        self._lock = threading.RLock()
        arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
        network = (request.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
        self._subnet = str((network.get("subnets") or ["subnet-0a"])[0])
        strategy = request.get("capacityProviderStrategy") or [{"capacityProvider": "FARGATE"}]
        self.document: Document = {
            "attachments": [],
            "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
            "availabilityZone": f"{REGION}{self._subnet[-1]}",
            "capacityProviderName": strategy[0]["capacityProvider"],
            "clusterArn": f"{arn}:cluster/{cluster}",
            "containers": [self._container(each, f"{arn}:container/{cluster}") for each in self.containers],
            "cpu": definition["cpu"],
            "createdAt": time.time(),
            "desiredStatus": "RUNNING",
            "enableExecuteCommand": False,
            "ephemeralStorage": definition.get("ephemeralStorage") or {"sizeInGiB": 20},
            "group": request.get("group") or f"family:{definition['family']}",
            "lastStatus": "PROVISIONING",
            "launchType": "FARGATE",
            "memory": definition["memory"],
            "overrides": request.get("overrides") or {},
            "platformFamily": "Linux",
            "platformVersion": "1.4.0",
            "startedBy": request.get("startedBy", ""),
            "tags": request.get("tags") or [],
            "taskArn": f"{arn}:task/{cluster}/{self.id}",
            "taskDefinitionArn": definition["taskDefinitionArn"],
            "version": 1,
        }
        for each in self.document["containers"]:
            each["taskArn"] = self.arn

    def _container(self, definition: Document, arn: str) -> Document:
        return {
            "containerArn": f"{arn}/{self.id}/{uuid.uuid4()}",
            "cpu": str(definition.get("cpu", 0)),
            "image": definition["image"],
            "lastStatus": "PENDING",
            "name": definition["name"],
            "networkInterfaces": [],
        }

    @property
    def arn(self) -> str:
        """Return the task's ARN."""
        return str(self.document["taskArn"])

    @property
    def session(self) -> str:
        """Return the ARN by which STS knows whoever has the credentials of the task's role."""
        role = self.definition["taskRoleArn"].rpartition("/")[2]
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{self.id}"

    @property
    def containers(self) -> list[Document]:
        """Return the container definitions."""
        found: list[Document] = self.definition["containerDefinitions"]
        return found

    @property
    def is_stopped(self) -> bool:
        """Return whether the task is over."""
        return bool(self.document["lastStatus"] == "STOPPED")

    def begin(self) -> None:
        """Tell of the task's first state."""
        with self._lock:
            self._announce()

    def change(self, status: str = "", **fields: Any) -> None:
        """Change the document, count a version and send the event about it."""
        with self._lock:
            if status:
                self.document["lastStatus"] = status
            self.document.update(fields)
            self.document["version"] += 1
            self._announce()

    def change_container(self, name: str, *, announce: bool = True, **fields: Any) -> None:
        """Change what is known of one container."""
        with self._lock:
            container = next(each for each in self.document["containers"] if each["name"] == name)
            container.update(fields)
            if announce:
                self.change()

    def attach(self, address: str) -> None:
        """Give the task its network interface."""
        identity = str(uuid.uuid4())
        details = [
            {"name": "subnetId", "value": self._subnet},
            {"name": "networkInterfaceId", "value": f"eni-{self.id[:17]}"},
            {"name": "privateDnsName", "value": f"ip-{address.replace('.', '-')}.ec2.internal"},
            {"name": "privateIPv4Address", "value": address},
        ]
        with self._lock:
            for each in self.document["containers"]:
                each["networkInterfaces"] = [{"attachmentId": identity, "privateIpv4Address": address}]
            attachment = {"id": identity, "type": "ElasticNetworkInterface", "status": "ATTACHED"}
            self.change(
                "PENDING",
                attachments=[{**attachment, "details": details}],
                connectivity="CONNECTED",
                connectivityAt=time.time(),
            )

    def ask_to_stop(self, code: str, reason: str) -> None:
        """Want the task stopped; the first to want it gives the reason."""
        with self._lock:
            if self.document["desiredStatus"] == "STOPPED":
                return
            now = time.time()
            self.change(desiredStatus="STOPPED", stopCode=code, stoppedReason=reason, stoppingAt=now)
        self.stop_asked.set()

    def described(self) -> Document:
        """Return the task as DescribeTasks shows it."""
        with self._lock:
            return copy.deepcopy(self.document)

    def _announce(self) -> None:
        self._tell(state_change(copy.deepcopy(self.document)))


def state_change(task: Document) -> Document:
    """Return the event about a task's present state: no tags, times as text, another name for interfaces."""
    task.pop("tags", None)
    for name in TIMES:
        if name in task:
            task[name] = _text(task[name])
    for each in task["attachments"]:
        each["type"] = "eni"
    task["updatedAt"] = _text(time.time())
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [task["taskArn"]],
        "detail": task,
    }


def _text(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
