"""Build `sparkanywhere/spark:<version>` without a registry: Debian's packages below, PyPI's pyspark on top.

base_image -> spark_distribution (a SPARK_HOME) -> images/Dockerfile, its context written on the way.
"""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Full, Queue
from typing import Any

import docker.errors

from sparkanywhere.spark.base_image import ImageFailed, ensure_base, has_image
from sparkanywhere.spark.progress import Progress, Step
from sparkanywhere.spark.spark_distribution import SparkUnavailable, ensure

FOLDER = Path(__file__).resolve().parents[2] / "images"
REPOSITORY = "sparkanywhere/spark"
OWN_FILES = ("Dockerfile", "entrypoint.sh", "decom.sh")
# this machine's Java, and what jobs run from this SPARK_HOME have left behind
LEFT_OUT = frozenset({"JAVA_HOME", "java", "logs", "work"})
PIECE_BYTES = 1 << 20
PIECES_AHEAD = 8  # the engine sets the pace
GIVE_UP_SECONDS = 300.0  # an engine that takes no piece for so long has gone


def image_name(version: str) -> str:
    """Return the name of the image for a version of Spark."""
    return f"{REPOSITORY}:{version}"


def ensure_image(
    client: Any,  # a docker.APIClient, whose stubs know half of it
    version: str,
    *,
    cache: Path,
    environ: Mapping[str, str],
    progress: Progress,
    again: bool = False,
) -> str:
    """Return the name of the image, built if the engine has none, or `again`.

    About 75 s the first time, 15 s for a further version, nothing the second time. Raises ImageFailed.
    """
    name = image_name(version)
    if not again and has_image(client, name):
        return name
    try:
        base = ensure_base(client, progress)
        home = ensure(version, cache=cache, environ=environ, progress=progress)
    except SparkUnavailable as error:
        raise ImageFailed(str(error)) from error
    _build(client, name, base=base, home=home, progress=progress)
    return name


def _build(client: Any, name: str, *, base: str, home: Path, progress: Progress) -> None:
    files = context_files(home)
    total_bytes = sum(path.stat().st_size for path in files.values())
    try:
        lines = client.build(
            fileobj=pieces(files, total_bytes, progress),
            custom_context=True,
            tag=name,
            buildargs={"BASE": base},
            labels={
                "org.opencontainers.image.title": "Apache Spark",
                "org.opencontainers.image.version": home.name,
            },
            rm=True,
            forcerm=True,
            decode=True,
        )
        for line in lines:
            if "error" in line:
                raise ImageFailed(f"The engine could not build {name}: {line['error']}")
            step = str(line.get("stream", "")).strip()
            if step.startswith("Step "):
                progress(Step(f"Building {name}: {step.partition(' : ')[0].lower()}"))
    except docker.errors.APIError as error:
        raise ImageFailed(f"The engine could not build {name}: {error.explanation or error}") from error


def context_files(home: Path) -> dict[str, Path]:
    """Return what the build context holds: path in it -> file on this machine."""
    files = {name: FOLDER / name for name in OWN_FILES}
    for path in sorted(home.rglob("*")):
        inside = path.relative_to(home)
        if path.is_file() and inside.parts[0] not in LEFT_OUT:
            files[f"spark/{inside.as_posix()}"] = path
    return files


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


def describe(client: Any, name: str) -> str:
    """Return one line on an image: name, size, id."""
    raw = client.inspect_image(name)
    return f"{name}: {raw['Size'] // 1_000_000} MB, {raw['Id'].removeprefix('sha256:')[:12]}"
