"""What one client may take of the web server, and what happens beyond it, as clients on sockets see it."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import replace

import pytest

from sparkanywhere.local.devserver import closed_to
from sparkanywhere.local.gateway import Gateway
from sparkanywhere.local.wrong_tokens import FREE, STEP_SECONDS
from sparkanywhere.webserver.limits import DEFAULT_LIMITS, MIB
from sparkanywhere.webserver.messages import LAST_CHUNK, Answer, Request, RequestHead, chunk
from sparkanywhere.webserver.peers import peer_uid
from tests.descriptors import no_descriptors
from tests.functional.web_client import SECONDS, connected
from tests.functional.web_site import running, small_gateway
from tests.waiting import until

OTHER = os.getuid() + 1  # of another user of this machine


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

    def peer(sock: socket.socket) -> int:
        return OTHER if sock.getpeername()[1] in strangers else os.getuid()

    with (
        running(limits, peer=peer, closed_to=lambda uid: "not you" if uid == OTHER else "") as site,
        contextlib.ExitStack() as stack,
    ):
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


@pytest.mark.parametrize("uid", [OTHER, OTHER + 1])
def test_another_user_of_the_machine_takes_no_room_from_its_user(uid: int) -> None:
    """He can come from any address of 127.0.0.0/8, so it is not his address that counts."""
    limits = replace(DEFAULT_LIMITS, connections=16, client_connections=3, neighbour_connections=2)
    neighbours = {f"127.0.0.{last}": uid for last in range(1, 9)}

    def peer(sock: socket.socket) -> int:
        return neighbours.get(sock.getpeername()[0], os.getuid())

    with running(limits, peer=peer) as site, contextlib.ExitStack() as stack:
        taken = [stack.enter_context(connected(site.port, source=address)) for address in neighbours]
        assert [each.reply().status for each in taken[limits.neighbour_connections :]] == [429] * 6
        assert taken[0].get("/x").status == 200

        neighbours.clear()
        ours = [stack.enter_context(connected(site.port, source="127.0.0.1")) for _ in range(3)]
        assert [each.get("/x").status for each in ours] == [200] * 3


def test_all_other_users_together_leave_room_for_its_user() -> None:
    limits = replace(DEFAULT_LIMITS, connections=8, client_connections=6, neighbour_connections=2)
    uids = [*range(OTHER, OTHER + 8), *[os.getuid()] * 6]
    with running(limits, peer=lambda _: uids.pop(0)) as site, contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(connected(site.port))
        ours = [stack.enter_context(connected(site.port)) for _ in range(6)]

        assert [each.get("/x").status for each in ours] == [200] * 6


def test_who_asks_nothing_at_first_is_cut_off_long_before_who_has_asked() -> None:
    limits = replace(DEFAULT_LIMITS, head_seconds=0.2)
    with running(limits) as site, connected(site.port) as known, connected(site.port) as silent:
        assert known.get("/x").status == 200

        assert silent.sock.recv(1) == b""

        assert known.get("/x").status == 200


def test_who_is_refused_before_he_is_asked_is_told_of() -> None:
    told: list[tuple[str, str, str]] = []
    with (
        running(
            peer=lambda _: OTHER,
            closed_to=lambda uid: f"not {uid}",
            forbidden=lambda head, client, why: told.append((head.path, client[0], why)),
        ) as site,
        connected(site.port) as asks,
        connected(site.port),
    ):
        assert asks.get("/x?token=1").status == 403

    assert told == [("/x", "127.0.0.1", f"not {OTHER}")]


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
    with running(peer=peer_uid, closed_to=closed_to) as site, contextlib.ExitStack() as stack:
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


def test_the_answer_to_a_wrong_token_comes_late_and_to_nothing_else() -> None:
    waits: list[float] = []
    gateway = Gateway(small_gateway(), kubeconfig=lambda *_: {}, pause=waits.append)

    def ask(path: str, address: str) -> int:
        return gateway(Request(RequestHead("GET", path, 1, {}), b"", (address, 1))).status

    assert {ask("/unauthorized", "10.0.0.1") for _ in range(FREE + 2)} == {401}
    assert ask("/x", "10.0.0.1") == 200
    assert ask("/unauthorized", "10.0.0.2") == 401

    assert waits == pytest.approx([0.0] * FREE + [STEP_SECONDS, 2 * STEP_SECONDS] + [0.0], abs=STEP_SECONDS / 2)
