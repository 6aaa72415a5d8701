"""exec and attach over a client's channels, with a session made for the test."""

from __future__ import annotations

import base64
import json
import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from chalicelib.apimachinery.rules.status import internal_error
from chalicelib.providers.interactive import Channel
from sparkanywhere.streaming.channels import WebSocketChannels
from sparkanywhere.streaming.remote_command import RemoteCommand, exit_status, refuse, terminal_size
from sparkanywhere.streaming.websocket import WebSocket
from tests.unit.sparkanywhere.streaming.conftest import Line
from tests.unit.sparkanywhere.streaming.ws_client import CloseConnection
from tests.waiting import until

SECONDS = 20.0


class FakeSession:
    """A command that says what the test lets it say, and keeps a diary."""

    def __init__(self, code: int | None = 0) -> None:
        self.says: queue.Queue[tuple[Channel, bytes] | None] = queue.Queue()
        self.diary: queue.Queue[str] = queue.Queue()
        self.closed = threading.Event()
        self.takes_input = True
        self.is_stuck = False
        self._code = code

    def read(self) -> tuple[Channel, bytes] | None:
        """Return what the test said."""
        return self.says.get(timeout=SECONDS)

    def write(self, data: bytes) -> None:
        """Write it down, or wait until the end."""
        if self.is_stuck:
            self.diary.put("stuck")
            self.closed.wait(2 * SECONDS)  # longer than any test waits for what must free it
        if not self.takes_input:
            raise BrokenPipeError
        self.diary.put(f"write {data.decode()}")

    def end_input(self) -> None:
        """Write it down."""
        self.diary.put("end_input")

    def resize(self, *, columns: int, rows: int) -> None:
        """Write it down."""
        self.diary.put(f"resize {columns}x{rows}")

    def exit_code(self) -> int | None:
        """Return what the test gave."""
        return self._code

    def close(self) -> None:
        """End, as a killed command does."""
        if not self.closed.is_set():
            self.closed.set()
            self.says.put(None)


class Start:
    """Carries sessions over the line."""

    def __init__(self, line: Line) -> None:
        self.threads: list[threading.Thread] = []
        self.sessions: list[FakeSession] = []
        self._line = line

    def __call__(
        self, session: FakeSession, *, protocol: str = "v5.channel.k8s.io", outlives_client: bool = True
    ) -> None:
        """Begin."""
        self.sessions.append(session)
        channels = WebSocketChannels(WebSocket(self._line.wire), protocol)
        command = RemoteCommand(channels, session, protocol=protocol, outlives_client=outlives_client)
        self.threads.append(threading.Thread(target=command.run))
        self.threads[-1].start()


@pytest.fixture
def start(line: Line) -> Iterator[Start]:
    """A function that carries a session over the line; all is over in the end."""
    begin = Start(line)
    yield begin
    line.client.sock.close()
    for session in begin.sessions:  # which ends a command that its client has left
        session.says.put(None)
        assert session.closed.wait(SECONDS)
    for thread in begin.threads:
        thread.join(timeout=SECONDS)
        assert not thread.is_alive()


def test_output_and_exit_code_come_on_their_channels(line: Line, start: Start) -> None:
    session = FakeSession(code=3)
    start(session)
    for piece in (("stdout", b"out"), ("stderr", b"err"), ("stdout", b"")):
        session.says.put(piece)
    session.says.put(None)

    heard = [line.client.hear() for _ in range(4)]

    assert heard[:2] == [b"\x01out", b"\x02err"]
    assert heard[2] is not None
    assert heard[2][:1] == b"\x03"
    assert json.loads(heard[2][1:])["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert heard[3] is None
    assert session.closed.wait(SECONDS)


def test_input_its_end_and_the_size_reach_the_session(line: Line, start: Start) -> None:
    session = FakeSession()
    start(session)
    for message in (b"\x00in", b"\x00", b'\x04{"Width":100,"Height":40}', b"\x04junk", b"\xff\x00", b"", b"\x09x"):
        line.client.say(message)

    diary = [session.diary.get(timeout=SECONDS) for _ in range(3)]

    assert diary == ["write in", "resize 100x40", "end_input"]


def test_the_command_of_a_client_that_leaves_runs_on_without_input(line: Line, start: Start) -> None:
    session = FakeSession()
    start(session)

    line.client.sock.close()

    assert session.diary.get(timeout=SECONDS) == "end_input"
    for _ in range(100):
        session.says.put(("stdout", b"nobody hears this"))
    until(session.says.empty, "all of it to be read")
    assert not session.closed.is_set()
    session.says.put(None)
    assert session.closed.wait(SECONDS)


def test_what_was_only_held_is_let_go_when_the_client_leaves(line: Line, start: Start) -> None:
    session = FakeSession()
    start(session, outlives_client=False)

    line.client.sock.close()

    assert session.closed.wait(SECONDS)
    assert session.diary.get(timeout=SECONDS) == "end_input"


@pytest.mark.parametrize("outlives_client", [True, False])
def test_a_client_that_leaves_while_its_input_waits_is_noticed(line: Line, start: Start, outlives_client: bool) -> None:
    session = FakeSession()
    session.is_stuck = True
    start(session, outlives_client=outlives_client)
    line.client.say(b"\x00nobody reads this")
    assert session.diary.get(timeout=SECONDS) == "stuck"
    line.client.sock.shutdown(socket.SHUT_RDWR)

    session.says.put(("stdout", b""))
    if outlives_client:
        session.says.put(None)

    assert session.closed.wait(SECONDS)


@pytest.mark.parametrize(
    ("protocol", "code", "heard"),
    [
        ("v5.channel.k8s.io", 0, b'\x03{"metadata": {}, "status": "Success"}'),
        ("v4.channel.k8s.io", 0, b'\x03{"metadata": {}, "status": "Success"}'),
        ("v4.base64.channel.k8s.io", 0, b"3eyJtZXRhZGF0YSI6IHt9LCAic3RhdHVzIjogIlN1Y2Nlc3MifQ=="),
        ("channel.k8s.io", 0, None),
        ("", 0, None),
        ("base64.channel.k8s.io", 0, None),
        ("channel.k8s.io", 3, b"\x03command terminated with non-zero exit code: exit status 3"),
        ("", 3, b"\x03command terminated with non-zero exit code: exit status 3"),
        (
            "base64.channel.k8s.io",
            3,
            b"3" + base64.b64encode(b"command terminated with non-zero exit code: exit status 3"),
        ),
    ],
)
def test_how_it_ended_is_told_as_the_protocol_has_it(
    line: Line, start: Start, protocol: str, code: int, heard: bytes | None
) -> None:
    session = FakeSession(code=code)
    start(session, protocol=protocol)

    session.says.put(None)

    assert line.client.hear() == heard


def test_a_command_that_takes_no_input_goes_on(line: Line, start: Start) -> None:
    session = FakeSession()
    session.takes_input = False
    start(session)
    line.client.say(b"\x00ignored")

    session.says.put(("stdout", b"still here"))

    assert line.client.hear() == b"\x01still here"


def test_a_session_that_could_not_be_had_is_told_on_the_error_channel(line: Line) -> None:
    channels = WebSocketChannels(WebSocket(line.wire), "v4.channel.k8s.io")
    error = internal_error("no such program")
    thread = threading.Thread(target=refuse, args=(channels, error, "v4.channel.k8s.io"))
    thread.start()

    message = line.client.hear()

    assert message is not None
    assert message[:1] == b"\x03"
    assert json.loads(message[1:])["message"] == "Internal error occurred: no such program"
    event = line.client.event()
    assert isinstance(event, CloseConnection)
    line.client.sock.close()
    thread.join(timeout=SECONDS)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b'{"Width":80,"Height":24}', (80, 24)),
        (b'{"Width":0,"Height":24}', None),
        (b'{"Width":80}', None),
        (b'{"Width":"x","Height":1}', None),
        (b'{"Width":1e9,"Height":1}', None),
        (b"[]", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_a_size_is_believed_only_if_it_is_one(data: bytes, size: tuple[int, int] | None) -> None:
    assert terminal_size(data) == size


@pytest.mark.parametrize(("code", "status"), [(0, "Success"), (None, "Success"), (1, "Failure")])
def test_success_is_no_code_or_zero(code: int | None, status: str) -> None:
    assert exit_status(code)["status"] == status
