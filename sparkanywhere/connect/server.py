"""What a gateway has behind it, and what it asks of it: names that need no gRPC, which is an extra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sparkanywhere.client.failure import Failure


class TokenRefused(Failure):
    """A client's token is not good; str() says why and what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a Connect server answers, and the token that it asks for, "" for none."""

    address: str  # host:port
    token: str


class Servers(Protocol):
    """Whatever finds or starts the server; its calls may block."""

    def ensure(self) -> Server:
        """Return the server, started if there is none. Raises Failure. Repeatable: called again if it went away."""
