"""`chalice local` where things go wrong: a full disk, a crash under load, two servers on one store."""

from __future__ import annotations

import contextlib
import json
import random
import resource
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.local_server import CHALICE, LocalServer, chalice_local
from tests.functional.web_client import Reply, WebClient, connected
from tests.waiting import until

NONE = ("--provider", "none", "--port", "0")
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
ROOM_BYTES = 300_000  # that the files may still grow by when the disk is nearly full
LARGE_BYTES = 100_000
WRITERS = 4


def post(client: WebClient, name: str, *, size: int = 10) -> Reply:
    """Create a ConfigMap."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": "x" * size}}
    return client.get(CONFIGMAPS, method="POST", body=json.dumps(body).encode())


def names(client: WebClient) -> set[str]:
    """Return the names of all ConfigMaps."""
    return {item["metadata"]["name"] for item in client.get(CONFIGMAPS).json()["items"]}


def store_of(server: LocalServer) -> Path:
    """Return the server's SQLite file."""
    return server.kubeconfig.parent / "objects.sqlite"


def check_integrity(path: Path) -> None:
    """Let SQLite check the file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@contextlib.contextmanager
def nearly_full_disk(server: LocalServer) -> Iterator[None]:
    """Let the server's files grow by ROOM_BYTES and no more, which it meets as it would a full disk."""
    largest = max(path.stat().st_size for path in store_of(server).parent.glob("objects.sqlite*"))
    limit = (largest + ROOM_BYTES, resource.RLIM_INFINITY)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limit)
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, UNLIMITED)


def test_a_full_disk_refuses_writes_and_loses_nothing(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE) as server:
        server.wait_until_ready()
        with connected(server.port) as client:
            assert post(client, "before").status == 201
            with nearly_full_disk(server):
                replies = {f"large-{n}": post(client, f"large-{n}", size=LARGE_BYTES) for n in range(10)}
                seen_when_full = names(client)
            after = post(client, "after", size=LARGE_BYTES)
            seen = names(client)
        assert server.end() == 0

    refused = {name: reply for name, reply in replies.items() if reply.status != 201}
    assert refused
    for reply in refused.values():
        status = reply.json()
        assert (reply.status, status["kind"], status["reason"]) == (503, "Status", "ServiceUnavailable")
        assert int(reply.headers["retry-after"]) > 0
        assert str(store_of(server)) in status["message"]
    assert after.status == 201
    assert not seen_when_full & set(refused)
    assert {"before", "after", *(set(replies) - set(refused))} <= seen
    assert not seen & set(refused)
    check_integrity(store_of(server))


def _a_folder(path: Path) -> None:
    path.mkdir()


def _a_text(path: Path) -> None:
    path.write_text("no database at all" * 1000)


def _anothers(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE objects (x)")


def _a_newer_one(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("file", "make", "words"),
    [
        ("objects.sqlite", _a_folder, "objects.sqlite cannot be used: [Errno 21] Is a directory"),
        ("objects.sqlite", _a_text, "objects.sqlite is not a SQLite database"),
        ("objects.sqlite", _anothers, "objects.sqlite is another program's database"),
        ("objects.sqlite", _a_newer_one, "objects.sqlite was written by a newer release"),
        ("lock", _a_folder, "lock cannot be used: is a directory"),
        ("kubeconfig", _a_folder, "kubeconfig cannot be used: is a directory"),
        ("token", _a_folder, "token cannot be used: is a directory"),
        ("tls", _a_text, "tls"),
        ("pods", _a_text, "pods"),
    ],
)
def test_what_keeps_a_server_from_starting_is_one_sentence(
    tmp_path: Path, file: str, make: Callable[[Path], None], words: str
) -> None:
    state = tmp_path / "sparkanywhere" / "default"
    state.mkdir(parents=True)
    make(state / file)

    with chalice_local(tmp_path, "--provider", "process", "--port", "0", "--tls") as server:
        code = server.wait()

    assert (code, len(server.lines)) == (1, 1), server.output
    assert words in server.output


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ("0", "tls/ca.key cannot be used: file too large"),
        ("8", "objects.sqlite cannot be read or written: the disk may be failing or full"),
    ],
)
def test_a_start_on_a_full_disk_is_one_sentence(tmp_path: Path, blocks: str, words: str) -> None:
    """Files that may not grow beyond so many blocks of 512 bytes are met as a full disk is."""
    limited = ("sh", "-c", 'ulimit -f "$0"; exec "$@"', blocks, sys.executable, "-c", CHALICE)
    with chalice_local(tmp_path, *NONE, command=limited) as server:
        code = server.wait()

    assert (code, len(server.lines)) == (1, 1), server.output
    assert words in server.output


def test_a_store_that_takes_no_writes_is_alive_and_not_ready(tmp_path: Path) -> None:
    def health(client: WebClient, path: str) -> tuple[int, bytes]:
        reply = client.get(path)
        return reply.status, reply.body

    ready, failed = (200, b"ok"), (500, b"[+]ping ok\n[-]store failed: reason withheld\nreadyz check failed\n")
    with chalice_local(tmp_path, *NONE) as server:
        server.wait_until_ready()
        store, pid = store_of(server), server.process.pid
        with connected(server.port) as client:
            assert health(client, "/readyz") == ready

            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            until(lambda: health(client, "/readyz") == failed, "a full disk to be noticed")
            resource.prlimit(pid, resource.RLIMIT_FSIZE, UNLIMITED)
            until(lambda: health(client, "/readyz") == ready, "the room to be noticed")

            with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                until(lambda: health(client, "/readyz") == failed, "the lock to be noticed", seconds=30)
                told = client.get("/readyz/store")
            assert told.status == 500
            assert b"has been locked by another process" in told.body
            until(lambda: health(client, "/readyz") == ready, "the lock's end to be noticed")

            store.rename(store.with_suffix(".moved"))
            until(lambda: health(client, "/readyz") == failed, "the missing store to be noticed")
            assert health(client, "/livez") == health(client, "/healthz") == ready
            assert client.get("/api/v1/namespaces").status == 200


class Load:
    """Threads that create ConfigMaps until their server is gone; knows what was acknowledged."""

    def __init__(self, port: int, prefix: str) -> None:
        self.acknowledged: list[str] = []
        self._port = port
        self._prefix = prefix
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    def _run(self, writer: int) -> None:
        number = 0
        # the server dies in the middle of anything: of a request, of an answer, between two
        with contextlib.suppress(OSError, AssertionError, ValueError), connected(self._port) as client:
            while post(client, f"{self._prefix}-{writer}-{number}").status == 201:
                self.acknowledged.append(f"{self._prefix}-{writer}-{number}")
                number += 1

    def join(self) -> None:
        """Wait for the threads to end."""
        for thread in self._threads:
            thread.join()


def test_every_acknowledged_write_survives_kill_9(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for round_ in range(2):
        with chalice_local(tmp_path, *NONE) as server:
            server.wait_until_ready()
            load = Load(server.port, f"round-{round_}")
            enough = random.Random(round_).randrange(40, 200)
            until(lambda: len(load.acknowledged) >= enough, "writes")  # noqa: B023
            server.process.kill()
            server.wait()
            load.join()
            acknowledged += load.acknowledged

    with chalice_local(tmp_path, *NONE) as server:
        server.wait_until_ready()
        with connected(server.port) as client:
            seen = names(client)
            assert post(client, "goes-on").status == 201
        assert server.end() == 0

    assert set(acknowledged) <= seen
    check_integrity(store_of(server))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalServer, LocalServer]]:
    """Yield two servers on one store."""
    state = tmp_path_factory.mktemp("shared")
    with chalice_local(state, *NONE) as first, chalice_local(state, *NONE) as second:
        first.wait_until_ready()
        second.wait_until_ready()
        yield first, second


def watch(server: LocalServer, stack: contextlib.ExitStack, version: str) -> WebClient:
    """Return a connection on which a watch has begun."""
    client = stack.enter_context(connected(server.port))
    client.ask(f"{CONFIGMAPS}?watch=true&resourceVersion={version}")
    assert client.head()[0] == 200
    return client


def events(watching: WebClient, count: int) -> list[tuple[str, str, str]]:
    """Return type, name and version of the next events of a watch."""
    found: list[Any] = []
    while len(found) < count:
        found += [json.loads(line) for line in watching.chunk().splitlines()]
    metadata = [(event["type"], event["object"]["metadata"]) for event in found]
    return [(type_, each["name"], each["resourceVersion"]) for type_, each in metadata]


def test_each_of_two_servers_sees_the_others_writes(servers: tuple[LocalServer, LocalServer]) -> None:
    for writer, reader in (servers, servers[::-1]):
        with contextlib.ExitStack() as stack:
            here, there = (stack.enter_context(connected(server.port)) for server in (writer, reader))
            version = there.get(CONFIGMAPS).json()["metadata"]["resourceVersion"]
            watching = watch(reader, stack, version)
            name = f"written-at-{writer.port}"

            made = post(here, name)

            assert there.get(f"{CONFIGMAPS}/{name}").json() == made.json()
            assert name in names(there)
            assert events(watching, 1) == [("ADDED", name, made.json()["metadata"]["resourceVersion"])]


def test_of_two_updates_on_two_servers_one_is_refused(servers: tuple[LocalServer, LocalServer]) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(server.port)) for server in servers]
        made = post(clients[0], "contested").json()

        replies = []
        for number, client in enumerate(clients):
            body = json.dumps({**made, "data": {"by": str(number)}}).encode()
            replies.append(client.get(f"{CONFIGMAPS}/contested", method="PUT", body=body))

        assert [reply.status for reply in replies] == [200, 409]
        assert clients[1].get(f"{CONFIGMAPS}/contested").json()["data"] == {"by": "0"}


def test_watches_on_both_servers_tell_one_order(servers: tuple[LocalServer, LocalServer]) -> None:
    each = 20
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(server.port)) for server in servers]
        version = clients[0].get(CONFIGMAPS).json()["metadata"]["resourceVersion"]
        watching = [watch(server, stack, version) for server in servers]

        def write(client: WebClient, prefix: str) -> None:
            for number in range(each):
                assert post(client, f"{prefix}-{number}").status == 201

        threads = [
            threading.Thread(target=write, args=(client, f"from-{number}")) for number, client in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        first, second = (events(one, 2 * each) for one in watching)
        for thread in threads:
            thread.join()

    assert first == second
    assert [int(version) for _, _, version in first] == sorted(int(version) for _, _, version in first)
    assert len({name for _, name, _ in first}) == 2 * each
