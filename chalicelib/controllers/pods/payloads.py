"""TaskPayloads: what a task on a far machine fetches when it starts, and the one-pod token it fetches it with.

Whoever may describe tasks can read the token in RunTask's overrides, so it is good for one fetcher: the first fetch
binds it to the random id that the task's start container sends, and repeats when it tries again. Anybody else is
refused, with an Event that warns; so is everybody once the pod is not Pending any more. A pod that is launched again
has a new token, which takes the place of the one before.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from functools import partial

from chalicelib.apimachinery.accessors import annotations_of, phase_of
from chalicelib.apimachinery.rules.status import (
    StatusError,
    bad_request,
    forbidden,
    not_found,
    unauthorized,
    unavailable,
)
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.references import PodRejected
from chalicelib.controllers.runtime.public_url import PublicUrl
from chalicelib.controllers.runtime.recorder import News, Recorder
from chalicelib.controllers.runtime.tokens import TokenClaims, TokenInvalid, TokenIssuer
from chalicelib.controllers.translation.task import Node, translate
from chalicelib.providers.base import Task
from chalicelib.resources.pods.marks import PAYLOAD_FETCH
from chalicelib.storage.base import KeyNotFound, Storage, guaranteed_update

AUDIENCE = "sparkanywhere-payload"
TOKEN_SECONDS = 3600  # an image of several GB may take minutes to pull before the first container starts
PATH = "/sparkanywhere/v1/tasks/{uid}/payload"
FETCHER_HEADER = "x-sparkanywhere-fetcher"
FETCHER_ID = re.compile(r"[0-9a-f-]{16,64}", re.ASCII)
SECOND_FETCHER = "the token of its task has been used by somebody else, and is good for one fetcher"


class PayloadRequests:
    """Makes the requests with which tasks fetch their payloads, for the provider that starts them."""

    def __init__(self, issuer: TokenIssuer, url: PublicUrl) -> None:
        self._issuer = issuer
        self._url = url

    def __call__(self, task: Task) -> tuple[str, str]:
        """Return the URL and the token with which this task gets its payload."""
        claims = TokenClaims(task.group, "default", pod_name=task.name, pod_uid=task.uid)
        token = self._issuer.issue(claims, seconds=TOKEN_SECONDS, audiences=[AUDIENCE], purpose="payload").token
        return self._url.get() + PATH.format(uid=task.uid), token


class TaskPayloads:
    """Answers those requests."""

    def __init__(
        self, storage: Storage, *, node: Node, issuer: TokenIssuer, render: Callable[[Task], str], recorder: Recorder
    ) -> None:
        self._storage = storage
        self._node = node
        self._issuer = issuer
        self._render = render
        self._recorder = recorder

    def payload(self, uid: str, token: str, fetcher: str) -> str:
        """Return the payload of a pending pod's task. Raises 400, 401, 403 for a second fetcher, 404, 409, 503."""
        try:
            claims = self._issuer.verify(token, AUDIENCE, purpose="payload")
        except TokenInvalid:
            raise unauthorized() from None
        if claims.pod_uid != uid:
            raise unauthorized()
        if not FETCHER_ID.fullmatch(fetcher):
            raise bad_request(f"{FETCHER_HEADER} holds a random id of the fetcher's: 16 to 64 hexadecimal digits")
        try:
            stored = self._storage.get_by_uid(uid)
            pod = guaranteed_update(self._storage, stored.key, partial(_bound, claims, fetcher), known=stored)
        except KeyNotFound:
            raise not_found("pods", claims.pod_name) from None
        except SecondFetcher as second:
            self._recorder.record(second.pod, [News("Warning", "PayloadRefused", SECOND_FETCHER)])
            raise forbidden("pods", claims.pod_name, SECOND_FETCHER) from None
        try:
            task = translate(pod.object(), self._node).task
        except PodRejected as error:
            raise StatusError(409, "Conflict", error.message) from error
        if task is None:
            raise unavailable("something that the pod mounts is not there any more")
        return self._render(task)


class SecondFetcher(Exception):
    """Somebody else has used the token, or a later one, for this pod."""

    def __init__(self, pod: JSON) -> None:
        super().__init__()
        self.pod = pod


def _bound(claims: TokenClaims, fetcher: str, pod: JSON) -> JSON | None:
    """Return the pod with a note of who has fetched its payload, None if it is there. Raises SecondFetcher, 403."""
    metadata = pod["metadata"]
    if metadata["uid"] != claims.pod_uid:
        raise KeyNotFound(claims.pod_uid)
    if phase_of(pod) not in (None, "Pending"):
        raise forbidden("pods", claims.pod_name, "its task has started, and what it needed has been fetched")
    by = hashlib.sha256(fetcher.encode()).hexdigest()
    note = {"token": claims.token_id, "issuedAt": claims.issued_at, "by": by}
    if text := annotations_of(pod).get(PAYLOAD_FETCH):
        before = json.loads(text)
        if before == note:
            return None
        if before["token"] == note["token"] or before["issuedAt"] > note["issuedAt"]:
            raise SecondFetcher(pod)
    annotations = {**annotations_of(pod), PAYLOAD_FETCH: json.dumps(note, separators=(",", ":"))}
    return {**pod, "metadata": {**metadata, "annotations": annotations}}
