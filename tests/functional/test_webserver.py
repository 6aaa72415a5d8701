"""The web server, with a small Chalice app behind it, as clients on sockets see it."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from chalice.config import Config
from chalice.local import LocalGateway

from sparkanywhere.local.devserver import localise
from sparkanywhere.local.gateway import Gateway, refuse
from sparkanywhere.local.wrong_tokens import FREE, STEP_SECONDS
from sparkanywhere.webserver.limits import DEFAULT_LIMITS, MIB, Limits
from sparkanywhere.webserver.messages import LAST_CHUNK, Answer, Application, Request, RequestHead, admit_all, chunk
from sparkanywhere.webserver.server import WebServer, listen
from tests.functional.stub_app import Streams, stub_app
from tests.functional.web_client import SECONDS, WebClient, connected
from tests.waiting import until


@dataclass(frozen=True)
class Site:
    """A running server and what its streams did."""

    web: WebServer
    port: int
    streams: Streams


@contextlib.contextmanager
def running(
    limits: Limits = DEFAULT_LIMITS,
    tls: Callable[[], None] = lambda: None,
    stranger: Callable[[RequestHead, tuple[str, int]], Answer | None] = admit_all,
    closed_to: Callable[[socket.socket], str] = lambda _: "",
) -> Iterator[Site]:
    """Yield a running server with these limits; `tls` is called where a handshake would be."""
    streams = Streams()
    gateway = LocalGateway(localise(stub_app(streams)), Config.create(lambda_timeout=900))
    web = WebServer(
        Application(handler=Gateway(gateway), refuse=refuse, stranger=stranger),
        limits=limits,
        tls=tls,
        closed_to=closed_to,
    )
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    web.add_listener(listener)
    web.start()
    try:
        yield Site(web, port, streams)
    finally:
        web.stop()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A server that the tests of this file share."""
    with running() as one:
        yield one


@pytest.fixture
def client(site: Site) -> Iterator[WebClient]:
    """A connection to the shared server."""
    with connected(site.port) as one:
        yield one


def test_requests_follow_one_another_on_one_connection(client: WebClient) -> None:
    bodies = [client.get(f"/a/{number}").body for number in range(3)]

    assert bodies == [b"GET /a/0 ", b"GET /a/1 ", b"GET /a/2 "]


def test_pipelined_requests_are_answered_in_order(client: WebClient) -> None:
    client.ask("/one")
    client.ask("/two", method="POST", body=b"x")

    assert [client.reply().body, client.reply().body] == [b"GET /one ", b"POST /two x"]


def test_a_chunked_body_arrives_whole_and_the_connection_goes_on(client: WebClient) -> None:
    client.send(
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;name=value\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
    )

    assert client.reply().body == b"POST /x hello world"
    assert client.get("/next").body == b"GET /next "


def test_a_client_that_expects_continue_is_told_to_go_on(client: WebClient) -> None:
    client.send(b"PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    interim = client.head()

    client.send(b"ok")

    assert interim == (100, {})
    assert client.reply().body == b"PUT /x ok"


def test_head_has_the_headers_of_get_and_no_body(client: WebClient) -> None:
    head = client.get("/x", method="HEAD")

    assert (head.status, head.headers["content-length"]) == (200, "8")
    assert client.get("/x").body == b"GET /x "


def test_an_application_that_asks_for_close_gets_it(client: WebClient) -> None:
    reply = client.get("/close")

    assert reply.headers["connection"] == "close"
    assert client.is_at_end()


def test_a_client_that_asks_for_close_gets_it(client: WebClient) -> None:
    reply = client.get("/x", headers="Connection: close\r\n")

    assert reply.headers["connection"] == "close"
    assert client.is_at_end()


def test_http_1_0_is_answered_without_chunks_and_closed(client: WebClient) -> None:
    client.send(b"GET /stream/short HTTP/1.0\r\n\r\n")

    reply = client.reply()

    assert reply.body == b"one\ntwo\n"
    assert "transfer-encoding" not in reply.headers


def test_a_stream_is_sent_piece_by_piece(site: Site, client: WebClient) -> None:
    client.ask("/stream")

    status, headers = client.head()
    first = client.chunk()
    site.streams.ring()
    second = client.chunk()

    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    assert (first, second) == (b"hello\n", b"word\n")


def test_a_connection_goes_on_after_a_stream_that_has_ended(client: WebClient) -> None:
    assert client.get("/stream/short").body == b"one\ntwo\n"
    assert client.get("/x").body == b"GET /x "


def test_a_stream_is_closed_when_its_client_leaves(site: Site) -> None:
    before = site.streams.closed
    with connected(site.port) as client:
        client.ask("/stream?patience=0.05")
        client.head()

    until(lambda: site.streams.closed > before, "the stream's close()")


def test_a_stream_that_breaks_does_not_look_whole(client: WebClient) -> None:
    client.ask("/stream/broken")
    client.head()

    assert client.chunk() == b"one\n"
    assert client.is_at_end()


def test_a_failure_of_the_application_shows_no_internals(client: WebClient) -> None:
    reply = client.get("/fail")

    assert reply.status == 500
    assert b"secret" not in reply.body


def test_a_path_deeper_than_any_route_is_a_404_status(client: WebClient) -> None:
    reply = client.get("/a/b/c/d/e")

    assert (reply.status, reply.json()["reason"]) == (404, "NotFound")


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: yes\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_breaks_http_is_a_400_status_and_the_end(client: WebClient, raw: bytes) -> None:
    client.send(raw)

    reply = client.reply()

    assert (reply.status, reply.json()["kind"], reply.json()["reason"]) == (400, "Status", "BadRequest")
    assert client.is_at_end()


def test_too_many_headers_are_a_431_status(client: WebClient) -> None:
    reply = client.get("/", headers="".join(f"A{number}: b\r\n" for number in range(200)))

    assert (reply.status, reply.json()["kind"]) == (431, "Status")


def test_too_long_headers_are_a_431_status(client: WebClient) -> None:
    reply = client.get("/", headers=f"A: {'b' * 100_000}\r\n")

    assert (reply.status, reply.json()["kind"]) == (431, "Status")


def test_a_large_body_is_refused_before_it_is_sent(client: WebClient) -> None:
    client.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")

    reply = client.reply()

    assert (reply.status, reply.json()["message"]) == (413, "Request entity too large: limit is 3145728")


@pytest.mark.parametrize("chunked", [False, True])
def test_who_sends_a_large_body_at_once_still_reads_the_refusal(client: WebClient, chunked: bool) -> None:
    size = 12 * 1024 * 1024
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    start = f"{size:x}\r\n".encode() if chunked else b""
    client.send(f"POST /x HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n".encode() + start)
    client.send(b"x" * size)  # many clients read nothing before they have sent all

    reply = client.reply()

    assert (reply.status, reply.json()["reason"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(
    "headers",
    [
        "Host: evil.example\r\n",
        "Host: localhost\r\nOrigin: https://evil.example\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
    ],
)
def test_web_pages_are_kept_out(client: WebClient, headers: str) -> None:
    client.send(f"GET / HTTP/1.1\r\n{headers}\r\n".encode())

    assert client.reply().status == 403


def test_eight_hundred_connect_at_once_and_all_are_served(site: Site) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(site.port)) for _ in range(800)]
        for client in clients:
            client.ask("/x")

        bodies = {client.reply().body for client in clients}

    assert bodies == {b"GET /x "}


def test_a_burst_waits_in_the_backlog_until_someone_accepts() -> None:
    web = WebServer(Application(handler=Gateway(_gateway()), refuse=refuse))
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(port)) for _ in range(800)]  # nobody accepts yet
        web.add_listener(listener)
        web.start()
        stack.callback(web.stop)

        clients[-1].ask("/x")

        assert clients[-1].reply().body == b"GET /x "


def _gateway() -> LocalGateway:
    return LocalGateway(localise(stub_app(Streams())), Config.create(lambda_timeout=900))


def test_three_hundred_waiting_streams_hear_of_a_change_while_others_are_served(site: Site) -> None:
    with contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(connected(site.port)) for _ in range(300)]
        for watcher in watchers:
            watcher.ask("/stream?patience=30")
            watcher.head()
            assert watcher.chunk() == b"hello\n"
        with connected(site.port) as client:
            assert [client.get("/x").status for _ in range(50)] == [200] * 50

        site.streams.ring()

        assert {watcher.chunk() for watcher in watchers} == {b"word\n"}


def test_headers_that_drip_in_are_cut_off() -> None:
    with running(replace(DEFAULT_LIMITS, head_seconds=0.3)) as site, connected(site.port) as client:
        client.send(b"GET / HTTP/1.1\r\n")
        dripping = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not dripping.wait(0.02):
                    client.send(b"A: b\r\n")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            reply = client.reply()
        finally:
            dripping.set()
            thread.join()

    assert (reply.status, reply.json()["kind"]) == (408, "Status")


def test_a_body_that_never_comes_is_cut_off() -> None:
    with running(replace(DEFAULT_LIMITS, body_seconds=0.2)) as site, connected(site.port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")

        assert client.reply().status == 408


def test_an_idle_connection_is_closed_in_silence() -> None:
    with running(replace(DEFAULT_LIMITS, idle_seconds=0.2)) as site, connected(site.port) as client:
        assert client.is_at_end()


def test_beyond_the_most_connections_others_wait_their_turn() -> None:
    with running(replace(DEFAULT_LIMITS, connections=2)) as site, contextlib.ExitStack() as stack:
        first, second, third = (stack.enter_context(connected(site.port)) for _ in range(3))
        assert first.get("/x").status == second.get("/x").status == 200
        third.ask("/x")
        third.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            third.sock.recv(1)
        third.sock.settimeout(SECONDS)

        first.sock.shutdown(socket.SHUT_RDWR)

        assert third.reply().status == 200


def test_an_address_with_too_many_connections_gets_429_and_others_are_served() -> None:
    with running(replace(DEFAULT_LIMITS, client_connections=2)) as site, contextlib.ExitStack() as stack:
        first, _ = (stack.enter_context(connected(site.port)) for _ in range(2))
        refused = stack.enter_context(connected(site.port)).reply()

        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["reason"] == "TooManyRequests"
        assert first.get("/x").status == 200
        other = stack.enter_context(connected(site.port, source="127.0.0.2"))
        assert other.get("/x").status == 200

        first.sock.shutdown(socket.SHUT_RDWR)
        until(lambda: site.web.connection_count == 2, "the connection to end")
        assert stack.enter_context(connected(site.port)).get("/x").status == 200


def test_who_is_refused_whatever_he_asks_takes_no_room_from_others() -> None:
    limits = replace(DEFAULT_LIMITS, connections=10, client_connections=2, stranger_connections=3, head_seconds=0.3)
    strangers: set[int] = set()

    def closed_to(sock: socket.socket) -> str:
        return "not you" if sock.getpeername()[1] in strangers else ""

    with running(limits, closed_to=closed_to) as site, contextlib.ExitStack() as stack:
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            strangers.add(sock.getsockname()[1])
            sock.connect(("127.0.0.1", site.port))
        sock.settimeout(SECONDS)
        assert sock.recv(4096).startswith(b"HTTP/1.1 429 ")  # the fourth
        with connected(site.port) as first, connected(site.port) as second:
            assert first.get("/x").status == second.get("/x").status == 200

        until(lambda: site.web.connection_count == 0, "those who say nothing to be cut off")


def test_long_bodies_that_are_under_way_are_bounded_and_short_ones_pass() -> None:
    limits = replace(DEFAULT_LIMITS, transfer_bytes=400_000)
    half = limits.transfer_bytes // 2
    promise = f"Content-Length: {half}\r\n"
    with running(limits) as site, connected(site.port) as slow, connected(site.port) as second:
        slow.ask("/quiet", method="POST", headers=f"{promise}Expect: 100-continue\r\n")
        assert slow.head()[0] == 100  # and then nothing, for as long as it likes

        second.ask("/quiet", method="POST", headers=promise)
        refused = second.reply()

        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        with connected(site.port) as third:
            assert third.get("/x", method="POST", body=b"short").status == 200
        slow.send(b"a" * half)
        assert slow.reply().status == 200
        assert slow.get("/quiet", method="POST", body=b"a" * half).status == 200


def test_a_long_answer_that_nobody_reads_holds_up_the_next_long_one_only() -> None:
    limits = replace(DEFAULT_LIMITS, transfer_bytes=100 * MIB)
    with running(limits) as site, connected(site.port) as lazy, connected(site.port) as second:
        lazy.ask("/long?mib=40")
        lazy.sock.recv(1)

        second.ask("/long?mib=40")
        refused = second.reply()

        assert refused.status == 429
        with connected(site.port) as third:
            assert third.get("/x").status == 200
        lazy.file.read(40 * MIB)
        with connected(site.port) as fourth:
            assert len(fourth.get("/long?mib=40").body) == 40 * MIB


@pytest.mark.parametrize("is_chunked", [False, True], ids=["by length", "in chunks"])
def test_who_is_not_known_sends_no_long_body(is_chunked: bool) -> None:
    early = DEFAULT_LIMITS.stranger_body_bytes
    with running(stranger=lambda head, _: None if head.headers.get("who") == "me" else Answer(status=401)) as site:
        for who, length, code in (("me", early + 1, 200), ("you", early, 200), ("you", early + 1, 401)):
            with connected(site.port) as client:
                framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {length}"
                client.ask("/x", method="POST", headers=f"Who: {who}\r\n{framing}\r\n")
                body = b"a" * length
                client.send(chunk(body) + LAST_CHUNK if is_chunked else body)

                assert client.reply().status == code


def test_a_stranger_who_asks_first_is_told_before_he_sends() -> None:
    with running(stranger=lambda _head, _client: Answer(status=401)) as site, connected(site.port) as client:
        client.ask("/x", method="POST", headers="Expect: 100-continue\r\nContent-Length: 100000\r\n")

        assert client.head()[0] == 401


def test_without_file_descriptors_clients_are_told_and_later_served(caplog: pytest.LogCaptureFixture) -> None:
    with running() as site, contextlib.ExitStack() as stack:
        first = stack.enter_context(connected(site.port))
        assert first.get("/x").status == 200
        waiting = [socket.socket() for _ in range(3)]
        for sock in waiting:
            stack.enter_context(sock)
            sock.settimeout(SECONDS)
        with no_descriptors():
            for sock in waiting:
                sock.connect(("127.0.0.1", site.port))
                answer = sock.recv(4096)
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b"Retry-After: 1" in answer
            assert first.get("/x").status == 200

        assert stack.enter_context(connected(site.port)).get("/x").status == 200
    assert "accept failed error=[Errno 24] Too many open files" in caplog.text


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Let this process open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)  # the next one would have this number
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_answer_to_a_wrong_token_comes_late_and_to_nothing_else() -> None:
    waits: list[float] = []
    gateway = Gateway(_gateway(), pause=waits.append)

    def ask(path: str, address: str) -> int:
        return gateway(Request(RequestHead("GET", path, 1, {}), b"", (address, 1))).status

    assert {ask("/unauthorized", "10.0.0.1") for _ in range(FREE + 2)} == {401}
    assert ask("/x", "10.0.0.1") == 200
    assert ask("/unauthorized", "10.0.0.2") == 401

    assert waits == pytest.approx([0.0] * FREE + [STEP_SECONDS, 2 * STEP_SECONDS] + [0.0], abs=STEP_SECONDS / 2)


def test_connections_in_their_handshake_count_too() -> None:
    begun, is_over = threading.Semaphore(0), threading.Event()

    def handshake() -> None:
        begun.release()
        is_over.wait(SECONDS)

    limits = replace(DEFAULT_LIMITS, connections=2)
    with running(limits, handshake) as site, contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connected(site.port))
        assert begun.acquire(timeout=SECONDS)
        assert begun.acquire(timeout=SECONDS)
        assert not begun.acquire(timeout=0.3)

        is_over.set()
        stack.close()

        assert begun.acquire(timeout=SECONDS)


def test_stopping_ends_streams_whole_though_they_sleep() -> None:
    with running() as site, connected(site.port) as client:
        client.ask("/stream?patience=1000")
        client.head()
        assert client.chunk() == b"hello\n"

        site.web.stop()

        assert client.chunk() == b""
        assert client.is_at_end()


def test_stopping_lets_a_running_request_finish() -> None:
    with running() as site, connected(site.port) as client:
        client.ask("/slow")
        until(lambda: site.streams.slow == 1, "the slow request to begin")

        site.web.stop(seconds=20)

        reply = client.reply()
        assert (reply.body, reply.headers["connection"]) == (b"GET /slow ", "close")


def test_stopping_ends_idle_connections_and_refuses_new_ones() -> None:
    with running() as site, connected(site.port) as client:
        assert client.get("/x").status == 200

        site.web.stop()

        assert client.is_at_end()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", site.port), timeout=5)
    assert site.web.connection_count == 0
