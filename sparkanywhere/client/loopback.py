"""Which hosts are this machine alone, and what answers there."""

from __future__ import annotations

import ipaddress
import socket

PROBE_SECONDS = 1.0  # an address of this machine answers at once, another one never


def is_loopback(host: str) -> bool:
    """Return whether a name or address reaches nothing but the machine that uses it (RFC 6761, 6.3)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def answers(address: str, port: int) -> bool:
    """Return whether something listens there."""
    try:
        socket.create_connection((address, port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True
