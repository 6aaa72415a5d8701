"""A container's log, with a kubelet's words where there is none."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import status_of
from chalicelib.apimachinery.rules.status import bad_request, not_found, unavailable
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.base import LogOptions, Provider, ProviderUnavailable, TaskNotFound


def read(
    provider: Provider, pod: JSON, handle: str, *, container: str, options: LogOptions
) -> Iterator[bytes]:
    """Yield the log in pieces. Raises StatusError before the first: 400 not started, 404 forgotten, 503."""
    name = pod["metadata"]["name"]
    if not handle:
        why = _waiting_reason(pod, container)
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')
    try:
        pieces = provider.logs(handle, container, options)
        first = next(pieces, b"")
    except TaskNotFound as error:
        raise not_found("pods", name) from error
    except ProviderUnavailable as error:
        raise unavailable(f"{error.reason}: {error.message}") from error
    return _chained(first, pieces)


def _waiting_reason(pod: JSON, container: str) -> str:
    status = status_of(pod)
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if each.get("name") == container:
            return str(((each.get("state") or {}).get("waiting") or {}).get("reason") or "ContainerCreating")
    return "ContainerCreating"


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
