"""The gateway of Spark Connect with gRPC on both sides: TLS, users, what passes, servers that go and come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from chalicelib.apimachinery.decoding.openapi_protobuf import varint
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import ApiUnreachable
from sparkanywhere.connect.gateway import ANY_SIZE, SERVICE, Gateway
from sparkanywhere.connect.server import Server, TokenRefused
from sparkanywhere.connect.token_checks import MOST_OF_ADDRESS, Users
from sparkanywhere.connect.user_context import user_context
from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates
from tests.waiting import until

SECONDS = 30.0
DETAILS = "grpc-status-details-bin"
OPEN = varint(1000 << 3 | 2) + varint(100)  # a field whose value is to come


class EchoServer:
    """A server that answers as a Connect server might: it knows what it was asked, and with what."""

    def __init__(self) -> None:
        self.metadata: list[dict[str, Any]] = []
        self.seconds_left: list[float] = []
        self.sent = 0
        self.is_cancelled = threading.Event()
        self._server: Any = None

    def start(self) -> Server:
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=(self,), options=ANY_SIZE)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return Server(f"127.0.0.1:{port}", "the-servers-own")

    def stop(self) -> None:
        self._server.stop(None).wait()

    def service(self, details: Any) -> Any:
        name = details.method.removeprefix(SERVICE)
        return grpc.stream_stream_rpc_method_handler(getattr(self, name.lower()))

    def echo(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        self.metadata.append(dict(context.invocation_metadata()))
        self.seconds_left.append(context.time_remaining())
        context.send_initial_metadata((("said-first", "hello"),))
        context.set_trailing_metadata((("said-last", "bye"),))
        yield from requests

    def fails(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        list(
            requests
        )  # as Spark's server, which sees a call once it is whole: grpc.aio has no status of one ended before
        context.set_trailing_metadata(((DETAILS, b"\x08\x05"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "no such table")
        yield b""

    def endless(self, _requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        context.add_callback(self.is_cancelled.set)
        while True:
            self.sent += 1
            yield bytes(1 << 20)


class Servers:
    """Whatever the gateway is given as its server, counted."""

    def __init__(self, *found: Server | Callable[[], Server] | Failure) -> None:
        self._found = list(found)
        self.asked = 0

    def ensure(self) -> Server:
        self.asked += 1
        each = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        if isinstance(each, Failure):
            raise each
        return each() if callable(each) else each


class People(Users):
    """Knows a token by how it ends, and those that begin with "known" at once; others wait where they are held."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def find_known(self, token: str) -> str:
        return token.removesuffix("-token") if token.startswith("known") else ""

    def find_user(self, token: str) -> str:
        self.asked.append(token)
        assert self.may_answer.wait(SECONDS)
        if token == "unreachable":
            raise ApiUnreachable("nobody answers")
        if not token.endswith("-token"):
            raise TokenRefused("The token has expired.")
        return token.removesuffix("-token")


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    server = EchoServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    files = CertificateFiles(tmp_path_factory.mktemp("tls"))
    ensure_certificates(files, frozenset({"localhost"}), datetime.now(UTC))
    return files


@contextmanager
def gateway(files: CertificateFiles, servers: Servers, people: People | None = None) -> Iterator[int]:
    """Run a gateway; yield its port."""
    with Gateway(people or People(), servers).serving(
        bind="127.0.0.1", port=0, certificate=files.chain.read_bytes()
    ) as port:
        yield port


@contextmanager
def client(port: int, ca: Path) -> Iterator[Any]:
    """Yield a channel that trusts an authority."""
    trust = grpc.ssl_channel_credentials(ca.read_bytes())
    with grpc.secure_channel(f"localhost:{port}", trust, options=ANY_SIZE) as channel:
        yield channel


def call(channel: Any, method: str, *messages: bytes, token: str = "ana-token", **more: str) -> Any:
    metadata = ((("authorization", f"Bearer {token}"),) if token else ()) + tuple(more.items())
    return channel.stream_stream(SERVICE + method)(iter(messages), metadata=metadata, timeout=SECONDS)


def field(value: bytes) -> bytes:
    return varint(1 << 3 | 2) + varint(len(value)) + value


def refusal(channel: Any, method: str = "Echo", *, token: str = "ana-token") -> tuple[Any, str]:
    with pytest.raises(grpc.RpcError) as failed:
        list(call(channel, method, b"", token=token))
    return failed.value.code(), failed.value.details()


def test_what_is_said_passes_as_the_user_of_the_token(echo: EchoServer, certificates: CertificateFiles) -> None:
    one, large = field(b"one"), field(bytes(9 << 20))  # gRPC's own limit is 4 MiB
    with gateway(certificates, Servers(echo.start())) as port, client(port, certificates.ca) as channel:
        answer = call(channel, "Echo", one, large + user_context("bert"), token="ana-token", **{"x-mine": "kept"})
        said = list(answer)

    assert said == [one + user_context("ana"), large + user_context("ana")]
    assert dict(answer.initial_metadata())["said-first"] == "hello"
    assert dict(answer.trailing_metadata())["said-last"] == "bye"
    assert echo.metadata[0]["authorization"] == "Bearer the-servers-own"
    assert echo.metadata[0]["x-mine"] == "kept"
    assert 0 < echo.seconds_left[0] <= SECONDS


@pytest.mark.parametrize("before", [(), (b"",)], ids=["at once", "amid a stream"])
def test_a_malformed_request_reaches_no_server(
    echo: EchoServer, certificates: CertificateFiles, before: tuple[bytes, ...]
) -> None:
    with gateway(certificates, Servers(echo.start())) as port, client(port, certificates.ca) as channel:
        answer, said = call(channel, "Echo", *before, user_context("bert") + OPEN), []
        with pytest.raises(grpc.RpcError) as failed:
            said.extend(answer)

    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "a field that is cut off at byte" in failed.value.details()
    assert all(each == user_context("ana") for each in said)


@pytest.mark.parametrize(
    ("token", "code", "words"),
    [
        ("expired", grpc.StatusCode.UNAUTHENTICATED, "The token has expired."),
        ("", grpc.StatusCode.UNAUTHENTICATED, "The token has expired."),
        ("unreachable", grpc.StatusCode.UNAVAILABLE, "nobody answers"),
    ],
)
def test_a_refused_user_reaches_no_server(
    certificates: CertificateFiles, token: str, code: grpc.StatusCode, words: str
) -> None:
    servers = Servers(Failure("never asked"))
    with gateway(certificates, servers) as port, client(port, certificates.ca) as channel:
        assert refusal(channel, token=token) == (code, words)

    assert servers.asked == 0


def test_only_spark_connect_is_served(echo: EchoServer, certificates: CertificateFiles) -> None:
    with (
        gateway(certificates, Servers(echo.start())) as port,
        client(port, certificates.ca) as channel,
        pytest.raises(grpc.RpcError) as failed,
    ):
        list(channel.stream_stream("/grpc.health.v1.Health/Check")(iter([b""])))

    assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_client_with_another_authority_does_not_speak_to_it(certificates: CertificateFiles, tmp_path: Path) -> None:
    other = CertificateFiles(tmp_path)
    ensure_certificates(other, frozenset({"localhost"}), datetime.now(UTC))
    servers = Servers(Failure("never asked"))
    with gateway(certificates, servers) as port, client(port, other.ca) as channel:
        code, words = refusal(channel)

    assert code == grpc.StatusCode.UNAVAILABLE
    assert "CERTIFICATE_VERIFY_FAILED" in words
    assert servers.asked == 0


def test_a_servers_error_passes_with_its_details(echo: EchoServer, certificates: CertificateFiles) -> None:
    with (
        gateway(certificates, Servers(echo.start())) as port,
        client(port, certificates.ca) as channel,
        pytest.raises(grpc.RpcError) as failed,
    ):
        list(call(channel, "Fails", b""))

    error: Any = failed.value
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such table")
    assert dict(error.trailing_metadata())[DETAILS] == b"\x08\x05"


def test_a_client_that_goes_ends_its_call_and_one_that_is_slow_slows_the_server(
    echo: EchoServer, certificates: CertificateFiles
) -> None:
    with gateway(certificates, Servers(echo.start())) as port, client(port, certificates.ca) as channel:
        answer = call(channel, "Endless", b"")
        next(answer)
        until(lambda: stands_still(echo), "the server to stop sending")
        assert echo.sent < 100

        answer.cancel()

        assert echo.is_cancelled.wait(SECONDS)


def stands_still(echo: EchoServer) -> bool:
    before = echo.sent
    time.sleep(0.5)
    return echo.sent == before


def test_a_server_that_has_ended_is_started_by_the_next_call(certificates: CertificateFiles) -> None:
    first, second = EchoServer(), EchoServer()
    servers = Servers(first.start(), second.start)
    with gateway(certificates, servers) as port, client(port, certificates.ca) as channel:
        list(call(channel, "Echo", b""))
        list(call(channel, "Echo", b""))
        assert servers.asked == 1

        first.stop()
        list(call(channel, "Echo", b""))

    assert servers.asked == 2
    assert len(second.metadata) == 1
    second.stop()


def test_a_server_that_does_not_start_is_told_in_its_own_words(certificates: CertificateFiles) -> None:
    with gateway(certificates, Servers(Failure("No room."))) as port, client(port, certificates.ca) as channel:
        code, words = refusal(channel)

    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert words == "No room."


def test_a_port_that_another_has_is_told(certificates: CertificateFiles) -> None:
    with gateway(certificates, Servers(Failure(""))) as port:
        second = Gateway(People(), Servers(Failure("")))
        with (
            pytest.raises(OSError, match=f"127.0.0.1:{port} cannot be listened on"),
            second.serving(bind="127.0.0.1", port=port, certificate=certificates.chain.read_bytes()),
        ):
            pass


def test_what_keeps_a_gateway_from_listening_is_told() -> None:
    with (
        pytest.raises(TypeError),
        Gateway(People(), Servers(Failure(""))).serving(bind="127.0.0.1", port=0, certificate="text"),  # type: ignore[arg-type]
    ):
        pass


def test_wrong_tokens_hold_up_nobody_who_is_known(echo: EchoServer, certificates: CertificateFiles) -> None:
    people, too_many = People(), 5
    people.may_answer.clear()
    with gateway(certificates, Servers(echo.start()), people) as port, client(port, certificates.ca) as channel:
        guesses = [call(channel, "Echo", b"", token=f"guess {n}") for n in range(MOST_OF_ADDRESS + too_many)]
        until(lambda: sum(each.done() for each in guesses) == too_many, "those too many to be refused")

        assert list(call(channel, "Echo", b"", token="known-token")) == [user_context("known")]

        people.may_answer.set()
        codes = [failure(each) for each in guesses]
    assert codes.count(grpc.StatusCode.UNAVAILABLE) == too_many
    assert codes.count(grpc.StatusCode.UNAUTHENTICATED) == len(people.asked) == MOST_OF_ADDRESS


def failure(answer: Any) -> Any:
    with pytest.raises(grpc.RpcError) as failed:
        list(answer)
    return failed.value.code()


def test_a_server_is_started_once_though_its_callers_leave(echo: EchoServer, certificates: CertificateFiles) -> None:
    may_start, found = threading.Event(), echo.start()

    def starts() -> Server:
        assert may_start.wait(SECONDS)
        return found

    servers = Servers(starts)
    with gateway(certificates, servers) as port, client(port, certificates.ca) as channel:
        for _ in range(2):
            left = call(channel, "Echo", b"", token="known-token")
            until(lambda: servers.asked == 1, "the start to begin")
            left.cancel()
        waiting = call(channel, "Echo", b"", token="known-token")
        may_start.set()

        assert list(waiting) == [user_context("known")]
    assert servers.asked == 1
