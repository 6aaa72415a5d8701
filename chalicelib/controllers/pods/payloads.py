"""TaskPayloads: what a task on a far machine fetches when it starts, and the one-pod token it fetches it with.

The token is good while its pod is Pending: once the task runs, what describes it (RunTask's overrides, which hold
the token) opens nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.apimachinery.accessors import phase_of
from chalicelib.apimachinery.rules.status import StatusError, forbidden, not_found, unauthorized, unavailable
from chalicelib.controllers.podmodel.references import PodRejected
from chalicelib.controllers.runtime.public_url import PublicUrl
from chalicelib.controllers.runtime.tokens import TokenClaims, TokenInvalid, TokenIssuer
from chalicelib.controllers.translation.task import Node, translate
from chalicelib.providers.base import Task
from chalicelib.storage.base import KeyNotFound, Storage

AUDIENCE = "sparkanywhere-payload"
TOKEN_SECONDS = 3600  # an image of several GB may take minutes to pull before the first container starts
PATH = "/sparkanywhere/v1/tasks/{uid}/payload"


class PayloadRequests:
    """Makes the requests with which tasks fetch their payloads, for the provider that starts them."""

    def __init__(self, issuer: TokenIssuer, url: PublicUrl) -> None:
        self._issuer = issuer
        self._url = url

    def __call__(self, task: Task) -> tuple[str, str]:
        """Return the URL and the token with which this task gets its payload."""
        claims = TokenClaims(task.group, "default", pod_name=task.name, pod_uid=task.uid)
        token = self._issuer.issue(
            claims, seconds=TOKEN_SECONDS, audiences=[AUDIENCE], purpose="payload"
        ).token
        return self._url.get() + PATH.format(uid=task.uid), token


class TaskPayloads:
    """Answers those requests."""

    def __init__(
        self, storage: Storage, *, node: Node, issuer: TokenIssuer, render: Callable[[Task], str]
    ) -> None:
        self._storage = storage
        self._node = node
        self._issuer = issuer
        self._render = render

    def payload(self, uid: str, token: str) -> str:
        """Return the payload of a pending pod's task. Raises 401, 403 once it runs, 404, 503."""
        try:
            claims = self._issuer.verify(token, AUDIENCE, purpose="payload")
        except TokenInvalid:
            raise unauthorized() from None
        if claims.pod_uid != uid:
            raise unauthorized()
        try:
            pod = self._storage.get_by_uid(uid).object()
        except KeyNotFound:
            raise not_found("pods", claims.pod_name) from None
        if phase_of(pod) not in (None, "Pending"):
            raise forbidden(
                "pods", claims.pod_name, "its task has started, and what it needed has been fetched"
            )
        try:
            task = translate(pod, self._node).task
        except PodRejected as error:
            raise StatusError(409, "Conflict", error.message) from error
        if task is None:
            raise unavailable("something that the pod mounts is not there any more")
        return self._render(task)
