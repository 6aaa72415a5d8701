"""The program of the services container: DNS for the tasks' network, and TCP forwarding for addresses of services.

Runs by the Python of an image (3.8 or newer) and its standard library alone, as root of a container with
NET_ADMIN: each address of a service is made one of the container's own, so that the network finds it there.
It reads its table from a file, again whenever that has changed, and needs nobody else: names and
connections go on while the control plane is away.
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

from .names import DNS_PORT, Datagrams, Names, answer, ask_upstream, name_server, serve_stream

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_SECONDS = 0.1  # between two looks at the table's file
CONNECT_SECONDS = 5.0
PIECE_BYTES = 65536
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


class Services(Names):
    """What the table says, put into effect."""

    def __init__(self, own_machine: str, claim: Callable[[str, bool], None]) -> None:
        super().__init__()
        self._claim = claim
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
