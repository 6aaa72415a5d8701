"""StatusError: every failure a client may see, as the Status a real API server writes.

Reference: Kubernetes API conventions, "Response Status Kind" (v1.36); wording copied from
k8s.io/apimachinery/pkg/api/errors.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.apimachinery.types import JSON


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of details.causes: what is wrong (`reason`), in words, and at which field path."""

    reason: str
    message: str
    field: str = ""

    def to_dict(self) -> JSON:
        """Return the cause as it stands in a Status, empty parts left out."""
        parts = {"reason": self.reason, "message": self.message, "field": self.field}
        return {key: value for key, value in parts.items() if value}


class StatusError(Exception):
    """A Kubernetes Status, raised by any layer and written out by endpoints alone."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: JSON | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after_seconds = retry_after_seconds
        self.list_metadata: JSON = {}  # a fresh continue token, say

    def to_dict(self) -> JSON:
        """Return the Status object (kind Status, apiVersion v1) for the response body."""
        status: JSON = {"kind": "Status", "apiVersion": "v1", "metadata": dict(self.list_metadata), "status": "Failure"}
        if self.message:
            status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        details = dict(self.details or {})
        if self.retry_after_seconds is not None:
            details["retryAfterSeconds"] = self.retry_after_seconds
        if details or self.details is not None:
            status["details"] = details
        status["code"] = self.code
        return status


def qualified(resource: str, group: str = "") -> str:
    """Return the resource as messages name it: `pods`, `leases.coordination.k8s.io`."""
    return f"{resource}.{group}" if group else resource


def _details(kind: str, name: str, group: str = "") -> JSON:
    parts = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in parts.items() if value}


def not_found(resource: str, name: str, *, group: str = "") -> StatusError:
    """Return 404 NotFound: `pods "a" not found`."""
    message = f'{qualified(resource, group)} "{name}" not found'
    return StatusError(404, "NotFound", message, details=_details(resource, name, group))


def unknown_path() -> StatusError:
    """Return the 404 that a known group gives for a resource it does not have."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", details={})


def already_exists(resource: str, name: str, *, group: str = "") -> StatusError:
    """Return 409 AlreadyExists: `pods "a" already exists`."""
    message = f'{qualified(resource, group)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, details=_details(resource, name, group))


MODIFIED_MESSAGE = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: str, name: str, why: str = MODIFIED_MESSAGE, *, group: str = "") -> StatusError:
    """Return 409 Conflict: `Operation cannot be fulfilled on pods "a": <why>`."""
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}'
    return StatusError(409, "Conflict", message, details=_details(resource, name, group))


def invalid(kind: str, name: str, causes: list[Cause], *, group: str = "") -> StatusError:
    """Return 422 Invalid with one cause per field: `Pod "a" is invalid: spec.x: Required value`.

    Each cause's message is the text after the field path, as in field.Error.
    """
    texts = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    unique = list(dict.fromkeys(texts))
    summary = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
    details = _details(kind, name, group)
    if causes:
        details["causes"] = [cause.to_dict() for cause in causes]
    message = f'{qualified(kind, group)} "{name}" is invalid: {summary}'
    return StatusError(422, "Invalid", message, details=details)


def bad_request(message: str) -> StatusError:
    """Return 400 BadRequest with `message` as it stands."""
    return StatusError(400, "BadRequest", message)


def forbidden(resource: str, name: str, why: str, *, group: str = "") -> StatusError:
    """Return 403 Forbidden: `pods "a" is forbidden: <why>` (no name: `pods is forbidden: <why>`)."""
    what = f'{qualified(resource, group)} "{name}"' if name else qualified(resource, group)
    return StatusError(403, "Forbidden", f"{what} is forbidden: {why}", details=_details(resource, name, group))


def unauthorized() -> StatusError:
    """Return 401 Unauthorized."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> StatusError:
    """Return 410 Expired, for a resourceVersion or continue token that history no longer covers."""
    return StatusError(410, "Expired", message)


def method_not_allowed() -> StatusError:
    """Return 405 MethodNotAllowed."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, details={})


def too_large(limit_bytes: int) -> StatusError:
    """Return 413 RequestEntityTooLarge."""
    message = f"Request entity too large: limit is {limit_bytes}"
    return StatusError(413, "RequestEntityTooLarge", message)


def answer_too_large(limit_bytes: int) -> StatusError:
    """Return 413 RequestEntityTooLarge for a list that no answer can hold."""
    message = f"the list is larger than the {limit_bytes} bytes that one answer may have here: ask with a limit"
    return StatusError(413, "RequestEntityTooLarge", message)


def unsupported_media_type(accepted: list[str]) -> StatusError:
    """Return 415 UnsupportedMediaType naming what is accepted."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return StatusError(415, "UnsupportedMediaType", message)


def not_acceptable(message: str) -> StatusError:
    """Return 406 NotAcceptable."""
    return StatusError(406, "NotAcceptable", message)


def timeout(message: str, *, details: JSON | None = None, retry_after_seconds: int = 1) -> StatusError:
    """Return 504 Timeout, which clients may repeat."""
    return StatusError(504, "Timeout", f"Timeout: {message}", details=details, retry_after_seconds=retry_after_seconds)


def too_many_requests(message: str, retry_after_seconds: int = 1) -> StatusError:
    """Return 429 TooManyRequests."""
    return StatusError(429, "TooManyRequests", message, details={}, retry_after_seconds=retry_after_seconds)


def unavailable(message: str, retry_after_seconds: int = 1) -> StatusError:
    """Return 503 ServiceUnavailable: nothing was changed, repeat later."""
    return StatusError(503, "ServiceUnavailable", message, details={}, retry_after_seconds=retry_after_seconds)


def internal_error(message: str) -> StatusError:
    """Return 500 InternalError; `message` never carries internals."""
    details = {"causes": [{"message": message}]}
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", details=details)
