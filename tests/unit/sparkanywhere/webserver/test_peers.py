"""Whose connection it is, as Linux tells."""

from __future__ import annotations

import os
import socket

import pytest

from sparkanywhere.webserver.peers import knows_peers, peer_uid
from tests.descriptors import no_descriptors

BOTH = pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"]
)


def pair(family: socket.AddressFamily, host: str) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection: the server's and the client's."""
    with socket.create_server((host, 0), family=family) as listener:
        client = socket.create_connection(listener.getsockname()[:2])
        return listener.accept()[0], client


@BOTH
def test_a_connection_is_the_users_who_made_it(family: socket.AddressFamily, host: str) -> None:
    ours, theirs = pair(family, host)

    with ours, theirs:
        assert peer_uid(ours) == os.getuid()
        theirs.shutdown(socket.SHUT_WR)
        assert peer_uid(ours) == os.getuid()  # who has no more to say still listens


def test_a_connection_by_a_socket_of_both_families_is_known_too() -> None:
    """Java's are such."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET6) as theirs:
        theirs.connect((f"::ffff:{listener.getsockname()[0]}", listener.getsockname()[1]))
        with listener.accept()[0] as ours:
            assert peer_uid(ours) == os.getuid()


@BOTH
def test_a_connection_that_its_maker_has_closed_is_nobodys(family: socket.AddressFamily, host: str) -> None:
    """The kernel says root of it: a request that is sent and left behind would come from root."""
    ours, theirs = pair(family, host)

    with ours:
        theirs.sendall(b"POST / HTTP/1.1\r\n")
        theirs.close()

        assert peer_uid(ours) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@BOTH
def test_another_users_connection_is_that_users(family: socket.AddressFamily, host: str) -> None:
    with socket.create_server((host, 0), family=family) as listener:
        child = os.fork()
        if child == 0:
            os.setuid(12345)
            with socket.create_connection(listener.getsockname()[:2]) as sock:
                sock.recv(1)
            os._exit(0)
        with listener.accept()[0] as ours:
            seen = peer_uid(ours)
        os.waitpid(child, 0)

    assert seen == 12345


def test_what_is_no_connection_is_nobodys() -> None:
    one, other = socket.socketpair()

    with one, other, socket.socket() as unconnected:
        assert peer_uid(one) is None
        assert peer_uid(unconnected) is None


def test_without_file_descriptors_it_is_not_said_to_be_nobodys() -> None:
    ours, theirs = pair(socket.AF_INET, "127.0.0.1")

    with ours, theirs, no_descriptors(), pytest.raises(OSError, match="Too many open files"):
        peer_uid(ours)


def test_linux_tells() -> None:
    assert knows_peers()
