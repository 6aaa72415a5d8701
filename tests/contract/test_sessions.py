"""What every InteractiveProvider promises of its sessions."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing

import pytest

from chalicelib.providers.base import LogOptions, TaskNotFound
from chalicelib.providers.extensions import Measures
from chalicelib.providers.interactive import PIECE_BYTES, CannotRun, Session, Streams
from tests.contract.provider_backends import LookedInto, ended, output
from tests.waiting import SECONDS, until

WITH_INPUT = Streams(stdin=True)
TERMINAL = Streams(stdin=True, tty=True, stderr=False)

# Answers each connection to port 9999 with what it got until the peer said no more, in capitals.
ECHO_SERVER = (
    "command -v python3 >/dev/null || { (until netstat -ltn | grep -q :9999; do :; done; echo up) &"
    " exec nc -ll -p 9999 -e tr a-z A-Z; }\n"  # busybox, in a container
    "python3 -c \"import socket; s = socket.create_server(('', 9999)); print('up', flush=True)\n"
    "while True:\n"
    "  c = s.accept()[0]; d = b''\n"
    "  while (p := c.recv(99)): d += p\n"
    '  c.sendall(d.upper()); c.close()"'
)


def read_until(session: Session, word: bytes) -> bytes:
    """Return the output up to the first piece that completes `word`."""
    said = b""
    deadline = time.monotonic() + SECONDS
    while word not in said:
        piece = session.read()
        assert piece is not None, said
        assert time.monotonic() < deadline, said
        said += piece[1]
    return said


def test_a_command_has_two_outputs_and_an_exit_code(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")

    session = sessions.interactive.exec(handle, "main", ["sh", "-c", "echo out; echo err >&2; exit 7"], Streams())

    assert output(session) == {"stdout": b"out\n", "stderr": b"err\n"}
    assert session.exit_code() == 7
    session.close()


def test_death_by_a_signal_is_128_and_its_number(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")

    session = sessions.interactive.exec(handle, "main", ["sh", "-c", "kill -TERM $$"], Streams())

    output(session)
    assert session.exit_code() == 128 + 15
    session.close()


def test_a_command_sees_the_containers_variables_and_directory(sessions: LookedInto) -> None:
    handle = sessions.run("export WHERE=here; pwd > there; exec env SEEN=$WHERE sleep 600")

    compare = "until [ -s there ]; do sleep 0.02; done; test $(pwd) = $(cat there)"
    session = sessions.interactive.exec(handle, "main", ["sh", "-c", compare], Streams())

    output(session)
    assert session.exit_code() == 0
    session.close()


def test_input_arrives_whole_and_ends(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")
    session = sessions.interactive.exec(handle, "main", ["wc", "-c"], WITH_INPUT)

    session.write(b"x" * 3_000_000)
    session.end_input()

    assert output(session)["stdout"].split() == [b"3000000"]
    session.close()


def test_output_comes_in_bounded_pieces(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")
    session = sessions.interactive.exec(handle, "main", ["head", "-c", "1000000", "/dev/zero"], Streams())

    sizes = []
    while (piece := session.read()) is not None:
        sizes.append(len(piece[1]))

    assert sum(sizes) == 1_000_000
    assert max(sizes) <= PIECE_BYTES
    session.close()


def test_streams_that_are_not_asked_for_are_silent(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")
    streams = Streams(stdout=False, stderr=True)

    session = sessions.interactive.exec(handle, "main", ["sh", "-c", "echo out; echo err >&2"], streams)

    assert output(session) == {"stdout": b"", "stderr": b"err\n"}
    session.close()


def test_a_terminal_is_one_and_has_a_size(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")
    session = sessions.interactive.exec(handle, "main", ["sh"], TERMINAL)
    session.resize(columns=100, rows=40)

    session.write(b"test -t 0 && test -t 1 && test -t 2 && stty size\n")
    seen = read_until(session, b"40 100")
    session.write(b"exit 3\n")

    assert b"40 100" in seen
    output(session)
    assert session.exit_code() == 3
    session.close()


# A shell that is about to become its last command may lose a signal; one that traps it does not.
HEEDS_INTERRUPTS = "trap 'exit 130' INT; echo ready; while :; do sleep 0.1; done"


def test_control_c_on_a_terminal_interrupts(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")
    session = sessions.interactive.exec(handle, "main", ["sh", "-c", HEEDS_INTERRUPTS], TERMINAL)
    read_until(session, b"ready")

    session.write(b"\x03")

    output(session)
    assert session.exit_code() == 128 + 2
    session.close()


def test_closing_kills_the_command_and_wakes_the_reader(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")
    session = sessions.interactive.exec(handle, "main", ["sleep", "600"], WITH_INPUT)
    reader = threading.Thread(target=output, args=(session,))
    reader.start()

    session.close()
    session.close()

    reader.join(timeout=SECONDS)
    assert not reader.is_alive()
    assert session.exit_code() == 128 + 9
    with pytest.raises(OSError, match="closed"):
        session.write(b"x")


def test_who_writes_to_a_command_that_reads_nothing_is_freed_by_close(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")
    session = sessions.interactive.exec(handle, "main", ["sleep", "600"], WITH_INPUT)
    failed = threading.Event()

    def write() -> None:
        try:
            session.write(b"x" * 10_000_000)
        except OSError:
            failed.set()

    writer = threading.Thread(target=write)
    writer.start()
    session.read()  # a sign of life: by now the pipe is full

    session.close()

    assert failed.wait(timeout=SECONDS)
    writer.join()


def test_a_command_ends_with_its_container(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")
    session = sessions.interactive.exec(handle, "main", ["sleep", "600"], Streams())

    sessions.provider.stop(handle, grace_seconds=0)

    output(session)
    assert session.exit_code() == 128 + 9
    session.close()


def test_a_program_that_is_not_there_cannot_run(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")

    with pytest.raises(CannotRun, match="no-such-program"):
        sessions.interactive.exec(handle, "main", ["no-such-program"], Streams())


def test_nothing_runs_where_no_container_does(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")

    with pytest.raises(TaskNotFound):
        sessions.interactive.exec(handle, "other", ["true"], Streams())
    with pytest.raises(TaskNotFound):
        sessions.interactive.exec("no-such-task", "main", ["true"], Streams())
    sessions.provider.stop(handle, grace_seconds=0)
    ended(sessions.provider, handle)
    with pytest.raises(TaskNotFound):
        sessions.interactive.exec(handle, "main", ["true"], Streams())
    with pytest.raises(TaskNotFound):
        sessions.interactive.attach(handle, "main", Streams())
    with pytest.raises(TaskNotFound):
        sessions.interactive.connect(handle, 80)


def test_attaching_shows_what_comes_and_ends_with_the_container(sessions: LookedInto) -> None:
    handle = sessions.run("echo before; while [ ! -e go ]; do sleep 0.02; done; echo after")
    session = sessions.interactive.attach(handle, "main", Streams())
    session.read()

    touch = sessions.interactive.exec(handle, "main", ["touch", "go"], Streams())

    assert b"after\n" in output(session)["stdout"]
    assert session.exit_code() is None
    for one in (session, touch):
        one.close()


def test_closing_an_attachment_leaves_the_container_alone(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")
    session = sessions.interactive.attach(handle, "main", Streams())

    session.close()

    assert session.read() is None
    (state,) = sessions.provider.describe([handle])
    assert state.phase == "running"


@pytest.mark.parametrize("says_so", [True, False], ids=["ended", "left"])
def test_input_that_is_open_once_ends_with_the_first_attachment(sessions: LookedInto, says_so: bool) -> None:
    handle = sessions.run("cat; echo over", stdin=True, stdin_once=True)
    session = sessions.interactive.attach(handle, "main", WITH_INPUT)

    session.write(b"first\n")
    said = read_until(session, b"first\n")
    if says_so:
        session.end_input()
        said += output(session)["stdout"]
        assert said == b"first\nover\n"
    session.close()

    assert ended(sessions.provider, handle).containers[0].exit_code == 0
    assert b"".join(sessions.provider.logs(handle, "main", LogOptions())) == b"first\nover\n"


def test_input_stays_open_for_the_next_attachment(sessions: LookedInto) -> None:
    handle = sessions.run("cat", stdin=True)

    for word in (b"first\n", b"second\n"):
        with closing(sessions.interactive.attach(handle, "main", WITH_INPUT)) as session:
            session.write(word)
            read_until(session, word)
            session.end_input()

    (state,) = sessions.provider.describe([handle])
    assert state.phase == "running"


def test_input_waits_for_the_first_attachment(sessions: LookedInto) -> None:
    handle = sessions.run("read line; echo got $line", stdin=True, stdin_once=True)
    session = sessions.interactive.attach(handle, "main", Streams(stdout=True))

    other = sessions.interactive.attach(handle, "main", WITH_INPUT)
    other.write(b"it\n")

    assert output(session)["stdout"] == b"got it\n"
    for each in (session, other):
        each.close()


def test_a_port_is_reached_in_both_directions(sessions: LookedInto) -> None:
    handle = sessions.run(ECHO_SERVER)
    until(lambda: b"up" in b"".join(sessions.provider.logs(handle, "main", LogOptions())), "the server is up")

    with sessions.interactive.connect(handle, 9999) as sock:
        sock.sendall(b"hello")
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as answer:
            assert answer.read() == b"HELLO"


def test_a_port_where_nobody_listens_is_an_error(sessions: LookedInto) -> None:
    handle = sessions.run("sleep 600")

    with pytest.raises(OSError, match="refused"):
        sessions.interactive.connect(handle, 1)


def test_what_a_task_uses_is_measured(sessions: LookedInto) -> None:
    measures = sessions.interactive
    assert isinstance(measures, Measures)
    handle = sessions.run("while :; do :; done")

    until(lambda: any(each.cpu_seconds > 0.2 for each in measures.measure(handle)), "the loop to have used a processor")
    (before,) = measures.measure(handle)
    (after,) = measures.measure(handle)

    assert (before.name, after.cpu_seconds >= before.cpu_seconds) == ("main", True)
    assert 0 < after.memory_bytes < 200_000_000
