"""The Provider for ECS Fargate. News of tasks come by EventBridge (endpoints/app), not from here.

RunTask errs in both directions: `failures` may come with a task that starts all the same, so tasks of the
same startedBy are looked for before anything is tried again; and a task that was started may die before it runs,
which its events tell.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.aws_client import aws_client
from chalicelib.providers.base import (
    THROTTLED,
    Capacity,
    LogOptions,
    Observer,
    ProviderUnavailable,
    RefusedError,
    Task,
    TaskNotFound,
    TaskRejected,
    TaskState,
)
from chalicelib.providers.declaration import PayloadSource
from chalicelib.providers.extensions import Quota
from chalicelib.providers.fargate import clients, definitions, identity
from chalicelib.providers.fargate.capacity import NO_CAPACITY, rungs
from chalicelib.providers.fargate.cluster_tasks import ClusterTasks
from chalicelib.providers.fargate.definitions import Launch, unhonoured
from chalicelib.providers.fargate.logs import read_log
from chalicelib.providers.fargate.quotas import AccountQuotas
from chalicelib.providers.fargate.site import DeploymentConfig
from chalicelib.providers.fargate.states import OURS, task_state
from chalicelib.providers.fargate.subnets import subnet_choices
from chalicelib.providers.fargate.task_definitions import TaskDefinitions
from chalicelib.providers.fargate.token_bucket import TokenBucket

LOG = logging.getLogger(__name__)

# Calls of RunTask that Fargate takes of an account, in a burst too. Of tasks it takes 100 at once and 20 a second, but
# with one task a call the calls come first. Amazon ECS Developer Guide, "AWS Fargate throttling quotas" (2026-11).
RUNS_PER_SECOND, RUN_BURST = 20.0, 20.0
RUN_WAIT_SECONDS = 3.0  # longer than that a request must not wait for its turn; resync comes again
PLACES = 100  # more than there are to try one after the other
TASK_ID = re.compile("[0-9a-f]{32}", re.ASCII)  # the last part of a task's ARN
NOT_FOUND = "was not found"  # StopTask's InvalidParameterException says it of a task, and others of a parameter
TURN_SECONDS = 60  # for so long, processes that try anew at once do so under the same clientToken


class TokenSpent(Exception):
    """The clientToken was used by a request that has started no task."""


class FargateProvider:
    """Runs tasks in one cluster. Safe to call from many threads and Lambdas at once."""

    name = "fargate"

    def __init__(
        self,
        site: DeploymentConfig,
        *,
        payloads: PayloadSource,
        client: Callable[[str, str], Any] = aws_client,
        sleep: Callable[[float], None] = time.sleep,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self._site = site
        self._payloads, self._client = payloads, client
        self._sleep, self._seconds = sleep, seconds
        self._clients: dict[str, Any] = {}  # by service, made at first use
        self._making = threading.Lock()
        self._definitions = TaskDefinitions(site.name, lambda: self._service("ecs"), sleep=sleep, seconds=seconds)
        self._tasks = ClusterTasks(site, lambda: self._service("ecs"))
        self._bucket = TokenBucket(RUNS_PER_SECOND, RUN_BURST)
        self._quotas = AccountQuotas(lambda: self._service("service-quotas"), seconds)

    def run(self, task: Task) -> TaskState:
        """Start the task in the cluster, or find it started before."""
        return self._run(task, waits=False)

    def reserve(self, task: Task) -> TaskState:
        """Start a task that asks what it is for until it is told; see BindsLate."""
        return self._run(task, waits=True)

    def shape(self, task: Task) -> str:
        """Return definition, security group, subnets and capacity; see BindsLate."""
        return definitions.shape(task, self._site)

    def bind(self, handle: str, task: Task) -> TaskState:
        """Return what ECS says of a task that waits; see BindsLate."""
        told, untold = self._tasks.describe([handle])
        if untold:
            raise ProviderUnavailable("Unavailable", untold[handle])
        if not told or told[0].get("desiredStatus") == "STOPPED":
            raise TaskNotFound(handle)
        state = replace(task_state(told[0]), uid=task.uid)
        if state.definition.rpartition(":")[0] != definitions.definition(task, self._site)["family"]:
            raise TaskNotFound(f"{handle} was started from {state.definition}, with another role or shape")
        return state

    def _run(self, task: Task, *, waits: bool) -> TaskState:
        document = definitions.definition(task, self._site)
        try:
            arn = self._definitions.arn(document)
            seconds = self._bucket.take()
            if seconds > RUN_WAIT_SECONDS:
                self._bucket.give_back()
                raise ProviderUnavailable(THROTTLED, "more tasks asked for than ECS starts in a second; waiting")
            if seconds:
                self._sleep(seconds)
            return self._on_some_rung(task, Launch(arn, self._payloads(task), waits=waits))
        except ProviderUnavailable as error:
            if error.reason == clients.INACTIVE:
                self._definitions.forget(document["family"])
            raise
        except TaskRejected:
            raise
        except Exception as error:  # boto3's errors have no common base of ours
            raise clients.translated(error) from error

    def _on_some_rung(self, task: Task, launch: Launch) -> TaskState:
        """Start the task on the first capacity that has room for it, in its own zone and then in any.

        All under one clientToken: whichever of them ECS has started is found by it (_started). Where failures have
        spent that one, each has one of its own.
        """
        zones = (False, True) if len(subnet_choices(task, self._site.subnets)) > 1 else (False,)
        places = [(each, zone) for each in rungs(task) for zone in zones]
        tries = [
            replace(launch, capacity_provider=each, spreads=zone, place=place)
            for place, (each, zone) in enumerate(places)
        ]
        for each in tries[:-1]:
            try:
                return self._in_turn(task, each)
            except ProviderUnavailable as error:
                if error.reason not in NO_CAPACITY:
                    raise
        return self._in_turn(task, tries[-1])

    def tidy(self) -> None:
        """Delete task definitions that were registered long ago; see Tidies."""
        self._definitions.drop_old()

    def _in_turn(self, task: Task, launch: Launch) -> TaskState:
        """Start the task, under another clientToken where the first is spent. Raises provider errors."""
        try:
            try:
                return self._started(task, launch)
            except TokenSpent:
                return self._started(
                    task, replace(launch, turn=int(self._seconds() // TURN_SECONDS) * PLACES + launch.place)
                )
        except (ProviderUnavailable, TaskRejected):
            raise
        except Exception as error:  # boto3's errors have no common base of ours
            raise clients.translated(error) from error

    def _started(self, task: Task, launch: Launch) -> TaskState:
        """Return the state of a task that runs by now. Raises TokenSpent where its clientToken brings none."""
        ecs = self._service("ecs")
        try:
            answer = ecs.run_task(**definitions.run_task(task, self._site, launch))
        except ecs.exceptions.ConflictException as error:
            # The same clientToken with another definition or place: it runs already, or was answered by failures.
            arns = error.response.get("resourceIds") or []
            known = self.describe(arns) if arns else []
            state = known[0] if known else self._find(task.uid)
            if state is None and not arns and not launch.turn:
                raise TokenSpent(task.uid) from error
            if state is None:
                message = f"ECS knows a task for {task.uid} but does not show it yet"
                raise ProviderUnavailable("Unavailable", message) from error
            return state
        if answer.get("tasks"):
            return task_state(answer["tasks"][0])
        found = self._find(task.uid)
        if found is not None:
            return found
        raise clients.failure(answer.get("failures") or [])

    def _find(self, uid: str) -> TaskState | None:
        arns = self._service("ecs").list_tasks(cluster=self._site.cluster, startedBy=uid).get("taskArns") or []
        states = self.describe(arns) if arns else []
        return next((state for state in states if state.phase != "stopped"), states[0] if states else None)

    @property
    def audience(self) -> str:
        """Return for whom tasks sign; see VouchesForTasks."""
        return identity.audience(self._site.name)

    def is_caller(self, arn: str, uid: str, *, handle: str, definition: str) -> bool:
        """Return whether an AWS identity is that of the task's containers; see VouchesForTasks.

        Of tasks that run what is not stored is asked of ECS, by the id that the session is named after; for nobody of
        another account.
        """
        task_id = arn.rpartition("/")[2]
        if (
            not arn.startswith(self._site.sessions)
            or not TASK_ID.fullmatch(task_id)
            or handle.rpartition("/")[2] not in ("", task_id)
        ):
            return False
        if not handle or not definition:
            known = next(iter(self.describe([handle or self._site.task_arn(task_id)])), None)
            if known is None or known.uid != uid or known.phase == "stopped":
                return False
            definition = known.definition
        try:
            role = self._definitions.role(definition)
        except RefusedError as error:
            raise ProviderUnavailable("Unavailable", error.message) from error
        return self._site.gives(role) and arn == identity.session(role, task_id)

    def stop(self, handle: str, *, grace_seconds: float, reason: str = "") -> None:
        """Ask ECS to stop the task. Its definition's stopTimeout counts, whatever grace is asked for."""
        del grace_seconds
        ecs = self._service("ecs")
        try:
            ecs.stop_task(cluster=self._site.cluster, task=handle, reason=f"{OURS}{reason or 'Deleted'}"[:255])
        except ecs.exceptions.InvalidParameterException as error:
            if NOT_FOUND not in str(error):
                raise ProviderUnavailable("Unavailable", str(error)) from error
            raise TaskNotFound(handle) from error
        except ecs.exceptions.ClusterNotFoundException as error:
            if self._site.runs(handle):
                raise TaskNotFound(handle) from error
            raise ProviderUnavailable("ClusterNotFound", str(error)) from error
        except Exception as error:
            raise ProviderUnavailable("Unavailable", str(clients.translated(error))) from error

    def remove(self, handle: str) -> None:
        """Stop the task if it runs; ECS itself forgets it an hour later, CloudWatch keeps its log."""
        try:
            self.stop(handle, grace_seconds=0, reason="Removed")
        except TaskNotFound:
            return

    def describe(self, handles: Sequence[str]) -> list[TaskState]:
        """Return the states of the tasks that ECS still knows."""
        return self._tasks.states(handles)

    def list_tasks(self, known: Collection[str] = ()) -> list[TaskState]:
        """Return this deployment's tasks that run or are about to, but for the known."""
        return self._tasks.running(known)

    def logs(self, handle: str, container: str, options: LogOptions) -> Iterator[bytes]:
        """Yield a container's log from CloudWatch; it arrives there some seconds late."""

        def has_ended() -> bool:
            states = self.describe([handle])
            return not states or states[0].phase == "stopped"

        stream = self._log_stream(handle, container)
        return read_log(self._service("logs"), self._site.log_group, stream, options, has_ended)

    def _log_stream(self, handle: str, container: str) -> str:
        return f"{self._site.name}/{container}/{handle.rsplit('/', 1)[-1]}"

    def log_place(self, handle: str, container: str) -> str:
        """Name the log group and the stream in CloudWatch; see RemembersLogs."""
        return f"CloudWatch, log group {self._site.log_group}, stream {self._log_stream(handle, container)}"

    def warnings(self, task: Task) -> list[str]:
        """Name what Fargate rounds up or leaves out. Raises TaskRejected for its size, and for a role not to be had."""
        self._site.role_of(task)
        return unhonoured(task)

    def capacities(self) -> list[Capacity]:
        """Return both architectures, without a known end."""
        return [Capacity("amd64"), Capacity("arm64")]

    def quotas(self) -> Sequence[Quota]:
        """Return what the account may run at once, as it was within the last hour."""
        return self._quotas.get()

    def prepare(self) -> None:
        """Make the client of ECS; see Prepares."""
        self._service("ecs")

    def start(self, observe: Observer) -> None:
        """Do nothing: news come from EventBridge."""

    def close(self) -> None:
        """Do nothing: there are no threads."""

    def _service(self, name: str) -> Any:  # Any: a boto3 client
        with self._making:
            if name not in self._clients:
                self._clients[name] = self._client(name, self._site.region)
            return self._clients[name]
