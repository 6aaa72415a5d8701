"""The client of the benchmarks, and how two servers stand beside each other."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.load import Connection, Measured, Target, WrongAnswer, drive, request
from benchmarks.sides import OURS, THEIRS, Row, Side, compared_with, table
from tools.kube_apiserver import NoServer, find_binaries, free_ports

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"

Serve = Callable[[bytes], tuple[Target, list[bytes]]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Give a server that answers each request of its first connection with these bytes, one at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads: list[threading.Thread] = []

        def start(answer: bytes) -> tuple[Target, list[bytes]]:
            asked: list[bytes] = []

            def work() -> None:
                connection, _ = listening.accept()
                with connection:
                    while received := connection.recv(65536):
                        asked.append(received)
                        for byte in answer:
                            connection.sendall(bytes([byte]))

            threads.append(threading.Thread(target=work))
            threads[0].start()
            return Target(listening.getsockname()[1], token="secret"), asked

        yield start
        for thread in threads:
            thread.join(timeout=10)


@pytest.mark.parametrize(("answer", "body"), [(LENGTH, b"hello"), (CHUNKS, b"hello"), (EMPTY, b"")])
def test_a_whole_answer_is_read_however_it_is_framed(serve: Serve, answer: bytes, body: bytes) -> None:
    target, asked = serve(answer)
    connection = Connection(target)

    with connection.sock:
        assert [connection.ask(request("GET", "/a")), connection.ask(request("GET", "/b"))] == [body, body]

    assert [each.split()[1] for each in asked] == [b"/a", b"/b"]
    assert all(b"\r\nAuthorization: Bearer secret\r\n" in each for each in asked)


def test_each_request_is_measured(serve: Serve) -> None:
    target, asked = serve(CHUNKS)

    measured = drive(target, [request("GET", "/")] * 3, clients=1)

    assert len(measured.seconds) == len(asked) == 3


def test_a_refusal_is_no_measurement(serve: Serve) -> None:
    target, _ = serve(REFUSED)
    connection = Connection(target)

    with connection.sock, pytest.raises(WrongAnswer, match="403"):
        connection.ask(request("GET", "/"))


def side(name: str, seconds: float, *, clients: int) -> Side:
    """Return a side of this process with ten requests of so long each."""
    made = Side(name, Target(0), (os.getpid(),))
    made.rows["GET", clients] = Row(Measured([seconds] * 10, wall_seconds=seconds * 10 / clients), 0.01)
    made.figures["memory, MiB"] = seconds * 1000
    return made


def test_how_many_times_as_quick_we_are_stands_beside_both() -> None:
    lines = table([side(OURS, 0.002, clients=1), side(THEIRS, 0.003, clients=1)]).splitlines()

    assert lines[0].startswith("| pods | clients | ours p50 ms | real p50 ms |")
    assert lines[2] == "| GET | 1 | 2.00 | 3.00 | 2.00 | 3.00 | 500 | 333 | 1.00 | 1.00 | 1.50 |"
    assert lines[-1] == "| memory, MiB | 2.0 | 3.0 |"


def test_nothing_of_a_real_server_is_told_where_none_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBE_APISERVER", "ETCD"):
        monkeypatch.delenv(name, raising=False)

    assert "alone" in compared_with()
    assert table([side(OURS, 0.002, clients=8)]).splitlines()[2] == "| GET | 8 | 2.00 | 2.00 | 4,000 | 1.00 |"


@pytest.mark.parametrize("missing", ["KUBE_APISERVER", "ETCD"])
def test_both_programs_are_needed(tmp_path: Path, missing: str) -> None:
    program = tmp_path / "program"
    program.touch()
    named = {"KUBE_APISERVER": str(program), "ETCD": str(program)}

    assert find_binaries({}) is None
    assert find_binaries(named) is not None
    with pytest.raises(NoServer, match=f"{missing} is '.*nowhere', which is no file"):
        find_binaries(named | {missing: str(tmp_path / "nowhere")})


def test_free_ports_differ() -> None:
    assert len(set(free_ports(3))) == 3
