"""What comes before a connection's first request: a proxy's word for whose it is, and whether it is TLS.

A proxy says it by one line, version 1 of the PROXY protocol (haproxy.org, doc/proxy-protocol.txt, section 2.1).
"""

from __future__ import annotations

import socket

LONGEST_LINE = 107  # bytes of a line with its end
TLS_HANDSHAKE = b"\x16"  # first byte of a record that begins TLS (RFC 8446, 5.1); no HTTP request begins with it


def announced_client(sock: socket.socket) -> tuple[str, int]:
    """Read a proxy's line and return the client that it names. Raises OSError where it is none, and when time is up."""
    line = b""
    while not line.endswith(b"\r\n"):
        byte = sock.recv(1)  # not one more: what follows is the client's
        line += byte
        if not byte or len(line) > LONGEST_LINE:
            raise OSError("a proxy did not say whose connection it is")
    words = line.decode("ascii", "replace").split()
    if len(words) != 6 or words[0] != "PROXY" or not words[4].isdigit():
        raise OSError("a proxy said in other words whose connection it is")
    return words[2], int(words[4])


def begins_tls(sock: socket.socket) -> bool:
    """Return whether the first byte begins TLS; a client that sends nothing in time speaks plain HTTP, if any."""
    try:
        return sock.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE
    except TimeoutError:
        return False
