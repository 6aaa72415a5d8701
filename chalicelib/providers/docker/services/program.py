"""The program of the services container: DNS for the tasks' network, and TCP forwarding for addresses of services.

Runs by the Python of an image (3.8 or newer) and its standard library alone, as root of a container with
NET_ADMIN: each address of a service is made one of the container's own, so that the network finds it there.
It reads its table from a file, again whenever that has changed, and needs nobody else: names and
connections go on while the control plane is away. DNS: RFC 1035.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Ask = Callable[[bytes], Awaitable[bytes]]  # a query to its answer

LOOK_SECONDS = 0.1  # between two looks at the table's file
DNS_PORT = 53
ZONE = "cluster.local"
TTL_SECONDS = 5
UDP_BYTES = 512  # of an answer, where a query names no size; a longer one is asked for again over TCP
CUT_SHORT = 0x0200
OPTION_RECORD = 41  # of EDNS (RFC 6891), whose class is the size that the client takes
UPSTREAM_SECONDS = 4.0
CONNECT_SECONDS = 5.0
PIECE_BYTES = 65536
TYPE_A, TYPE_ANY, CLASS_IN = 1, 255, 1
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a client learns by a reset that nobody answered

# of rtnetlink(7): a route of type local, on the loopback device, makes an address the container's own
RTM_NEWROUTE, RTM_DELROUTE = 24, 25
NLM_REQUEST, NLM_ACK, NLM_CREATE = 0x1, 0x4, 0x400
TABLE_LOCAL, PROTOCOL_STATIC, SCOPE_HOST, TYPE_LOCAL = 255, 4, 254, 2
RTA_DST, RTA_OIF = 1, 4


def claim(address: str, present: bool) -> None:
    """Make an address the container's own, or no longer. Repeatable."""
    kind, flags = (RTM_NEWROUTE, NLM_REQUEST | NLM_ACK | NLM_CREATE) if present else (RTM_DELROUTE, NLM_REQUEST)
    route = struct.pack("BBBBBBBBI", socket.AF_INET, 32, 0, 0, TABLE_LOCAL, PROTOCOL_STATIC, SCOPE_HOST, TYPE_LOCAL, 0)
    body = route + struct.pack("HH4s", 8, RTA_DST, socket.inet_aton(address))
    body += struct.pack("HHi", 8, RTA_OIF, socket.if_nametoindex("lo"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        if present:
            netlink.recv(PIECE_BYTES)


class Forwarder:
    """One address and port, and the connections that go through it."""

    def __init__(self) -> None:
        self.backends: list[tuple[str, int]] = []
        self.sticky = self.announces = False
        self.server: asyncio.AbstractServer | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a client's connection with one to a backend, the next one where one does not answer."""
        client = writer.get_extra_info("peername")[0]
        order = list(self.backends)
        random.Random(client if self.sticky else None).shuffle(order)
        for address, port in order:
            try:
                opening = asyncio.open_connection(address, port, limit=PIECE_BYTES)
                to_reader, to_writer = await asyncio.wait_for(opening, CONNECT_SECONDS)
            except (OSError, asyncio.TimeoutError):  # noqa: UP041 (another class before 3.11)
                continue
            if self.announces:
                to_writer.write(announcement(writer.get_extra_info("peername"), to_writer.get_extra_info("peername")))
            for each in (writer, to_writer):
                each.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))
            to_writer.close()
            writer.close()
            return
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()


def announcement(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    """Return the line by which a server is told whose a connection is: version 1 of the PROXY protocol."""
    return f"PROXY TCP4 {client[0]} {server[0]} {client[1]} {server[1]}\r\n".encode()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of input, and hand that end on; a broken connection ends the other side, too."""
    try:
        while True:
            piece = await reader.read(PIECE_BYTES)
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
    except (OSError, RuntimeError):
        writer.transport.abort()


class Services:
    """What the table says, put into effect."""

    def __init__(self, own_machine: str, claim: Callable[[str, bool], None]) -> None:
        self._claim = claim
        self.names: dict[str, list[str]] = {}
        self.canonical: dict[str, str] = {}
        self._own_machine = own_machine
        self._revision = -1
        self._addresses: set[str] = set()
        self._forwarders: dict[tuple[str, int], Forwarder] = {}

    async def apply(self, table: Any) -> None:  # Any: JSON, written by our own provider
        """Take a table over, unless it is older than the one before. Connections that are open go on."""
        if table["revision"] < self._revision:
            return
        self._revision = table["revision"]
        self.names = {name: list(addresses) for name, addresses in table["names"]}
        self.canonical = dict(table["canonical"])
        wanted = {(each["address"], each["port"]): each for each in table["forwards"] if each["backends"]}
        before = self._addresses
        self._addresses = {each["address"] for each in table["forwards"]}  # without a backend a connection is refused
        for address in self._addresses - before:
            self._claim(address, True)
        for key in [key for key in self._forwarders if key not in wanted]:
            server = self._forwarders.pop(key).server
            if server is not None:
                server.close()
        for key, each in wanted.items():
            forwarder = self._forwarders.setdefault(key, Forwarder())
            forwarder.backends = [(self._reached(address), port) for address, port in each["backends"]]
            forwarder.sticky, forwarder.announces = each["sticky"], each["announces"]
            if forwarder.server is None:
                forwarder.server = await asyncio.start_server(forwarder.serve, *key, limit=PIECE_BYTES)
        for address in before - self._addresses:
            self._claim(address, False)

    def _reached(self, address: str) -> str:
        return self._own_machine if address.startswith("127.") or address in ("::1", "localhost") else address

    async def follow(self, file: Path) -> None:
        """Apply the table in a file, and each one that takes its place."""
        seen: object = None
        while True:
            with contextlib.suppress(FileNotFoundError, ValueError):  # half-written: the next look finds the rest
                stat = file.stat()
                # an archive sets the time of modification, and the inode may be the one of the file before
                now = (stat.st_ctime_ns, stat.st_ino, stat.st_size)
                if now != seen:
                    await self.apply(json.loads(file.read_text()))
                    seen = now
            await asyncio.sleep(LOOK_SECONDS)


async def answer(query: bytes, services: Services, upstream: Ask) -> bytes:
    """Return the answer to a query: from the table, or from the resolver of the engine."""
    name, end = question(query)
    kind, class_ = struct.unpack_from("!HH", query, end - 4)
    if class_ != CLASS_IN or not (name in services.names or name in services.canonical or is_below(name)):
        try:
            return await upstream(query)
        except (OSError, asyncio.TimeoutError):  # noqa: UP041
            return reply(query, end, SERVER_FAILURE, [])
    if name not in services.names and name not in services.canonical:
        return reply(query, end, NO_SUCH_NAME, [])
    addresses = services.names.get(name, [])
    if name in services.canonical and kind in (TYPE_A, TYPE_ANY):
        addresses = await resolved(services.canonical[name], services)
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


async def resolved(target: str, services: Services) -> list[str]:
    """Return the addresses of another name, none where it has none."""
    if target in services.names:
        return services.names[target]
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


async def main(file: Path, address: str, own_machine: str) -> None:
    """Serve until the container is stopped: names at `address` alone, since a service may have that port too."""
    services, server = Services(own_machine, claim), name_server()

    async def ask(query: bytes) -> bytes:
        return await answer(query, services, lambda again: ask_upstream(server, again))

    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Datagrams(ask), local_addr=(address, DNS_PORT))
    streams = await asyncio.start_server(lambda reader, writer: serve_stream(reader, writer, ask), address, DNS_PORT)
    async with streams:
        await services.follow(file)


if __name__ == "__main__":
    os.umask(0o077)
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
