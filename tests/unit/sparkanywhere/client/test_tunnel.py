"""A port that a command carries to a task, with programs that stand for the command."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

import pytest

from sparkanywhere.client.tunnel import Tunnel, TunnelFailed
from tests.waiting import until

LISTENS = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\nwhile True: s.accept()"


def running(program: str) -> Tunnel:
    def command(port: int) -> Sequence[str]:
        return (sys.executable, "-c", program, str(port))

    return Tunnel(command)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_command_listens_within_the_with_and_ends_with_it() -> None:
    with running(LISTENS) as tunnel:
        assert is_open(tunnel.port)

    until(lambda: not is_open(tunnel.port), "the command to end")


def test_a_command_that_ends_is_told_with_its_last_words() -> None:
    with pytest.raises(TunnelFailed, match=r"(?s)No port is carried .* -c .*\n  TargetNotConnected: no agent"):
        running("raise SystemExit('TargetNotConnected: no agent')").__enter__()


def test_a_command_that_is_not_there_is_told() -> None:
    with pytest.raises(TunnelFailed, match="no-such-aws is not installed here, which is to run: no-such-aws ssm"):
        Tunnel(lambda _port: ("no-such-aws", "ssm")).__enter__()
