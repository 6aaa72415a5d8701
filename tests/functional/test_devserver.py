"""The server beside its control plane: what it asks of it, and when."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from chalice.config import Config

from chalicelib.apimachinery.rules.status import StatusError, unauthorized
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.local.devserver import DevServer, localise, with_token
from sparkanywhere.local.local_settings import LocalOptions, LocalSettings, resolve
from sparkanywhere.local.start import CannotStart, bind
from sparkanywhere.webserver.limits import DEFAULT_LIMITS
from tests.functional.stub_app import Streams, stub_app
from tests.functional.web_client import connected
from tests.waiting import until


class FakePlane:
    """A control plane that keeps a diary."""

    def __init__(self, *addresses: str) -> None:
        self.listen_addresses = self.api_addresses = addresses
        self.proxy_addresses: tuple[str, ...] = ()
        self.diary: list[str] = []

    def stranger(self, method: str, path: str, headers: dict[str, str], *, address: str) -> StatusError | None:
        """Know everybody but who sends the header that says so."""
        del method, path, address
        return unauthorized() if "x-stranger" in headers else None

    def forbidden(self, method: str, path: str, headers: dict[str, str], *, address: str, why: str) -> None:
        """Write down who was refused."""
        del headers, why
        self.diary.append(f"forbidden {method} {path} {address}")

    def start(self) -> None:
        """Begin."""
        self.diary.append("start")

    def close(self) -> None:
        """End."""
        self.diary.append("close")


def settings(state: Path, *, port: int, provider: str = "none", tls: bool = False) -> LocalSettings:
    """Return the settings of a server with its state under `state`."""
    environ = {"XDG_STATE_HOME": str(state)}
    return resolve(LocalOptions(port=port, provider=provider, tls=tls), environ)


@contextlib.contextmanager
def serving(state: Path, plane: FakePlane, *, tls: bool = False) -> Iterator[DevServer]:
    """Run a server for this plane in a thread; yield it once it has announced itself."""
    said: list[str] = []
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = DevServer(
        localise(stub_app(Streams())),
        Config.create(lambda_timeout=900),
        settings=settings(state, port=port, tls=tls),
        listener=listener,
        new_plane=lambda: plane,
        say=said.append,
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        until(lambda: any("Type next" in text for text in said), "the announcement")
        yield server
    finally:
        server.shutdown()
        thread.join()


def test_background_work_begins_and_ends_with_the_server(tmp_path: Path) -> None:
    plane = FakePlane()

    with serving(tmp_path, plane) as server, connected(server.settings.port) as client:
        assert client.get("/x").status == 200
        assert plane.diary == ["start"]

    assert plane.diary == ["start", "close"]


def test_only_one_of_two_does_the_background_work_until_it_ends(tmp_path: Path) -> None:
    first, second = FakePlane(), FakePlane()

    with contextlib.ExitStack() as stack:
        one = stack.enter_context(serving(tmp_path, first))
        stack.enter_context(serving(tmp_path, second))
        assert (first.diary, second.diary) == (["start"], [])

        one.shutdown()

        until(lambda: second.diary == ["start"], "the second to take over")


def test_the_plane_names_further_addresses_to_listen_on(tmp_path: Path) -> None:
    plane = FakePlane("127.0.0.2")

    with serving(tmp_path, plane) as server, connected(server.settings.port, "127.0.0.2") as client:
        assert client.get("/x").status == 200


def test_https_is_served_beside_http_where_the_url_is_http(tmp_path: Path) -> None:
    with serving(tmp_path, FakePlane()) as server:
        port, ca_file = server.settings.port, str(server.settings.ca_file)
        for url in (f"http://127.0.0.1:{port}/x", f"https://127.0.0.1:{port}/x", f"https://localhost:{port}/x"):
            context = ssl.create_default_context(cafile=ca_file) if url.startswith("https") else None
            with urlopen(url, context=context) as answer:
                assert answer.status == 200


def test_http_is_not_served_where_the_url_is_https(tmp_path: Path) -> None:
    with serving(tmp_path, FakePlane(), tls=True) as server, pytest.raises(OSError, match=r"reset|closed|aborted"):
        urlopen(f"http://127.0.0.1:{server.settings.port}/x")


def test_a_connection_through_a_proxy_is_its_clients(tmp_path: Path) -> None:
    plane = FakePlane("127.0.0.2")
    plane.proxy_addresses = ("127.0.0.3",)
    with serving(tmp_path, plane) as server:
        with socket.create_connection(("127.0.0.2", server.settings.port), source_address=("127.0.0.3", 0)) as sock:
            sock.sendall(b"PROXY TCP4 10.9.9.9 127.0.0.2 51000 443\r\nGET /x HTTP/1.1\r\nHost: kubernetes\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200")
        with socket.create_connection(("127.0.0.2", server.settings.port), source_address=("127.0.0.3", 0)) as sock:
            sock.sendall(b"GET /x HTTP/1.1\r\nHost: kubernetes\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                sock.recv(100)


def test_an_address_that_cannot_be_had_is_said(tmp_path: Path) -> None:
    plane = FakePlane("192.0.2.1")  # of the documentation's block: no machine has it
    listener = bind("127.0.0.1", 0)
    server = DevServer(
        localise(stub_app(Streams())),
        Config.create(lambda_timeout=900),
        settings=settings(tmp_path, port=listener.getsockname()[1]),
        listener=listener,
        new_plane=lambda: plane,
        say=print,
    )

    with pytest.raises(CannotStart, match=re.escape("Can't listen on 192.0.2.1")):
        server.serve_forever()

    assert plane.diary == ["close"]
    listener.close()


def test_a_provider_that_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    def no_engine() -> FakePlane:
        raise ProviderUnavailable("NoEngine", "no Docker engine answers at unix:///var/run/docker.sock")

    listener = bind("127.0.0.1", 0)
    server = DevServer(
        localise(stub_app(Streams())),
        Config.create(lambda_timeout=900),
        settings=settings(tmp_path, port=listener.getsockname()[1]),
        listener=listener,
        new_plane=no_engine,
        say=print,
    )

    with pytest.raises(CannotStart, match="no Docker engine answers"):
        server.serve_forever()

    assert listener.fileno() == -1
    assert list(tmp_path.iterdir()) == []


def test_a_token_is_made_once_and_kept(tmp_path: Path) -> None:
    wide = settings(tmp_path, port=1, provider="docker")

    first, second = with_token(wide), with_token(wide)

    assert first.token == second.token == wide.token_file.read_text()
    assert len(first.token) >= 40


def test_a_long_body_of_a_stranger_is_not_even_read(tmp_path: Path) -> None:
    with serving(tmp_path, FakePlane()) as server, connected(server.settings.port) as client:
        length = DEFAULT_LIMITS.stranger_body_bytes + 1
        client.ask("/x", method="POST", headers=f"X-Stranger: 1\r\nContent-Length: {length}\r\n")

        assert client.reply().status == 401


def test_without_a_token_only_its_user_and_root_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user takes the place of ours here, as tests cannot become somebody else everywhere."""
    uids = [os.getuid(), os.getuid() + 1, os.getuid()]
    monkeypatch.setattr("sparkanywhere.local.devserver.peer_uid", lambda _: uids.pop(0))
    plane = FakePlane()
    with serving(tmp_path, plane) as server, connected(server.settings.port) as client:
        assert client.get("/x").status == 200
        with connected(server.settings.port) as other:
            refused = other.get("/x")
        with connected(server.settings.port) as page:
            assert page.get("/page", headers="Origin: http://elsewhere\r\n").status == 403

    assert [each for each in plane.diary if "forbidden" in each] == [
        "forbidden GET /x 127.0.0.1",
        "forbidden GET /page 127.0.0.1",
    ]
    assert refused.status == 403
    assert f"serves user {os.getuid()} alone" in refused.json()["message"]
    assert f"not user {os.getuid() + 1}" in refused.json()["message"]


def test_on_loopback_no_token_is_made(tmp_path: Path) -> None:
    assert with_token(settings(tmp_path, port=1)).token == ""
    assert list(tmp_path.iterdir()) == []
