"""Event logs are read as Spark leaves them, in bounded memory, whatever is in them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from chalicelib.providers.registry import reference_prices
from sparkanywhere.sizing.advice import advise
from sparkanywhere.sizing.event_stream import LINE_BYTES, LogFile, LogUnreadable, events
from sparkanywhere.sizing.run_profile import HEAP, PYTHON_RSS, RunProfile, profile
from tests.unit.sparkanywhere.sizing.synthetic import SIZES

LOGS = Path(__file__).parents[3] / "data" / "eventlogs"
PLENTY = 64 * 1024**2
START = b'{"Event":"SparkListenerApplicationStart","Timestamp":1}\n'


def recorded(name: str) -> Iterator[LogFile]:
    place = LOGS / name
    for path in sorted(place.iterdir()) if place.is_dir() else [place]:
        with path.open("rb") as file:
            yield path.name, file


def read(name: str) -> RunProfile:
    return profile(events(recorded(name), most_bytes=PLENTY))


def of(content: bytes, name: str = "spark-1") -> list[object]:
    return list(events([(name, io.BytesIO(content))], most_bytes=PLENTY))


@pytest.mark.parametrize(
    ("name", "tasks", "seconds", "heap", "python"),
    [
        ("spark-359", 29, 66, 464, 186),
        ("eventlog_v2_spark-414", 61, 124, 502, 216),
        ("eventlog_v2_spark-430", 29, 51, 449, 195),
    ],
)
def test_logs_of_real_spark_tell_tasks_memory_and_time(
    name: str, tasks: int, seconds: int, heap: int, python: int
) -> None:
    run = read(name)

    assert (run.totals.tasks, run.totals.failed, len(run.executors)) == (tasks, 0, 2)
    assert len(run.stages) == 10
    assert int(run.seconds) == seconds
    assert run.is_memory_known
    assert (int(run.peak(HEAP)), int(run.peak(PYTHON_RSS))) == (heap, python)
    assert run.driver.peaks[HEAP] > 0
    assert 0 < run.busy_seconds < run.core_seconds
    assert run.totals.gc_seconds > 0
    assert [each.cores for each in run.executors.values()] == [2, 2]
    assert all(each.most_tasks >= 2 for each in run.executors.values())


def test_the_schedule_explains_a_real_run_and_its_memory_fits_in_less() -> None:
    run = read("eventlog_v2_spark-414")
    run.properties["spark.executor.memory"] = "12g"  # as if it had asked for much more than it used

    advice = advise(run, price_list=reference_prices(), sizes=SIZES)

    assert advice.shape is not None
    assert advice.shape.memory_mib <= 4096
    assert advice.share < 0.75


@pytest.mark.parametrize("broken", [b"{", b"[]", b"{}" * 9, b'{"Event":', b"\xff\xfe", b"[" * 100_000])
def test_lines_that_are_no_events_are_left_out(broken: bytes) -> None:
    started = b'{"Event":"SparkListenerApplicationStart"' + broken

    assert len(of(START + broken + b"\n" + started + b"\n" + START)) == 2


def test_a_line_without_end_is_read_in_pieces() -> None:
    assert len(of(START + b"x" * (2 * LINE_BYTES + 7) + b"\n" + START)) == 2


def test_a_log_that_unpacks_to_more_than_is_allowed_is_refused() -> None:
    bomb = zstandard.ZstdCompressor().compress((b"x" * 65_535 + b"\n") * 1025)

    assert len(bomb) < 100_000
    with pytest.raises(LogUnreadable, match="more than 64 MiB"):
        of(bomb, "events_1_spark-1.zstd")


def test_a_compressed_log_that_is_still_written_is_read_as_far_as_it_goes() -> None:
    whole = b"".join(b'{"Event":"SparkListenerTaskEnd","n":%d}\n' % number for number in range(20_000))
    packed = zstandard.ZstdCompressor(1).compress(whole)

    found = of(packed[: len(packed) // 2], "spark-1.zstd.inprogress")

    assert 0 <= len(found) < 20_000
    assert len(of(packed + packed, "spark-1.zstd")) == 40_000  # Spark flushes frame by frame


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("spark-1.lz4", b"LZ4Block", "compressed by lz4: zstd is read, Spark's default"),
        ("events_1_spark-1.snappy", b"", "compressed by snappy"),
        ("events_3_spark-1.compact", b"", "was compacted"),
        ("events_1_spark-1.zstd", b"no zstd", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, content: bytes, said: str) -> None:
    with pytest.raises(LogUnreadable, match=said):
        of(content, name)


def test_a_file_that_is_no_event_log_is_said_to_be_none() -> None:
    with pytest.raises(LogUnreadable, match="does not tell of its start"):
        profile(events([("spark-1", io.BytesIO(b"something else\n"))], most_bytes=PLENTY))


def test_a_log_with_too_many_tasks_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparkanywhere.sizing.run_profile.MOST_TASKS", 10)
    line = json.dumps({"Event": "SparkListenerTaskEnd"}, separators=(",", ":")).encode() + b"\n"

    with pytest.raises(LogUnreadable, match="more than 10 tasks"):
        profile(events([("spark-1", io.BytesIO(START + line * 11))], most_bytes=PLENTY))
