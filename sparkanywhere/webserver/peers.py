"""Which user of this machine holds the other end of a connection, by Linux's socket diagnostics.

Source: sock_diag(7), man-pages 6.16; `struct inet_diag_req_v2` and `struct inet_diag_msg` of linux/inet_diag.h. Other
systems do not tell, and neither does a kernel without CONFIG_INET_DIAG.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct

from chalicelib import system
from chalicelib.system import Feature

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_ID = struct.Struct("!HH16s16sIII")  # ports and addresses, then interface and cookie
_END = 36  # of its ports and addresses
_MAPPED = b"\0" * 10 + b"\xff\xff"  # by which a socket of IPv6 has an address of IPv4, as all of Java's
_ANY_INTERFACE, _NO_COOKIE = 0, 0xFFFFFFFF
_ANSWER = struct.Struct("=IHHII4x48s12xII")  # header of netlink, family and timers, the id, two queues, uid, inode
_SECONDS = 1.0  # the kernel answers at once


def peer_uid(sock: socket.socket) -> int | None:
    """Return the user id of the process that holds the other end, None where it is not on this machine or has closed.

    A closed end belongs to nobody: the kernel would call it root's. Raises OSError where the kernel cannot be asked
    now, without file descriptors.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not system.has(Feature.PEERS):
        return None
    try:
        here, there = sock.getsockname(), sock.getpeername()
        addresses = [socket.inet_pton(sock.family, each[0]) for each in (there, here)]
        wanted, mapped = (
            _ID.pack(there[1], here[1], *each, _ANY_INTERFACE, _NO_COOKIE, _NO_COOKIE)
            for each in (addresses, [_MAPPED + each for each in addresses])
        )
        body = struct.pack("=BBBxI", sock.family, socket.IPPROTO_TCP, 0, 0) + wanted
        head = struct.pack("=IHHII", 16 + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
            netlink.settimeout(_SECONDS)
            netlink.send(head + body)
            answer = netlink.recv(4096)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            raise
        return None
    if len(answer) < _ANSWER.size:
        return None
    _, kind, _, _, _, found, uid, inode = _ANSWER.unpack_from(answer)
    is_it = kind == _SOCK_DIAG_BY_FAMILY and found[:_END] in (wanted[:_END], mapped[:_END])
    return int(uid) if is_it and inode else None  # without a file nobody holds it


def knows_peers() -> bool:
    """Return whether this system says whose connections are, tried on a connection to ourselves."""
    with (
        contextlib.suppress(OSError),
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), timeout=_SECONDS),
        listener.accept()[0] as accepted,
    ):
        return peer_uid(accepted) is not None
    return False
