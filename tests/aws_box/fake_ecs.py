"""The part of the ECS API that we call, with its limits, its idempotence and its ways to fail.

Amazon ECS API Reference (2014-11-13). What a task does once it is started is an engine's business: Fargate on Docker
(fargate.py), or nothing at all.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from tests.aws_box.ecs_task import ACCOUNT, REGION, Document, EcsTask
from tests.aws_box.wire import Answer, HttpServer, Request

CLUSTER = "sparkanywhere-prod"  # as Terraform names it
OVERRIDE_CHARACTERS = 8192
TOKEN_CHARACTERS = 64
STARTED_BY = re.compile(r"[A-Za-z0-9/_-]{0,128}")
DEFINITION_BYTES = 64 * 1024
GIB = 1024
# Fargate's pairs: cpu units -> memory in MiB ("Task CPU and memory").
PAIRS: dict[int, set[int]] = {
    256: {512, 1024, 2048},
    512: set(range(1 * GIB, 4 * GIB + 1, GIB)),
    1024: set(range(2 * GIB, 8 * GIB + 1, GIB)),
    2048: set(range(4 * GIB, 16 * GIB + 1, GIB)),
    4096: set(range(8 * GIB, 30 * GIB + 1, GIB)),
    8192: set(range(16 * GIB, 60 * GIB + 1, 4 * GIB)),
    16384: set(range(32 * GIB, 120 * GIB + 1, 8 * GIB)),
}
OVERRIDABLE = {
    "name",
    "command",
    "environment",
    "environmentFiles",
    "cpu",
    "memory",
    "memoryReservation",
    "resourceRequirements",
}


class EcsError(Exception):
    """An error answer of the API."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.body = {"__type": code, "message": message, **more}


class Engine(Protocol):
    """What runs the containers of tasks."""

    def start(self, task: EcsTask) -> None:
        """Begin to run a task; return at once."""
        ...


class NoEngine:
    """Leaves every task where it begins, until it is stopped."""

    def start(self, task: EcsTask) -> None:
        """Tell of the task, and end it when that is asked for."""
        task.begin()
        end = threading.Thread(target=self._end, args=(task,), daemon=True)
        end.start()

    def _end(self, task: EcsTask) -> None:
        task.stop_asked.wait()
        task.change("STOPPED")


# What happens to one call: told the request and how to go on, it answers or raises.
Fault = Callable[[Document, Callable[[Document], Document]], Document]


class FakeEcs:
    """One cluster, behind an endpoint. `tell` gets every event."""

    def __init__(self, engine: Engine, tell: Callable[[Document], None], *, cluster: str = CLUSTER) -> None:
        self.engine = engine
        self.calls: Counter[str] = Counter()
        self.faults: dict[str, list[Fault]] = {}  # by operation: one a call, in order
        self.unseen_seconds = 0.0  # until a new task is listed and described: ECS is eventually consistent
        self._tell = tell
        self._cluster = cluster
        self._lock = threading.Lock()
        self._definitions: dict[str, Document] = {}  # by ARN
        self._tasks: dict[str, EcsTask] = {}  # by ARN
        self._tokens: dict[str, tuple[str, str]] = {}  # clientToken: (request, ARN)
        self._server = HttpServer(self._serve)
        self.url = self._server.url

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    @property
    def tasks(self) -> list[EcsTask]:
        """Return every task ever run, in order."""
        with self._lock:
            return list(self._tasks.values())

    @property
    def definitions(self) -> list[Document]:
        """Return every registered task definition."""
        with self._lock:
            return list(self._definitions.values())

    def copy(self, task: EcsTask) -> EcsTask:
        """Add another task in the same state, started for another uid; return it. Nothing runs behind it."""
        asked = {**task.document, "startedBy": str(uuid.uuid4())}
        made = EcsTask(self._cluster, task.definition, asked, self._tell)
        text = json.dumps(task.document).replace(task.id, made.id)
        made.document.update({**json.loads(text), "startedBy": asked["startedBy"]})
        with self._lock:
            self._tasks[made.arn] = made
        return made

    def forget_definitions(self) -> None:
        """Forget every registered task definition, as in an account that is new."""
        with self._lock:
            self._definitions.clear()

    def _serve(self, request: Request) -> Answer:
        operation = request.header("x-amz-target").rpartition(".")[2]
        headers = [("Content-Type", "application/x-amz-json-1.1")]
        self.calls[operation] += 1
        try:
            with self._lock:
                waiting = self.faults.get(operation)
                fault = waiting.pop(0) if waiting else None
            go_on = getattr(self, f"_{operation}")
            asked = json.loads(request.body)
            answer = fault(asked, go_on) if fault else go_on(asked)
            return Answer(200, json.dumps(answer).encode(), headers)
        except EcsError as error:
            return Answer(400, json.dumps(error.body).encode(), headers)

    def _RegisterTaskDefinition(self, asked: Document) -> Document:
        if len(json.dumps(asked)) > DEFINITION_BYTES:
            raise EcsError("ClientException", "Actual length: the max length is 65536 bytes.")
        _check_definition(asked)
        with self._lock:
            revision = 1 + sum(each["family"] == asked["family"] for each in self._definitions.values())
            arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{asked['family']}:{revision}"
            definition = {key: value for key, value in asked.items() if key != "tags"}
            made = {"taskDefinitionArn": arn, "revision": revision, "status": "ACTIVE", "registeredAt": time.time()}
            self._definitions[arn] = {**definition, **made}
            return {"taskDefinition": self._definitions[arn]}

    def _ListTaskDefinitionFamilies(self, asked: Document) -> Document:
        families = {each["family"] for each in self.definitions if each["status"] == asked["status"]}
        return {"families": sorted(each for each in families if each.startswith(asked["familyPrefix"]))}

    def _DeregisterTaskDefinition(self, asked: Document) -> Document:
        definition = self._definition(asked["taskDefinition"])
        definition["status"] = "INACTIVE"
        return {"taskDefinition": definition}

    def _DeleteTaskDefinitions(self, asked: Document) -> Document:
        found = [self._definition(each) for each in asked["taskDefinitions"]]
        if any(each["status"] != "INACTIVE" for each in found) or len(found) > 10:
            raise EcsError("InvalidParameterException", "up to 10 task definitions, all of them inactive")
        with self._lock:
            for each in found:
                del self._definitions[each["taskDefinitionArn"]]
        return {"taskDefinitions": found, "failures": []}

    def _DescribeTaskDefinition(self, asked: Document) -> Document:
        return {"taskDefinition": self._definition(asked["taskDefinition"])}

    def _definition(self, name: str) -> Document:
        """Return a definition by its ARN, its family and revision, or the family alone: its latest."""

        def is_meant(each: Document) -> bool:
            return name in (each["taskDefinitionArn"], each["family"], f"{each['family']}:{each['revision']}")

        with self._lock:
            found = next(filter(is_meant, reversed(self._definitions.values())), None)
        if found is None:
            raise EcsError("ClientException", "Unable to describe task definition.")
        return found

    def _RunTask(self, asked: Document) -> Document:
        self._check_cluster(asked)
        definition = self._definition(asked["taskDefinition"])
        if definition["status"] != "ACTIVE":
            raise EcsError("ClientException", "TaskDefinition is inactive")
        _check_run(asked, definition)
        token = asked["clientToken"]
        text = json.dumps(asked, sort_keys=True)
        with self._lock:
            before = self._tokens.get(token)
            if before is None:
                task = EcsTask(self._cluster, definition, asked, self._tell)
                self._tasks[task.arn] = task
                self._tokens[token] = (text, task.arn)
            elif before[0] == text:
                return {"tasks": [self._tasks[before[1]].described()], "failures": []}
            else:
                message = "clientToken was used with other parameters"
                raise EcsError("ConflictException", message, resourceIds=[before[1]])
        self.engine.start(task)
        return {"tasks": [task.described()], "failures": []}

    def _StopTask(self, asked: Document) -> Document:
        self._check_cluster(asked)
        with self._lock:
            task = self._tasks.get(asked["task"])
        if task is None:
            raise EcsError("InvalidParameterException", "The referenced task was not found.")
        task.ask_to_stop("UserInitiated", asked.get("reason") or "Task stopped by user")
        return {"task": task.described()}

    def _DescribeTasks(self, asked: Document) -> Document:
        self._check_cluster(asked)
        if len(asked["tasks"]) > 100:
            raise EcsError("InvalidParameterException", "Tasks cannot have more than 100 elements")
        with self._lock:
            found = [self._tasks[arn] for arn in asked["tasks"] if arn in self._tasks and self._is_seen(arn)]
        known = [task.described() for task in found]
        for each in known:
            if "TAGS" not in asked.get("include", []) or each["lastStatus"] == "STOPPED":
                each.pop("tags")  # ECS drops the tags of a stopped task
        missing = set(asked["tasks"]) - {each["taskArn"] for each in known}
        return {"tasks": known, "failures": [{"arn": arn, "reason": "MISSING"} for arn in missing]}

    def _ListTasks(self, asked: Document) -> Document:
        self._check_cluster(asked)
        wanted = asked.get("desiredStatus", "RUNNING")
        arns = [
            each.arn
            for each in self.tasks
            if self._is_seen(each.arn)
            and each.document["desiredStatus"] == wanted
            and asked.get("startedBy") in (None, each.document["startedBy"])
        ]
        start = int(asked.get("nextToken") or 0)
        page = arns[start : start + 100]
        more = {"nextToken": str(start + 100)} if len(arns) > start + 100 else {}
        return {"taskArns": page, **more}

    def _is_seen(self, arn: str) -> bool:
        return bool(time.time() - self._tasks[arn].document["createdAt"] >= self.unseen_seconds)

    def _check_cluster(self, asked: Document) -> None:
        if asked["cluster"] != self._cluster:
            raise EcsError("ClusterNotFoundException", "Cluster not found.")


def _check_definition(asked: Document) -> None:
    cpu, memory = int(asked.get("cpu") or 0), int(asked.get("memory") or 0)
    if "FARGATE" in asked["requiresCompatibilities"] and memory not in PAIRS.get(cpu, set()):
        raise EcsError("ClientException", "No Fargate configuration exists for given values.")
    names = {each["name"] for each in asked["containerDefinitions"]}
    essential = {each["name"] for each in asked["containerDefinitions"] if each.get("essential", True)}
    volumes = {each["name"] for each in asked.get("volumes", [])}
    if not essential or len(names) != len(asked["containerDefinitions"]) or len(names) > 10:
        raise EcsError("ClientException", "containers must be 1 to 10, of unlike names, one of them essential")
    for each in asked["containerDefinitions"]:
        if not {mount["sourceVolume"] for mount in each.get("mountPoints", [])} <= volumes:
            raise EcsError("ClientException", "Unknown volume")
        for other in each.get("dependsOn", []):
            if other["containerName"] not in names:
                raise EcsError("ClientException", "dependsOn names an unknown container")
            if other["condition"] in ("SUCCESS", "COMPLETE") and other["containerName"] in essential:
                raise EcsError("ClientException", "dependsOn SUCCESS names an essential container")
        if not 2 <= each.get("stopTimeout", 30) <= 120:
            raise EcsError("ClientException", "stopTimeout is not between 2 and 120 seconds")
    for name, most in (("cpu", cpu), ("memory", memory)):
        if sum(each.get(name, 0) for each in asked["containerDefinitions"]) > most:
            message = f"The sum of all container '{name}' values cannot be greater than the value of the task '{name}'."
            raise EcsError("ClientException", message)


def _check_run(asked: Document, definition: Document) -> None:
    overrides = asked.get("overrides") or {}
    names = {each["name"] for each in definition["containerDefinitions"]}
    for each in overrides.get("containerOverrides", []):
        if each["name"] not in names:
            message = f"Override for container named {each['name']} is not a container in the TaskDefinition."
            raise EcsError("InvalidParameterException", message)
        if not set(each) <= OVERRIDABLE:
            raise EcsError("InvalidParameterException", "Unknown field in the overrides")
    if len(json.dumps(overrides)) > OVERRIDE_CHARACTERS:
        message = f"Container Overrides length must be at most {OVERRIDE_CHARACTERS}"
        raise EcsError("InvalidParameterException", message)
    if len(asked["clientToken"]) > TOKEN_CHARACTERS:
        raise EcsError("InvalidParameterException", "clientToken is too long")
    if not STARTED_BY.fullmatch(asked.get("startedBy", "")):
        raise EcsError("InvalidParameterException", "startedBy has characters that are not allowed")
    network = (asked.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    if not network.get("subnets") or asked.get("count", 1) > 10:
        raise EcsError("InvalidParameterException", "subnets can not be empty; count is at most 10")
    if len(asked.get("tags") or []) > 50:
        raise EcsError("InvalidParameterException", "Tags can have a maximum of 50 entries.")
