"""An IP address of its own for every task, out of 127.0.0.0/8, which is all loopback on Linux.

A UDP socket bound to the address stands guard: the kernel lets one alone have it, across every control
plane of the machine, and frees it when the last process that holds it has gone.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator

from chalicelib import system
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.system import Feature

FALLBACK = "127.0.0.1"  # where the other addresses are not there unless someone adds them
GUARD_PORT = 61_177  # UDP, so that no TCP server is in its way; above the range of ports the kernel hands out
CANDIDATES = 256  # addresses tried before we say that none is free


def candidates(uid: str) -> Iterator[str]:
    """Yield the addresses that a task may have, the same ones in the same order for the same uid.

    127.0.x.y is left out: resolvers and distributions have their own uses for it.
    """
    seed = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big")
    for step in range(CANDIDATES):
        number = (seed + step) % (254 * 256 * 254)
        rest, last = divmod(number, 254)
        second, third = divmod(rest, 256)
        yield f"127.{second + 1}.{third}.{last + 1}"


def claim(uid: str) -> tuple[str, socket.socket | None]:
    """Return a free address and the socket that guards it: None where all tasks share one address.

    Raises ProviderUnavailable if no address is free.
    """
    if not system.has(Feature.LOOPBACK):
        return FALLBACK, None
    for address in candidates(uid):
        guard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            guard.bind((address, GUARD_PORT))
        except OSError:
            guard.close()
        else:
            return address, guard
    message = f"no free loopback address; something else may use UDP port {GUARD_PORT} of them all"
    raise ProviderUnavailable("FailedCreatePodSandBox", message)
