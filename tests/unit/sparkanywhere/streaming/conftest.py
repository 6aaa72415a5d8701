"""A connection in memory: the server's wire, and a client's WebSocket on the other end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sparkanywhere.webserver.limits import DEFAULT_LIMITS
from sparkanywhere.webserver.wire import Wire
from tests.unit.sparkanywhere.streaming.ws_client import WsClient


@dataclass(frozen=True)
class Line:
    """Both ends."""

    wire: Wire
    client: WsClient


@pytest.fixture
def line() -> Iterator[Line]:
    """A fresh connection."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(20)
    wire = Wire(ours, DEFAULT_LIMITS)
    with theirs:
        yield Line(wire, WsClient(theirs))
    wire.close()
