"""What keeps a server from starting, in one sentence for the person who typed the command."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.config import SettingsError
from chalicelib.providers.base import ProviderError
from chalicelib.storage.base import StorageError
from sparkanywhere.webserver.server import listen


class CannotStart(Exception):
    """The server can't start; str() is one sentence for the person who typed the command."""


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Turn what keeps a server from starting into CannotStart: a full disk, a store that is no store, and the like."""
    try:
        yield
    except OSError as error:
        file = error.filename2 or error.filename
        what = f"{file} cannot be used" if file else "The server cannot start"
        raise CannotStart(f"{what}: {(error.strerror or str(error)).lower()}.") from error
    except (ProviderError, StorageError, SettingsError, StatusError) as error:
        raise CannotStart(str(error)) from error


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises CannotStart."""
    try:
        return listen(host, port)
    except OverflowError as error:
        raise CannotStart(f"Can't listen on port {port}: ports are 0 to 65535.") from error
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)  # str() of a bind's is long
        raise CannotStart(f"Can't listen on {host} port {port}: {why}; --port gives another.") from error
