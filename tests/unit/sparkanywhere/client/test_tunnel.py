"""A port that a command carries to a task, with programs that stand for the command."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sparkanywhere.client.tunnel import Tunnel, TunnelFailed, owners_of
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


def test_who_listens_on_a_port_is_known(tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    table.write_text(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
        "   0: 0100007F:3A9A 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001\n"
        "   1: 0100007F:3A9A 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1002\n"
        "   2: 0100007F:3A9B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1003\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as own:
        assert owners_of(own.getsockname()[1]) <= {os.getuid()}

    assert owners_of(0x3A9A, [str(table), "/none"]) == {1001}
