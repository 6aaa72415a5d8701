"""The Provider for ECS Fargate. News of tasks come by EventBridge (endpoints/events), not from here.

RunTask errs in both directions: `failures` may come with a task that starts all the same, so tasks of the
same startedBy are looked for before anything is tried again; and a task that was started may die before it runs,
which its events tell.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from chalicelib.providers.base import (
    Capacity,
    LogOptions,
    Observer,
    ProviderUnavailable,
    Task,
    TaskNotFound,
    TaskRejected,
    TaskState,
)
from chalicelib.providers.ecs import definitions, failures
from chalicelib.providers.ecs.definitions import Document, Launch, Site
from chalicelib.providers.ecs.logs import read_log
from chalicelib.providers.ecs.states import task_state

LOG = logging.getLogger(__name__)

DESCRIBE_AT_ONCE = 100  # DescribeTasks takes no more
RUNS_PER_SECOND, RUN_BURST = 20.0, 20.0  # RunTask on Fargate: 20 calls a second (ECS throttling quotas)
RUN_WAIT_SECONDS = 3.0  # longer than that a request must not wait for its turn; resync comes again
CONNECT_SECONDS, READ_SECONDS = 3, 7  # one call; the API must answer well inside Spark's ten seconds

PayloadSource = Callable[[Task], tuple[str, str]]  # (URL, token)


class TokenBucket:
    """So many calls a second, with a burst. Safe to call from many threads."""

    def __init__(self, rate: float, burst: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._tokens = rate, burst, burst
        self._monotonic = monotonic
        self._at = monotonic()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take a token; return how many seconds to wait before using it."""
        with self._lock:
            now = self._monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
            self._tokens -= 1
            return max(0.0, -self._tokens / self._rate)

    def give_back(self) -> None:
        """Return a token that was not used."""
        with self._lock:
            self._tokens += 1


def boto3_client(service: str, region: str) -> Any:  # Any: boto3 makes its clients at run time
    """Return a boto3 client whose calls end soon enough to answer a request."""
    import boto3  # lazy: Lambda's cold start pays for it only where tasks are run
    from botocore.config import Config

    limits = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "max_attempts": 2},
    )
    make: Any = boto3.client  # its stubs know services by literal names only
    return make(service, region_name=region, config=limits)


class EcsProvider:
    """Runs tasks in one cluster. Safe to call from many threads and Lambdas at once."""

    name = "fargate"

    def __init__(
        self,
        site: Site,
        *,
        payloads: PayloadSource,
        client: Callable[[str, str], Any] = boto3_client,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._site = site
        self._payloads = payloads
        self._client = client
        self._sleep = sleep
        self._clients: dict[str, Any] = {}  # by service, made at first use
        self._registered: dict[str, str] = {}  # ARN by family
        self._making = threading.Lock()  # boto3 makes clients in one thread only; a shape is registered once
        self._bucket = TokenBucket(RUNS_PER_SECOND, RUN_BURST)

    def run(self, task: Task) -> TaskState:
        """Start the task in the cluster, or find it started before."""
        document = definitions.definition(task, self._site)
        try:
            arn = self._definition_arn(document)
            return self._run(task, arn)
        except (ProviderUnavailable, TaskRejected):
            raise
        except Exception as error:  # boto3's errors have no common base of ours
            raise failures.translated(error) from error

    def _run(self, task: Task, arn: str) -> TaskState:
        self._wait_for_turn()
        url, token = self._payloads(task)
        launch = Launch(arn, url, token, capacity_provider=definitions.capacity_provider(task))
        ecs = self._service("ecs")
        try:
            answer = ecs.run_task(**definitions.run_task(task, self._site, launch))
        except ecs.exceptions.ConflictException as error:
            # The same clientToken with another payload token: it runs already.
            return self._started_before(task.uid, error.response.get("resourceIds") or [])
        if answer.get("tasks"):
            return task_state(answer["tasks"][0])
        found = self._find(task.uid)
        if found is not None:
            return found
        raise failures.failure(answer.get("failures") or [])

    def _started_before(self, uid: str, arns: Sequence[str]) -> TaskState:
        found = self.describe(arns) if arns else []
        state = found[0] if found else self._find(uid)
        if state is None:
            raise ProviderUnavailable("Unavailable", f"ECS knows a task for {uid} but does not show it yet")
        return state

    def _find(self, uid: str) -> TaskState | None:
        arns = (
            self._service("ecs").list_tasks(cluster=self._site.cluster, startedBy=uid).get("taskArns") or []
        )
        states = self.describe(arns) if arns else []
        return next((state for state in states if state.phase != "stopped"), states[0] if states else None)

    def _wait_for_turn(self) -> None:
        seconds = self._bucket.take()
        if seconds > RUN_WAIT_SECONDS:
            self._bucket.give_back()
            raise ProviderUnavailable(
                "Throttled", "more tasks asked for than ECS starts in a second; waiting"
            )
        if seconds:
            self._sleep(seconds)

    def _definition_arn(self, document: Document) -> str:
        family = document["family"]
        ecs = self._service("ecs")
        with self._making:
            if family not in self._registered:
                self._registered[family] = self._found_definition(ecs, family) or self._register(
                    ecs, document
                )
            return self._registered[family]

    def _found_definition(self, ecs: Any, family: str) -> str:  # Any: a boto3 client
        try:
            found = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
        except ecs.exceptions.ClientException:
            return ""
        return str(found["taskDefinitionArn"]) if found.get("status", "ACTIVE") == "ACTIVE" else ""

    def _register(self, ecs: Any, document: Document) -> str:  # Any: a boto3 client
        tags = [{"key": "sparkanywhere:deployment", "value": self._site.name}]
        answer = ecs.register_task_definition(**document, tags=tags)
        arn = str(answer["taskDefinition"]["taskDefinitionArn"])
        LOG.info("registered task definition=%s", arn)
        return arn

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """Ask ECS to stop the task. Its definition's stopTimeout counts, whatever grace is asked for."""
        del grace_seconds
        ecs = self._service("ecs")
        try:
            ecs.stop_task(cluster=self._site.cluster, task=handle, reason=(reason or "Deleted")[:255])
        except ecs.exceptions.InvalidParameterException as error:
            raise TaskNotFound(handle) from error
        except ecs.exceptions.ClusterNotFoundException as error:
            if self._is_of_our_cluster(handle):
                raise TaskNotFound(handle) from error
            raise failures.translated(error) from error
        except Exception as error:
            raise ProviderUnavailable("Unavailable", str(failures.translated(error))) from error

    def remove(self, handle: str) -> None:
        """Stop the task if it runs; ECS itself forgets it an hour later, CloudWatch keeps its log."""
        try:
            self.stop(handle, grace_seconds=0, reason="Removed")
        except TaskNotFound:
            return

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of the tasks that ECS still knows."""
        return [task_state(raw) for raw in self._describe(handles)]

    def _describe(self, handles: Sequence[str], *, tags: bool = False) -> Iterator[dict[str, Any]]:
        for start in range(0, len(handles), DESCRIBE_AT_ONCE):
            some = list(handles[start : start + DESCRIBE_AT_ONCE])
            include = ["TAGS"] if tags else []
            ecs = self._service("ecs")
            try:
                answer = ecs.describe_tasks(cluster=self._site.cluster, tasks=some, include=include)
            except ecs.exceptions.ClusterNotFoundException as error:
                if all(map(self._is_of_our_cluster, some)):
                    continue  # nobody knows them any more
                raise failures.translated(error) from error
            except Exception as error:
                raise ProviderUnavailable("Unavailable", str(failures.translated(error))) from error
            yield from answer.get("tasks") or []

    def _is_of_our_cluster(self, handle: str) -> bool:
        """Tell whether a task ends with our cluster: ECS deletes none while tasks run in it.

        Of another cluster's task nothing is known: then it is our settings that are wrong.
        """
        return f":{self._site.region}:" in handle and f":task/{self._site.cluster}/" in handle

    def list_tasks(self) -> list[TaskState]:
        """Return this deployment's tasks that run or are about to. Of ended ones there is nothing to clean up.

        ECS shows those for an hour, and asking it to forget them would cost a call for each, each minute.
        """
        arns: list[str] = []
        try:
            pages = self._service("ecs").get_paginator("list_tasks")
            for page in pages.paginate(cluster=self._site.cluster, desiredStatus="RUNNING"):
                arns += page.get("taskArns") or []
        except Exception as error:
            raise ProviderUnavailable("Unavailable", str(failures.translated(error))) from error
        return [task_state(raw) for raw in self._describe(arns, tags=True) if self._is_ours(raw)]

    def _is_ours(self, raw: dict[str, Any]) -> bool:
        """Tell by the tag, or by the group once ECS has dropped the tags of a stopped task."""
        tags = {each.get("key"): each.get("value") for each in raw.get("tags") or ()}
        own = tags.get("sparkanywhere:deployment") == self._site.name
        return own or str(raw.get("group") or "").startswith(f"{self._site.name}:")

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield a container's log from CloudWatch; it arrives there some seconds late."""
        task_id = handle.rsplit("/", 1)[-1]
        stream = f"{self._site.name}/{container}/{task_id}"
        return read_log(self._service("logs"), self._site.log_group, stream, options, self._has_ended(handle))

    def _has_ended(self, handle: str) -> Callable[[], bool]:
        def has_ended() -> bool:
            states = self.describe([handle])
            return not states or states[0].phase == "stopped"

        return has_ended

    def warnings(self, task: Task) -> list[str]:
        """Name what Fargate rounds up or leaves out."""
        size = definitions.size_of(task)
        said = []
        if (size.cpu_units * 1000 // 1024, size.memory_mib) != (task.cpu_milli, task.memory_mib):
            said.append(
                f"rounded up to {size.cpu_units / 1024:g} vCPU and {size.memory_mib}Mi, the next size that Fargate has"
            )
        if any(each.gpus for each in task.containers):
            said.append("GPUs are not to be had on Fargate")
        if any(each.stop_command for each in task.containers):
            said.append("preStop hooks do not run on Fargate: containers get SIGTERM at once")
        if any(each.kind == "named" for each in task.volumes):
            said.append("persistent volume claims are scratch space on Fargate, gone with the pod")
        return said

    def capacities(self) -> list[Capacity]:
        """Return both architectures, without a known end."""
        return [Capacity("amd64"), Capacity("arm64")]

    def start(self, observe: Observer) -> None:
        """Do nothing: news come from EventBridge."""

    def close(self) -> None:
        """Do nothing: there are no threads."""

    def _service(self, name: str) -> Any:  # Any: a boto3 client
        with self._making:
            if name not in self._clients:
                self._clients[name] = self._client(name, self._site.region)
            return self._clients[name]
