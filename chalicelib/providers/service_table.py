"""What a provider is told of services: the names by which tasks find one another, and addresses that lead to them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Forward:
    """TCP connections to `port` of `address` go to one of `backends`, each an address and a port.

    `sticky`: those of one client to the same one, as long as it is there. A backend on loopback is the control
    plane's own machine. With `announces` a connection begins with the PROXY protocol's line (version 1).
    """

    address: str
    port: int
    backends: tuple[tuple[str, int], ...]
    sticky: bool = False
    announces: bool = False


@dataclass(frozen=True, slots=True)
class ServiceTable:
    """Every service of a control plane as of `revision`, which grows: an older table changes nothing.

    `names` are whole DNS names in lower case with the addresses they stand for; `canonical` are names that stand
    for another name, which may lie outside.
    """

    revision: int
    names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    canonical: tuple[tuple[str, str], ...] = ()
    forwards: tuple[Forward, ...] = ()


class Services(Protocol):
    """How tasks find services by their names. Thread-safe."""

    @property
    def network(self) -> IPv4Network | None:
        """Return the network that services have their addresses from; None: a name leads to the tasks behind it."""

    @property
    def proxy_addresses(self) -> tuple[str, ...]:
        """Return from where connections that are forwarded to the control plane come.

        Each begins with a line that says whose it is: version 1 of the PROXY protocol.
        """

    def problem(self) -> str:
        """Return why tasks that start now find no services, "" where they do. May change while the provider runs."""

    def publish(self, table: ServiceTable) -> None:
        """Have tasks, those that run too, see the table, within a second. Repeatable. Raises ProviderUnavailable."""


@runtime_checkable
class HasServices(Protocol):
    """A provider whose tasks find services by their names."""

    @property
    def services(self) -> Services:
        """Return what serves them: always the same."""
