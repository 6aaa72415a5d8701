"""The services container's program, outside of a container: names that it answers, connections that it forwards."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from chalicelib.providers.docker.services import names, program
from chalicelib.providers.docker.services.container import for_control_plane
from chalicelib.providers.service_table import Forward, ServiceTable

A, AAAA = 1, 28
NAME = "web.ns.svc.cluster.local"
EMPTY: Any = {"revision": 1, "names": [], "canonical": [], "forwards": []}


def query(name: str, kind: int = A, more: bytes = b"") -> bytes:
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return (
        struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 1 if more else 0)
        + labels
        + struct.pack("!BHH", 0, kind, 1)
        + more
    )


def read(answer: bytes) -> tuple[int, set[str]]:
    """Return the code and the addresses of an answer."""
    ident, flags, questions, count, _, _ = struct.unpack_from("!HHHHHH", answer)
    assert (ident, questions, flags & 0x8000) == (4711, 1, 0x8000)
    ends = [len(answer) - 16 * each for each in range(count)]
    return flags & 0x000F, {str(IPv4Address(answer[end - 4 : end])) for end in ends}


def services(**tables: Any) -> program.Services:  # Any: parts of a table
    made = program.Services("127.0.0.1", lambda *_: None)
    asyncio.run(made.apply(EMPTY | tables))
    return made


def ask(known: program.Services, name: str, kind: int = A) -> tuple[int, set[str]]:
    async def upstream(asked: bytes) -> bytes:
        return names.reply(asked, names.question(asked)[1], 0, ["192.0.2.99"])

    return read(asyncio.run(names.answer(query(name, kind), known, upstream)))


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        (NAME, A, (0, {"10.0.0.1", "10.0.0.2"})),
        (NAME.upper(), A, (0, {"10.0.0.1", "10.0.0.2"})),
        (NAME, AAAA, (0, set())),
        ("empty.ns.svc.cluster.local", A, (0, set())),
        ("absent.ns.svc.cluster.local", A, (3, set())),
        ("alias.ns.svc.cluster.local", A, (0, {"10.0.0.1", "10.0.0.2"})),
        ("outside.ns.svc.cluster.local", A, (0, {"127.0.0.1"})),
        ("www.example.com", A, (0, {"192.0.2.99"})),
        ("mycluster.local", A, (0, {"192.0.2.99"})),
    ],
)
def test_names(name: str, kind: int, expected: tuple[int, set[str]]) -> None:
    known = services(
        names=[[NAME, ["10.0.0.1", "10.0.0.2"]], ["empty.ns.svc.cluster.local", []]],
        canonical=[["alias.ns.svc.cluster.local", NAME], ["outside.ns.svc.cluster.local", "localhost"]],
    )

    assert ask(known, name, kind) == expected


def test_a_resolver_that_does_not_answer_is_a_failure_to_repeat() -> None:
    async def silent(_: bytes) -> bytes:
        raise TimeoutError

    assert read(asyncio.run(names.answer(query("example.com"), services(), silent))) == (2, set())


@pytest.mark.parametrize("text", [b"", bytes(11), query(NAME)[:-2], query(NAME)[:12] + b"\xc0\x0c\0\1\0\1"])
def test_what_is_no_query_is_not_answered(text: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        asyncio.run(names.answer(text, services(), names.answer))  # type: ignore[arg-type]  # is not asked


@pytest.mark.parametrize(("more", "size"), [(b"", 512), (struct.pack("!BHHIH", 0, 41, 1232, 0, 0), 1232)])
def test_an_answer_may_be_as_long_as_the_client_takes(more: bytes, size: int) -> None:
    asked = query(NAME, more=more)

    assert names.udp_bytes(asked, names.question(asked)[1]) == size


def test_an_older_table_changes_nothing() -> None:
    known = services(revision=5, names=[[NAME, ["10.0.0.1"]]])

    asyncio.run(known.apply(EMPTY | {"revision": 4}))

    assert ask(known, NAME) == (0, {"10.0.0.1"})


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20.0))


def forwards(port: int, *backends: int, sticky: bool = False) -> Any:
    ends = [["127.0.0.1", each] for each in backends]
    return EMPTY | {
        "forwards": [{"address": "127.0.0.1", "port": port, "backends": ends, "sticky": sticky, "announces": False}]
    }


@asynccontextmanager
async def serving(table: Any) -> AsyncIterator[program.Services]:
    known = program.Services("127.0.0.1", lambda *_: None)
    await known.apply(table)
    try:
        yield known
    finally:
        await known.apply(EMPTY | {"revision": 99})


async def greeter(name: bytes, clients: list[object] | None = None) -> tuple[asyncio.AbstractServer, int]:
    """Serve on a free port: what comes is answered, once it has ended, with the name before it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if clients is not None:
            clients.append(writer)
        writer.write(name + await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, int(server.sockets[0].getsockname()[1])


async def said(port: int, words: bytes = b"?") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(words)
    writer.write_eof()
    found = await reader.read()
    writer.close()
    return found


def test_connections_are_forwarded_whole_also_past_a_backend_that_is_gone() -> None:
    async def work() -> None:
        server, behind = await greeter(b"a")
        port, words = free_port(), b"x" * 3_000_000
        async with server, serving(forwards(port, free_port(), behind)):
            for _ in range(5):
                assert await said(port, words) == b"a" + words

    run(work())


def test_a_connection_that_is_open_outlives_a_change() -> None:
    async def work() -> None:
        clients: list[object] = []
        (first, one), (second, two), port = await greeter(b"a", clients), await greeter(b"b"), free_port()
        async with first, second, serving(forwards(port, one)) as known:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"1")
            while not clients:
                await asyncio.sleep(0.01)

            await known.apply(forwards(port, two) | {"revision": 2})

            assert await said(port) == b"b?"
            writer.write(b"2")
            writer.write_eof()
            assert await reader.read() == b"a12"
            writer.close()

    run(work())


def test_nobody_behind_is_a_refused_connection() -> None:
    async def work() -> None:
        server, behind = await greeter(b"a")
        port = free_port()
        async with server, serving(forwards(port, behind)) as known:
            await known.apply(forwards(port) | {"revision": 2})
            with pytest.raises(ConnectionRefusedError):
                await said(port)
            await known.apply(forwards(port, free_port()) | {"revision": 3})
            with pytest.raises(ConnectionResetError):
                await said(port)

    run(work())


def test_a_client_stays_with_its_backend_where_asked_for() -> None:
    async def work() -> None:
        made, port = [await greeter(bytes([each])) for each in range(5)], free_port()
        async with serving(forwards(port, *(each for _, each in made), sticky=True)):
            found = {await said(port) for _ in range(20)}
        for server, _ in made:
            server.close()
        assert len(found) == 1

    run(work())


def test_addresses_are_claimed_and_given_up() -> None:
    told: list[tuple[str, bool]] = []
    known = program.Services("127.0.0.1", lambda address, present: told.append((address, present)))
    one = {"address": "10.9.9.9", "port": 1, "backends": [], "sticky": False}

    for table in (EMPTY, EMPTY | {"forwards": [one, one | {"port": 2}]}, EMPTY):
        asyncio.run(known.apply(table))

    assert told == [("10.9.9.9", True), ("10.9.9.9", False)]


def test_a_table_is_taken_over_from_its_file_also_one_that_was_half_written(tmp_path: Path) -> None:
    async def work() -> None:
        file, known = tmp_path / "table.json", program.Services("127.0.0.1", lambda *_: None)
        following = asyncio.ensure_future(known.follow(file))
        for last in (2, 3):  # as long as the one before and, by an archive, as old
            whole = json.dumps(EMPTY | {"names": [[NAME, [f"10.0.0.{last}"]]]})
            for text in (whole[:-5], whole):
                file.write_text(text)
                os.utime(file, (0, 0))
                await asyncio.sleep(2 * program.LOOK_SECONDS)
            while known.names != {NAME: [f"10.0.0.{last}"]}:
                await asyncio.sleep(0.01)
        following.cancel()

    run(work())


def test_the_control_plane_has_its_own_port_too_and_is_told_whose_connections_are() -> None:
    api, other = Forward("10.0.8.1", 443, (("10.0.0.1", 8001),)), Forward("10.0.8.2", 80, (("10.0.0.9", 8080),))

    found = for_control_plane(ServiceTable(1, forwards=(api, other)), "10.0.8.1", announces=True)

    ports = [Forward("10.0.8.1", port, api.backends, announces=True) for port in (443, 8001)]
    assert found.forwards == (*ports, other)


def test_a_server_is_told_whose_a_connection_is() -> None:
    async def work() -> None:
        server, behind = await greeter(b"a")
        port = free_port()
        table = forwards(port, behind)
        table["forwards"][0]["announces"] = True
        async with server, serving(table):
            line, _, rest = (await said(port, b"?")).partition(b"\r\n")
        words = line.split()
        assert (words[:4], words[5], rest) == (
            [b"aPROXY", b"TCP4", b"127.0.0.1", b"127.0.0.1"],
            str(behind).encode(),
            b"?",
        )

    run(work())
