"""Audit: one JSON line for each write, refusal, impersonation, connection to a pod and upload of a job's file.

The form is audit.k8s.io/v1 at the Metadata level (kubernetes.io/docs/tasks/debug/debug-cluster/audit, v1.36). Never a
body or a credential: of a query only parameters of the API itself are written out.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.rules.time import format_micro_time
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.requests import SEND, STAGE, RequestInfo, User

WRITES = ("create", "update", "patch", "delete", "deletecollection")
CONNECTIONS = ("exec", "attach", "portforward", "proxy")
REFUSALS = (401, 403)
MAX_VALUE = 300  # characters of one value; names are shorter
MAX_URI = 2000  # the command of an exec is in it
EARLY_LINES = 100  # a minute: whoever is let in nowhere shall not push everybody else's lines out of the files
OMITTED = "sparkanywhere.io/omitted"  # annotation: how many lines more there were before this one
NAMES = "sparkanywhere.io/names"  # annotation: what a deletecollection met
MASK = "***"
# Parameters whose values are written out. What a client makes up may be a credential, such as a file's `token`.
_PARAMETERS = """
allowWatchBookmarks command container continue dryRun fieldManager fieldSelector fieldValidation follow force
gracePeriodSeconds labelSelector limit limitBytes offset orphanDependents ports pretty previous propagationPolicy
resourceVersion resourceVersionMatch sendInitialEvents sinceSeconds sinceTime stderr stdin stdout stream tailLines
timeout timeoutSeconds timestamps tty watch
"""
PARAMETERS = frozenset(_PARAMETERS.split())
# The address of the client whose request this thread answers, where a server of ours has the connection.
CLIENT_ADDRESS: ContextVar[str] = ContextVar("CLIENT_ADDRESS", default="")


@dataclass(slots=True)
class Attempt:
    """One request, as far as it has been understood: filled in while it is answered."""

    method: str
    received_at: datetime
    path: str = ""
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    caller: User | None = None
    impersonated: User | None = None
    info: RequestInfo | None = None
    error: StatusError | None = None
    omitted: int = 0  # like this one, since the last that left a line

    def is_logged(self, code: int) -> bool:
        """Return whether the request leaves a line."""
        if code in REFUSALS or self.impersonated is not None:
            return True
        info = self.info
        return info is not None and (
            info.verb in (*WRITES, STAGE, SEND)
            or (info.resource in ("pods", "services") and info.subresource in CONNECTIONS)
        )


class AuditLog:
    """Hands lines to `write`. Safe to call from many threads."""

    def __init__(
        self, write: Callable[[str], None], *, clock: Callable[[], datetime], new_uid: Callable[[], str]
    ) -> None:
        self._write = write
        self._clock = clock
        self._new_uid = new_uid
        self._lock = threading.Lock()
        self._minute: datetime | None = None
        self._early = 0  # refused in that minute before they were asked

    def begin(self, method: str) -> Attempt:
        """Return the record of a request that has just come in."""
        return Attempt(method, self._clock())

    def end_early(self, attempt: Attempt) -> None:
        """Write the line of a request that was refused without a look at it, unless there were many this minute.

        Those that leave none are counted in the next line that there is.
        """
        minute = attempt.received_at.replace(second=0, microsecond=0)
        with self._lock:
            if minute != self._minute:
                attempt.omitted = max(0, self._early - EARLY_LINES)
                self._minute, self._early = minute, 0
            self._early += 1
            is_written = self._early <= EARLY_LINES
        if is_written and attempt.error is not None:
            self.end(attempt, attempt.error.code)

    def end(self, attempt: Attempt, code: int) -> None:
        """Write the line of a request that has been answered, if it is to leave one."""
        if not attempt.is_logged(code):
            return
        event = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "stage": "ResponseComplete",
            "requestURI": _uri(attempt),
            **_described(attempt, code),
            "auditID": self._new_uid(),
            "requestReceivedTimestamp": format_micro_time(attempt.received_at),
            "stageTimestamp": format_micro_time(self._clock()),
        }
        self._write(json.dumps(event, separators=(",", ":")))


def _uri(attempt: Attempt) -> str:
    pairs = [
        f"{quote(name[:MAX_VALUE])}={quote(value) if name in PARAMETERS else MASK}"
        for name, values in attempt.query.items()
        for value in values
    ]
    return (quote(attempt.path) + ("?" + "&".join(pairs) if pairs else ""))[:MAX_URI]


def _described(attempt: Attempt, code: int) -> JSON:
    """Return who asked for what, from where, and what came of it."""
    info, error = attempt.info, attempt.error
    status: JSON = {"metadata": {}, "code": code}
    if error is not None:
        status |= {"status": "Failure", "reason": error.reason}
        if code in REFUSALS:  # other messages may quote what was sent
            status["message"] = error.message
    found: JSON = {
        "verb": info.verb if info and info.is_resource else attempt.method.lower(),
        "user": _user(attempt.caller),
        "impersonatedUser": _user(attempt.impersonated),
        "sourceIPs": [attempt.address] if attempt.address else [],
        "userAgent": attempt.headers.get("user-agent", "")[:MAX_VALUE],
        "objectRef": _object(info) if info else {},
        "responseStatus": status,
    }
    if attempt.omitted:
        found["annotations"] = {OMITTED: str(attempt.omitted)}
    if info and info.notes.get("names"):
        found["annotations"] = {NAMES: info.notes["names"][:MAX_URI]}
    return {key: value for key, value in found.items() if value or key == "user"}


def _user(user: User | None) -> JSON:
    """Return who a user is; nobody has been recognized at a 401."""
    if user is None:
        return {}
    found: JSON = {"username": user.name[:MAX_VALUE], "uid": user.uid, "groups": list(user.groups)}
    found["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {key: value for key, value in found.items() if value}


def _object(info: RequestInfo) -> JSON:
    is_file = info.verb in (STAGE, SEND)
    found = {
        "resource": "stagedfiles" if is_file else info.resource,
        "namespace": info.namespace,
        "name": info.notes.get("name") or info.name,
        "uid": info.notes.get("uid", ""),
        "apiGroup": "sparkanywhere.io" if is_file else info.group,
        "apiVersion": "v1" if is_file else info.version,
        "subresource": info.subresource,
    }
    return {key: value[:MAX_VALUE] for key, value in found.items() if value} if found["resource"] else {}
