"""The services container's name server: from the table, and for all other names from the engine's resolver.

Runs by the standard library of Python 3.8 or newer, see program. DNS: RFC 1035.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Ask = Callable[[bytes], Awaitable[bytes]]  # a query to its answer

DNS_PORT = 53
ZONE = "cluster.local"
TTL_SECONDS = 5
UDP_BYTES = 512  # of an answer, where a query names no size; a longer one is asked for again over TCP
CUT_SHORT = 0x0200
OPTION_RECORD = 41  # of EDNS (RFC 6891), whose class is the size that the client takes
UPSTREAM_SECONDS = 4.0
TYPE_A, TYPE_ANY, CLASS_IN = 1, 255, 1
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3


class Names:
    """Whole names with their addresses, and names that stand for another name."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.canonical: dict[str, str] = {}


async def answer(query: bytes, known: Names, upstream: Ask) -> bytes:
    """Return the answer to a query: from the table, or from the resolver of the engine."""
    name, end = question(query)
    kind, class_ = struct.unpack_from("!HH", query, end - 4)
    if class_ != CLASS_IN or not (name in known.names or name in known.canonical or is_below(name)):
        try:
            return await upstream(query)
        except (OSError, asyncio.TimeoutError):  # noqa: UP041
            return reply(query, end, SERVER_FAILURE, [])
    if name not in known.names and name not in known.canonical:
        return reply(query, end, NO_SUCH_NAME, [])
    addresses = known.names.get(name, [])
    if name in known.canonical and kind in (TYPE_A, TYPE_ANY):
        addresses = await resolved(known.canonical[name], known)
    return reply(query, end, NO_ERROR, addresses if kind in (TYPE_A, TYPE_ANY) else [])


def question(query: bytes) -> tuple[str, int]:
    """Return the name that is asked for, in lower case, and where the question ends. Raises ValueError."""
    labels, at = [], 12
    while at < len(query) and query[at]:
        length = query[at]
        if length > 63:
            raise ValueError("a compressed name in a question")
        labels.append(query[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    if at + 5 > len(query):
        raise ValueError("no whole question")
    return ".".join(labels).lower(), at + 5


def udp_bytes(query: bytes, end: int) -> int:
    """Return how long an answer by UDP may be."""
    if len(query) >= end + 5:
        root, kind, size = struct.unpack_from("!BHH", query, end)
        if (root, kind) == (0, OPTION_RECORD):
            return max(UDP_BYTES, int(size))
    return UDP_BYTES


def is_below(name: str) -> bool:
    """Return whether a name belongs to the zone that is ours alone."""
    return name == ZONE or name.endswith("." + ZONE)


async def resolved(target: str, known: Names) -> list[str]:
    """Return the addresses of another name, none where it has none."""
    if target in known.names:
        return known.names[target]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(target, None, family=socket.AF_INET)
    except OSError:
        return []
    return sorted({str(each[4][0]) for each in found})


def reply(query: bytes, end: int, code: int, addresses: list[str]) -> bytes:
    """Return an authoritative answer with these addresses, in an order of chance."""
    flags = 0x8400 | (struct.unpack_from("!H", query, 2)[0] & 0x0100) | 0x0080 | code
    records = b"".join(
        struct.pack("!HHHIH", 0xC00C, TYPE_A, CLASS_IN, TTL_SECONDS, 4) + socket.inet_aton(each)
        for each in random.sample(addresses, len(addresses))
    )
    return query[:2] + struct.pack("!HHHHH", flags, 1, len(addresses), 0, 0) + query[12:end] + records


class Datagrams(asyncio.DatagramProtocol):
    """DNS over UDP."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._tasks: set[Any] = set()

    def connection_made(self, transport: Any) -> None:
        """Keep what answers are sent by."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer one query."""
        task = asyncio.ensure_future(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: Any) -> None:
        with contextlib.suppress(ValueError, struct.error):
            found = await self._ask(data)
            _, end = question(data)
            if len(found) > udp_bytes(data, end):  # its question alone, marked as cut short
                flags = struct.unpack_from("!H", found, 2)[0] | CUT_SHORT
                found = found[:2] + struct.pack("!HHHHH", flags, 1, 0, 0, 0) + data[12:end]
            self._transport.sendto(found, addr)


async def serve_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: Ask) -> None:
    """Answer the queries of one TCP connection."""
    with contextlib.suppress(OSError, ValueError, struct.error, asyncio.IncompleteReadError):
        while True:
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            found = await ask(await reader.readexactly(size))
            writer.write(struct.pack("!H", len(found)) + found)
            await writer.drain()
    writer.close()


class _Reply(asyncio.DatagramProtocol):
    def __init__(self, got: asyncio.Future[bytes]) -> None:
        self._got = got

    def datagram_received(self, data: bytes, addr: Any) -> None:
        del addr
        if not self._got.done():
            self._got.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._got.done():
            self._got.set_exception(exc)


async def ask_upstream(server: str, query: bytes) -> bytes:
    """Return the answer of another name server, by TCP if it is a long one. Raises OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    got: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Reply(got), remote_addr=(server, DNS_PORT))
    try:
        transport.sendto(query)
        found = await asyncio.wait_for(got, UPSTREAM_SECONDS)
    finally:
        transport.close()
    if not found[2] & CUT_SHORT >> 8:
        return found
    reader, writer = await asyncio.wait_for(asyncio.open_connection(server, DNS_PORT), UPSTREAM_SECONDS)
    try:
        writer.write(struct.pack("!H", len(query)) + query)
        (size,) = struct.unpack("!H", await asyncio.wait_for(reader.readexactly(2), UPSTREAM_SECONDS))
        return await asyncio.wait_for(reader.readexactly(size), UPSTREAM_SECONDS)
    finally:
        writer.close()


def name_server() -> str:
    """Return the name server that the container itself was given."""
    for line in Path("/etc/resolv.conf").read_text().splitlines():
        if line.startswith("nameserver "):
            return line.split()[1]
    return "127.0.0.11"
