"""The events of an application's log that sizes depend on, read as a stream in bounded memory.

A log is one file, or since Spark 4.0 a folder of files that are rolled; from then on Spark compresses them, by zstd
(spark.eventLog.rolling.enabled, .compress, .compression.codec). Nothing in a log is trusted: whoever ran the job has
written it. Reference: Spark 4.3, EventLogFileWriters; JsonProtocol.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import zstandard

from sparkanywhere.client.failure import Failure

WANTED = (
    "ApplicationEnd",
    "ApplicationStart",
    "EnvironmentUpdate",
    "ExecutorAdded",
    "ExecutorRemoved",
    "StageCompleted",
    "StageExecutorMetrics",
    "TaskEnd",
)
STARTS = tuple(f'{{"Event":"SparkListener{each}"'.encode() for each in WANTED)
EVENTS = ("events_", "local-", "spark-", "app-", "application_")
LINE_BYTES = 4 * 1024**2  # of one event: a task has one of kilobytes
WINDOW_BYTES = 64 * 1024**2  # what a decompressor may take: Spark's level 1 needs half a MiB
PLAIN, ZSTD, COMPACT, UNFINISHED, STATUS = "", "zstd", ".compact", ".inprogress", "appstatus_"
OTHER_CODECS = ("lz4", "lzf", "snappy")

Event = dict[str, Any]  # Any: JSON of somebody else's
LogFile = tuple[str, BinaryIO]  # its name without folders, its bytes


class LogUnreadable(Failure):
    """An event log is not there, too large, or not one that we read; str() is one sentence."""


def events(files: Iterable[LogFile], *, most_bytes: int) -> Iterator[Event]:
    """Yield the events that matter, in the order of the log; broken lines, as an unfinished log ends in, are left out.

    Raises LogUnreadable where more than `most_bytes` would have to be read, decompressed.
    """
    left = most_bytes
    for name, raw in files:
        if name.startswith((STATUS, ".")):
            continue
        if name.endswith(COMPACT):
            raise LogUnreadable("Its event log was compacted: what Spark left out of it cannot be measured.")
        try:
            file = _plain(name, raw)
            while line := file.readline(LINE_BYTES):  # of a longer one its pieces
                left -= len(line)
                if left < 0:
                    raise LogUnreadable(f"Its event log has more than {most_bytes // 1024**2} MiB.")
                with suppress(ValueError, RecursionError):
                    if line.startswith(STARTS):  # so it is an object, if it is anything
                        yield json.loads(line)
        except (zstandard.ZstdError, OSError) as error:
            raise LogUnreadable(f"Its event log cannot be read: {error}.") from error


def _plain(name: str, raw: BinaryIO) -> io.BufferedReader | BinaryIO:
    codec = name.removesuffix(UNFINISHED).rpartition(".")[2]
    if codec in OTHER_CODECS:
        raise LogUnreadable(f"Its event log is compressed by {codec}: zstd is read, Spark's default.")
    if codec != ZSTD:
        return raw
    reader = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).stream_reader(raw, read_across_frames=True)
    return io.BufferedReader(reader, 1024**2)
