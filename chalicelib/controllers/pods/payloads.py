"""TaskPayloads: what a task on a far machine fetches when it starts, and how it proves that it is that task.

RunTask's overrides can be read by whoever may describe tasks, so they hold nothing that opens anything: a task signs a
request with the credentials of its own role's session, and its provider knows whose session that is: by what was
recorded when the task was started, never by what objects that others may change name by now. Nobody gets the payload of
a pod that is not Pending any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from math import ceil

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, labels_of, phase_of, spec_of
from chalicelib.apimachinery.rules.status import StatusError, forbidden, unauthorized, unavailable
from chalicelib.apimachinery.rules.time import after
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.parked import PARKED_ROLE, ROLE_LABEL, is_parked, is_warm
from chalicelib.controllers.podmodel.record import definition_of, handle_of
from chalicelib.controllers.podmodel.references import PodRejected
from chalicelib.controllers.podmodel.status import deadline
from chalicelib.controllers.pods.store import bound_key
from chalicelib.controllers.runtime.public_url import PublicUrl
from chalicelib.controllers.translation.task import Node, translate
from chalicelib.providers.base import ProviderUnavailable, Task
from chalicelib.providers.extensions import VouchesForTasks
from chalicelib.storage.base import KeyNotFound, Storage
from chalicelib.storage.keys import parse_key

PATH = "/sparkanywhere/v1/tasks/{uid}/payload"
UID = re.compile("[0-9a-f-]{36}")
# How long a task that waits pauses before it asks again. An answer costs $0.000004: at 1 s a quarter of what a task of
# 1 vCPU and 4 GB costs. A driver that runs asks for executors in seconds; of a warm set, the driver is needed first.
EXECUTOR_PAUSE, WARM_DRIVER_PAUSE, WARM_EXECUTOR_PAUSE = 0.5, 1, 2
NOT_THE_TASK = "its files, environment and arguments are for its own task"


class PayloadRequests:
    """Makes the URLs by which tasks fetch their payloads, for the provider that starts them."""

    def __init__(self, url: PublicUrl) -> None:
        self._url = url

    def __call__(self, task: Task) -> str:
        """Return the URL by which this task gets its payload."""
        return self._url.get() + PATH.format(uid=task.uid)


class TaskPayloads:
    """Answers those requests. `identify` returns the ARN of who has signed a proof; ValueError for no good one."""

    def __init__(
        self,
        storage: Storage,
        *,
        node: Node,
        provider: VouchesForTasks,
        identify: Callable[[str], str],
        render: Callable[[Task], str],
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._node = node
        self._provider = provider
        self._identify = identify
        self._render = render
        self._clock = clock

    def wait(self, uid: str) -> str:
        """Tell a task that was started early: `wait SECONDS PAUSE`, `go` and fetch its payload, or `end`.

        It waits for so many seconds at most, and asks again after each pause.

        Asked for without a proof, which does no harm: of every other uid it says `end`, and nothing is changed. May be
        repeated.
        """
        if not UID.fullmatch(uid):
            return "end"
        own = self._stored(uid)
        pod = own or self._stored(self._bound_to(uid))
        if not is_parked(pod):
            return "go" if pod and not own else "end"
        now = self._clock()
        # without a start its launch has yet to be written
        end = deadline(pod) or after(now, float(spec_of(pod).get("activeDeadlineSeconds") or 0))
        left = ceil((end - now).total_seconds())
        if left <= 0 or is_deleting(pod) or is_terminal(pod):
            return "end"
        is_executor = labels_of(pod).get(ROLE_LABEL) == PARKED_ROLE
        warm = WARM_EXECUTOR_PAUSE if is_executor else WARM_DRIVER_PAUSE
        return f"wait {left} {warm if is_warm(pod) else EXECUTOR_PAUSE}"

    def _bound_to(self, task_uid: str) -> str:
        """Return the uid of the pod that a task started early was bound to, "" for none."""
        try:
            return str(self._storage.get(bound_key(task_uid)).object()["pod"])
        except KeyNotFound:
            return ""

    def payload(self, uid: str, proof: str) -> str:
        """Return the payload of a pending pod's task; may be repeated. Raises 401, 403, 409, 503.

        Whoever is not the task gets 403 for every uid, so that nobody learns which pods there are.
        """
        try:
            arn = self._identify(proof)
        except ValueError:
            raise unauthorized() from None
        pod = self._pod(uid)
        recorded = {"handle": handle_of(pod), "definition": definition_of(pod)}
        try:
            is_its_own = self._provider.is_caller(arn, uid, **recorded)
        except ProviderUnavailable as error:
            raise unavailable(error.message) from error
        if not pod or not is_its_own or phase_of(pod) not in (None, "Pending"):
            raise forbidden("pods", uid, NOT_THE_TASK)
        try:
            task = translate(pod, self._node).task
        except PodRejected as error:
            raise StatusError(409, "Conflict", error.message) from error
        if task is None:
            raise unavailable("something that the pod mounts is not there any more")
        return self._render(task)

    def _pod(self, uid: str) -> JSON:
        """Return the pod whose task was started under that uid, {} if there is none: while parked it is nobody's."""
        pod = self._stored(uid) or self._stored(self._bound_to(uid))
        return {} if is_parked(pod) else pod

    def _stored(self, uid: str) -> JSON:
        try:
            stored = self._storage.get_by_uid(uid)
        except KeyNotFound:
            return {}
        return stored.object() if parse_key(stored.key)[0] == "pods" else {}
