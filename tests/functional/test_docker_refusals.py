"""`chalice local --docker` where the engine can't be used: one sentence, an exit code, and nothing is made."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.functional.local_server import chalice_local

REQUEST_BYTES = 65536


@contextmanager
def nothing(path: Path) -> Iterator[None]:
    """Have nothing at `path`."""
    assert not path.exists()
    yield


@contextmanager
def someone_deaf(path: Path) -> Iterator[None]:
    """Have a socket at `path` that nobody listens on: what a killed engine leaves."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        yield


@contextmanager
def old_engine(path: Path) -> Iterator[None]:
    """Have an engine of 2018 at `path`, which answers every question by its version."""
    body = json.dumps({"Version": "18.03.1-ce", "ApiVersion": "1.37"}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    answer = f"{head}Connection: close\r\n\r\n".encode() + body
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:  # the listener is shut down
                    return
                with client, suppress(OSError):  # who only knocks has gone by now
                    client.recv(REQUEST_BYTES)
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (nothing, "No Docker engine answers at unix://"),
        (someone_deaf, "No Docker engine answers at unix://"),
        (old_engine, "Docker engine 18.03.1-ce at unix://"),
    ],
)
def test_an_engine_that_cannot_be_used_is_one_sentence_and_nothing_is_made(
    there: Callable[[Path], AbstractContextManager[None]], words: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("d")  # the socket's name must be short
    path, state = folder / "docker.sock", folder / "state"
    state.mkdir()
    with (
        there(path),
        chalice_local(state, "--docker", "--port", "0", environ={"DOCKER_HOST": f"unix://{path}"}) as server,
    ):
        code = server.wait()

    assert (code, len(server.lines)) == (1, 1), server.output
    assert server.output.startswith(words)
    assert list(state.iterdir()) == []
