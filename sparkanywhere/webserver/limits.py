"""Every number of the web server, with its unit and reason."""

from __future__ import annotations

import sys
from dataclasses import dataclass

MIB = 1024 * 1024


def stack_bytes(version: tuple[int, int]) -> int:
    """Return the stack size for a connection's thread under this Python version; 0 keeps the system's.

    One MiB stays below the 2 MiB from which Linux may back a whole stack with one huge page, so a waiting
    watch costs tens of KiB. Python 3.12 and 3.13 allow 10,000 nested C calls whatever the stack: a deeply
    nested JSON body would overrun one MiB there, so they keep the system's (8 MiB as a rule).
    """
    return 0 if (3, 12) <= version < (3, 14) else MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a client may ask of the server. Times in seconds."""

    backlog: int = 4096  # connects that wait for accept; Linux cuts it to net.core.somaxconn
    connections: int = 4000  # threads; about 40 KiB each while they wait
    # Of one address. A user may hold 2,000 watches, and beside him others shall find room.
    client_connections: int = 2500
    neighbour_connections: int = 250  # of one user of this machine besides ours and root, from all of its addresses
    stranger_connections: int = 64  # of all who are refused whatever they ask: they take no room from others
    head_bytes: int = 64 * 1024  # request line and headers; tokens of 4 KiB and long selectors fit well
    header_count: int = 100
    body_bytes: int = 4 * MIB  # the app itself refuses beyond 3 MiB; this only bounds what is read
    stranger_body_bytes: int = 64 * 1024  # read before the app is asked whether it knows the caller; uncounted, too
    # Of longer bodies and answers that are in memory at once, half of it for one address. A list of 10,000 pods,
    # which a client may read slowly, is some 60 MiB.
    transfer_bytes: int = 512 * MIB
    # OkHttp and Vert.x drop a pooled connection after 5 minutes at the latest. Ours must live longer:
    # closed by us just as a POST leaves, it would fail that POST.
    idle_seconds: float = 330.0  # between two requests
    head_seconds: float = 20.0  # until the first byte of the first request, and from there to the end of any headers
    body_seconds: float = 60.0
    write_seconds: float = 60.0  # one answer; a list of 10,000 pods is some 60 MiB
    stream_write_seconds: float = 3600.0  # one piece of a stream: `kubectl logs -f | less` may sit for long
    handshake_seconds: float = 10.0  # TLS
    linger_seconds: float = 2.0  # after a refusal: read on, or the reset would swallow our answer
    linger_bytes: int = 32 * MIB
    stack_bytes: int = stack_bytes(sys.version_info[:2])


DEFAULT_LIMITS = Limits()
