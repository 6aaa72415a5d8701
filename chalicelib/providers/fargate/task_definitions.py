"""TaskDefinitions: those of one deployment in ECS: found or registered once per shape, and deleted when they are old.

Amazon ECS API Reference (2014-11-13): DescribeTaskDefinition, RegisterTaskDefinition, DeregisterTaskDefinition,
DeleteTaskDefinitions. Tasks that run do not mind either of the last two. What is needed again is registered again.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from chalicelib.providers.base import THROTTLED, ProviderUnavailable, RefusedError
from chalicelib.providers.fargate import clients
from chalicelib.providers.fargate.definitions import FAMILY_DIGITS, Document

LOG = logging.getLogger(__name__)

REGISTER_PAUSES_SECONDS = (0.3, 0.6, 1.2)  # while another process registers the same shape
CONCURRENT = "too many concurrent attempts"  # what ECS says to all but one of them
REFUSED_SECONDS = 2.0  # for so long a refusal stands for all that wait for the same: ECS takes about one a second
KEEP_SECONDS = 14 * 24 * 3600.0
LOOKS_AT_ONCE, DELETED_AT_ONCE = 50, 10  # in one run of drop_old; DeleteTaskDefinitions takes no more than ten


class TaskDefinitions:
    """Task definitions whose family's name begins with the deployment's. Safe to call from many threads."""

    def __init__(
        self,
        name: str,
        ecs: Callable[[], Any],  # Any: a boto3 client
        *,
        sleep: Callable[[float], None],
        seconds: Callable[[], float],
    ) -> None:
        self._name = name
        # Another deployment's name may begin with this one's
        self._is_ours = re.compile(rf"{re.escape(name)}-[0-9a-f]{{{FAMILY_DIGITS}}}", re.ASCII)
        self._ecs = ecs
        self._sleep = sleep
        self._seconds = seconds
        self._lock = threading.Lock()  # a shape is registered once
        self._registered: dict[str, str] = {}  # ARN by family
        self._roles: dict[str, str] = {}  # by family:revision, of which neither ever changes
        self._refused: dict[str, tuple[float, RefusedError]] = {}  # until when, by family
        self._made_at: dict[str, tuple[float, str]] = {}  # when, and its ARN, by family: of what drop_old has seen

    def arn(self, document: Document) -> str:
        """Return the ARN of a definition, which is registered if there is none. Raises provider errors.

        Threads that ask at once share one answer, a refusal too.
        """
        family = document["family"]
        with self._lock:
            if family in self._registered:
                return self._registered[family]
            until, refusal = self._refused.get(family, (0.0, None))
            if refusal is not None and self._seconds() < until:
                raise refusal
            try:
                self._registered[family] = self._found_or_registered(document)
            except Exception as error:  # boto3's errors have no common base of ours
                refused = error if isinstance(error, RefusedError) else clients.translated(error)
                self._refused[family] = (self._seconds() + REFUSED_SECONDS, refused)
                raise refused from error
            return self._registered[family]

    def role(self, definition: str) -> str:
        """Return the ARN of the role that tasks of a definition have. Raises provider errors."""
        if definition not in self._roles:
            try:
                found = self._ecs().describe_task_definition(taskDefinition=definition)["taskDefinition"]
            except Exception as error:  # boto3's errors have no common base of ours
                raise clients.translated(error) from error
            self._roles[definition] = str(found.get("taskRoleArn") or "")
        return self._roles[definition]

    def forget(self, family: str) -> None:
        """Look again at the next call: ECS has said that this one is inactive by now."""
        with self._lock:
            self._registered.pop(family, None)

    def drop_old(self) -> None:
        """Deregister and delete some that were registered long ago. May be repeated. Raises ProviderUnavailable."""
        try:
            ecs, old = self._ecs(), list(self._old())[:DELETED_AT_ONCE]
            for family, arn in old:
                self.forget(family)
                ecs.deregister_task_definition(taskDefinition=arn)
                del self._made_at[family]
            if old:
                ecs.delete_task_definitions(taskDefinitions=[arn for _, arn in old])
                LOG.info("deleted task definitions=%d", len(old))
        except Exception as error:
            raise ProviderUnavailable("Unavailable", str(clients.translated(error))) from error

    def _old(self) -> Iterator[tuple[str, str]]:
        """Yield the family and the ARN of those that are old; of those not seen before it looks at some."""
        ecs, families = self._ecs(), list[str]()
        asked = {"familyPrefix": f"{self._name}-", "status": "ACTIVE"}
        for page in ecs.get_paginator("list_task_definition_families").paginate(**asked):
            families += filter(self._is_ours.fullmatch, page.get("families") or [])
        for family in [each for each in families if each not in self._made_at][:LOOKS_AT_ONCE]:
            with contextlib.suppress(ecs.exceptions.ClientException):  # somebody else has just deleted it
                found = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
                made: datetime | None = found.get("registeredAt")  # not told: as old as our knowledge of it
                made_at = self._seconds() if made is None else made.timestamp()
                self._made_at[family] = (made_at, str(found["taskDefinitionArn"]))
        for family, (made_at, arn) in list(self._made_at.items()):
            if made_at < self._seconds() - KEEP_SECONDS and family in families:
                yield family, arn

    def _found_or_registered(self, document: Document) -> str:
        """Return the ARN of a definition that is there, or that we or another process register now."""
        ecs = self._ecs()
        for pause in REGISTER_PAUSES_SECONDS:
            with contextlib.suppress(ecs.exceptions.ClientException):  # there is none
                found = ecs.describe_task_definition(taskDefinition=document["family"])["taskDefinition"]
                if found.get("status", "ACTIVE") == "ACTIVE":
                    return str(found["taskDefinitionArn"])
            try:
                tags = [{"key": "sparkanywhere:deployment", "value": self._name}]
                answer = ecs.register_task_definition(**document, tags=tags)
                arn = str(answer["taskDefinition"]["taskDefinitionArn"])
                LOG.info("registered task definition=%s", arn)
                return arn
            except ecs.exceptions.ClientException as error:
                if CONCURRENT not in str(error).lower():
                    raise
            self._sleep(pause)
        raise ProviderUnavailable(THROTTLED, f"others register {document['family']} as well; waiting")
