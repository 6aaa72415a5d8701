"""Stored output, written and read back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.providers.base import LogOptions, LogStream
from chalicelib.providers.stored_logs import Formatter, last_lines, parts, read
from chalicelib.providers.supervised.supervisor.output import LINE_LIMIT, STDERR, STDOUT, LogWriter, stamp

EARLY = b"2026-01-02T03:04:05.000000006Z"
LATE = b"2026-01-02T03:04:06.000000000Z"
STREAMS: tuple[tuple[LogStream, bytes], ...] = (("stdout", STDOUT), ("stderr", STDERR))


def whole(path: Path, options: LogOptions | None = None) -> bytes:
    """Return a log as one."""
    return b"".join(read(path, options or LogOptions()))


def test_a_stamp_has_nine_digits() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    assert stamp(int(moment.timestamp()) * 10**9 + 6) == EARLY


def test_lines_before_a_moment_are_left_out() -> None:
    formatter = Formatter(LogOptions(since=datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)))

    assert formatter.format([EARLY + b" F old", LATE + b" F new"]) == b"new\n"


def test_a_line_in_parts_has_one_timestamp() -> None:
    formatter = Formatter(LogOptions(timestamps=True))

    assert formatter.format([EARLY + b" P a", LATE + b" F b", LATE + b" F c"]) == EARLY + b" ab\n" + LATE + b" c\n"


def test_a_limit_holds_across_pieces() -> None:
    formatter = Formatter(LogOptions(limit_bytes=5))

    pieces = [formatter.format([EARLY + b" F one"]), formatter.format([EARLY + b" F two"])]

    assert pieces == [b"one\n", b"t"]
    assert formatter.full


def test_lines_in_parts_count_once() -> None:
    stored = [EARLY + b" F a", EARLY + b" P b", EARLY + b" F c", EARLY + b" P d", EARLY + b" F e"]

    assert last_lines(stored, 1) == stored[3:]
    assert last_lines(stored, 2) == stored[1:]
    assert last_lines(stored, 3) == stored
    assert last_lines(stored, 0) == []


def test_an_open_last_line_counts() -> None:
    stored = [EARLY + b" F a", EARLY + b" P b"]

    assert last_lines(stored, 1) == stored[1:]


def test_old_output_is_dropped_file_by_file(tmp_path: Path) -> None:
    writer = LogWriter(str(tmp_path / "0.log"), limit=400, files=3)
    for number in range(100):
        writer.write(f"line{number}\n".encode(), STDOUT)
    writer.close()

    lines = whole(tmp_path / "0.log").decode().splitlines()

    assert [path.name for path in parts(tmp_path / "0.log")] == ["0.log.2", "0.log.1", "0.log"]
    assert all(path.stat().st_size <= 400 for path in parts(tmp_path / "0.log"))
    assert lines == [f"line{number}" for number in range(100 - len(lines), 100)]
    assert whole(tmp_path / "0.log", LogOptions(tail_lines=12)).decode().splitlines() == lines[-12:]


def test_a_log_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert whole(tmp_path / "0.log") == b""


CHUNKS = st.binary(max_size=40) | st.just(b"\n") | st.just(b"x" * (LINE_LIMIT + 7))


@given(chunks=st.lists(st.tuples(CHUNKS, st.sampled_from([STDOUT, STDERR])), max_size=12))
def test_what_was_written_is_read(tmp_path_factory: object, chunks: list[tuple[bytes, bytes]]) -> None:
    path = tmp_path_factory.mktemp("log") / "0.log"  # type: ignore[attr-defined]  # pytest's own type is private
    writer = LogWriter(str(path), limit=10**9, files=2)
    for chunk, stream in chunks:
        writer.write(chunk, stream)
    writer.close()

    for name, wanted in STREAMS:
        expected = b"".join(chunk for chunk, stream in chunks if stream == wanted)
        assert whole(path, LogOptions(stream=name)) == expected
    assert sorted(whole(path)) == sorted(b"".join(chunk for chunk, _ in chunks))
