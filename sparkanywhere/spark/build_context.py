"""The context of an image's build, as a tar that is written while the engine reads it."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Full, Queue
from typing import Any

from sparkanywhere.spark.base_image import ImageFailed
from sparkanywhere.spark.progress import Progress, Step

PIECE_BYTES = 1 << 20
PIECES_AHEAD = 8  # the engine sets the pace
GIVE_UP_SECONDS = 300.0  # an engine that takes no piece for so long has gone


def pieces(files: Mapping[str, Path], total_bytes: int, progress: Progress) -> Iterator[bytes]:
    """Yield a tar of the files while it is being written: 460 MB fit neither in memory nor on a full disk."""
    ready: Queue[bytes | Exception | None] = Queue(PIECES_AHEAD)
    gone = threading.Event()
    writer = threading.Thread(target=_write, args=(files, ready, gone), name="image-context", daemon=True)
    writer.start()
    done_bytes = 0
    try:
        while (piece := ready.get()) is not None:
            if isinstance(piece, Exception):
                raise ImageFailed(f"Could not read the files for the image: {piece}") from piece
            done_bytes += len(piece)
            progress(Step("Handing Spark to the engine", min(done_bytes, total_bytes), total_bytes))
            yield piece
    finally:
        gone.set()


class _Pipe(io.RawIOBase):
    """A file for tarfile to write to, whose pieces another thread takes."""

    def __init__(self, ready: Queue[bytes | Exception | None], gone: threading.Event) -> None:
        self._ready = ready
        self._gone = gone

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # whatever has the bytes
        waited = 0.0
        while True:
            try:
                self._ready.put(bytes(data), timeout=1.0)
                return len(data)
            except Full:
                waited += 1.0
                if self._gone.is_set() or waited > GIVE_UP_SECONDS:
                    raise BrokenPipeError("the engine stopped reading") from None


def _write(files: Mapping[str, Path], ready: Queue[bytes | Exception | None], gone: threading.Event) -> None:
    try:
        with (
            io.BufferedWriter(_Pipe(ready, gone), PIECE_BYTES) as pipe,
            tarfile.open(fileobj=pipe, mode="w|", bufsize=PIECE_BYTES) as tar,
        ):
            for inside, path in files.items():
                tar.add(path, inside, recursive=False, filter=_anonymous)
        ready.put(None)
    except Exception as error:  # the reader raises it
        if not gone.is_set():
            ready.put(error)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Remove the builder's user, so that the layer is the same for every builder."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
