"""The web server, with a small Chalice app behind it, as clients on sockets see it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sparkanywhere.local.gateway import Gateway, refuse
from sparkanywhere.webserver.limits import DEFAULT_LIMITS
from sparkanywhere.webserver.messages import Application
from sparkanywhere.webserver.server import WebServer, listen
from tests.functional.web_client import SECONDS, WebClient, connected
from tests.functional.web_site import Site, running, small_gateway
from tests.waiting import until


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
    web = WebServer(Application(handler=Gateway(small_gateway(), kubeconfig=lambda *_: {}), refuse=refuse))
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(port)) for _ in range(800)]  # nobody accepts yet
        web.add_listener(listener)
        web.start()
        stack.callback(web.stop)

        clients[-1].ask("/x")

        assert clients[-1].reply().body == b"GET /x "


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
        assert client.get("/x").status == 200
        assert client.is_at_end()


def test_a_connection_without_a_first_request_is_closed_in_silence() -> None:
    with running(replace(DEFAULT_LIMITS, head_seconds=0.2)) as site, connected(site.port) as client:
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
