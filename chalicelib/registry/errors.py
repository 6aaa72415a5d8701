"""Storage errors to StatusErrors, at this one spot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.apimachinery.rules.status import StatusError, already_exists, conflict, expired, not_found, unavailable
from chalicelib.registry.strategy import Strategy
from chalicelib.storage.base import (
    KeyExists,
    KeyNotFound,
    ObjectTooLarge,
    RevisionConflict,
    RevisionExpired,
    StorageUnavailable,
)
from chalicelib.storage.keys import parse_key


@contextmanager
def translated(strategy: Strategy, name: str) -> Iterator[None]:
    """Raise, for a storage error inside, the StatusError that a client understands.

    `name` is the object's as the request has it; one that is generated is known by the key that exists.
    """
    resource, group = strategy.resource, strategy.group
    try:
        yield
    except KeyNotFound as error:
        raise not_found(resource, name, group=group) from error
    except KeyExists as error:
        raise already_exists(resource, name or parse_key(str(error))[2], group=group) from error
    except RevisionConflict as error:
        raise conflict(resource, name, group=group) from error
    except RevisionExpired as error:
        raise expired(f"too old resource version: {error.revision} ({error.oldest})") from error
    except ObjectTooLarge as error:
        message = f"etcdserver: request is too large: {error.size_bytes} bytes, the limit is {error.limit_bytes}"
        raise StatusError(413, "RequestEntityTooLarge", message) from error
    except StorageUnavailable as error:
        raise store_unavailable(error) from error


def store_unavailable(error: StorageUnavailable) -> StatusError:
    """Return the 503 for a store that did not take an operation; the client may repeat its request."""
    return unavailable(f"the object store is not available: {error}")
