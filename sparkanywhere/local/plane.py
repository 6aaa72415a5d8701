"""What a local server needs of its control plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.apimachinery.rules.status import StatusError


class Plane(Protocol):
    """What the server needs of the control plane."""

    @property
    def listen_addresses(self) -> Sequence[str]:
        """Return further IP addresses of this machine to listen on, at the same port, so that pods reach us."""
        ...

    def stranger(self, method: str, path: str, headers: dict[str, str], *, address: str) -> StatusError | None:
        """Return the refusal of a caller who is nobody that it knows, None for others; headers in lower case."""
        ...

    def forbidden(self, method: str, path: str, headers: dict[str, str], *, address: str, why: str) -> None:
        """Take note of a request that was refused with 403 before it was asked; headers in lower case."""
        ...

    @property
    def api_addresses(self) -> Sequence[str]:
        """Return further hosts at which clients and pods know the API: to be proven ours, not to listen on."""
        ...

    @property
    def proxy_addresses(self) -> Sequence[str]:
        """Return the IP addresses from which pods' connections come through a proxy, which says whose they are."""
        ...

    def start(self) -> None:
        """Begin background work."""
        ...

    def close(self) -> None:
        """End background work."""
        ...
