"""Build `sparkanywhere/spark:<version>` without a registry: Debian's packages below, PyPI's pyspark on top.

A base with Java and Python, a SPARK_HOME of spark_distribution, then images/Dockerfile, its context written on the way.
Measured in 2026-11 on two cores: mmdebstrap on a RAM disk takes 23 s, two to three times as fast as every other way
that leaves a complete system; it names no mirror, so that Debian's own and its security updates are used.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Full, Queue
from typing import Any

from sparkanywhere.project import PROJECT
from sparkanywhere.python_packages import PackagesFailed, Runtime, as_lines, ensure_packages, spark_needs
from sparkanywhere.spark.progress import Progress, Step
from sparkanywhere.spark.spark_distribution import SparkUnavailable, ensure

SUITE = "bookworm"
PACKAGES = ("openjdk-17-jre-headless", "python3", "tini", "procps", "ca-certificates")
# Documentation in a container is never read; excluding it while installing breaks the JRE's own script.
SLIM = 'cd "$1" && rm -rf usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/locale/* var/lib/apt/lists/*'
RECIPE = 1  # goes up when the same packages would give another image
BASE_REPOSITORY = "sparkanywhere/base"
RAM_DISK = Path("/dev/shm")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED_BYTES = 1_500_000_000  # the unpacked system and its tar
BUILD_SECONDS = 1200  # 23 s here; a slow mirror gets patience
FOLDER = PROJECT / "images"
REPOSITORY = "sparkanywhere/spark"
OWN_FILES = ("Dockerfile", "entrypoint.sh", "decom.sh")
# this machine's Java, and what jobs run from this SPARK_HOME have left behind
LEFT_OUT = frozenset({"JAVA_HOME", "java", "logs", "work"})
TITLE_LABEL, TITLE = "org.opencontainers.image.title", "Apache Spark"
PACKAGES_LABEL = "io.sparkanywhere.python-packages"
UNUSED = frozenset({"tests", "include", "bin"})  # of Python packages, in a container
PIECE_BYTES = 1 << 20
PIECES_AHEAD = 8  # the engine sets the pace
GIVE_UP_SECONDS = 300.0  # an engine that takes no piece for so long has gone


class ImageFailed(Exception):
    """An image could not be made; str() is one sentence for the user."""


def base_name() -> str:
    """Return the tag of the base, which changes with what is in it."""
    content = f"{RECIPE} {SUITE} {' '.join(PACKAGES)} {SLIM}"
    return f"{BASE_REPOSITORY}:{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def has_image(client: Any, name: str) -> bool:
    """Return whether the engine has an image."""
    from docker.errors import ImageNotFound  # whoever has a client has the SDK; it is an extra

    try:
        client.inspect_image(name)
    except ImageNotFound:
        return False
    return True


def ensure_base(client: Any, progress: Progress) -> str:  # a docker.APIClient, whose stubs know half of it
    """Return the name of the base image, made if the engine has none. Raises ImageFailed."""
    from docker.errors import APIError

    name = base_name()
    if has_image(client, name):
        return name
    program = shutil.which("mmdebstrap")
    if program is None:
        raise ImageFailed(
            "mmdebstrap is missing, which makes the base of the Spark image: apt-get install mmdebstrap; where there"
            " is none, as on macOS, take an image that exists, as by --image apache/spark:4.3.0."
        )
    with _scratch() as folder:
        tar = folder / "base.tar"
        _bootstrap(program, tar, progress)
        progress(Step("Handing the base system to the engine"))
        repository, _, tag = name.partition(":")
        try:
            client.import_image_from_file(str(tar), repository=repository, tag=tag, changes=[f"ENV PATH={PATH}"])
            client.inspect_image(name)  # an import that failed half-way answers 200 as well
        except APIError as error:
            raise ImageFailed(f"The engine did not take the base system: {error.explanation or error}.") from error
    return name


def _bootstrap(program: str, tar: Path, progress: Progress) -> None:
    """Write a Debian with PACKAGES as a tar file. Root is not needed where user namespaces are."""
    command = [program, "--variant=apt", f"--include={','.join(PACKAGES)}", f"--customize-hook={SLIM}"]
    log = tar.with_name("mmdebstrap.log")
    environ = {**os.environ, "TMPDIR": str(tar.parent)}
    with log.open("w") as said:
        process = subprocess.Popen(
            [*command, SUITE, str(tar)],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            for line in process.stdout or ():
                said.write(line)
                if line.startswith("I: "):
                    progress(Step(f"Base system: {line.removeprefix('I: ').strip()[:60]}"))
            code = process.wait(BUILD_SECONDS)
    if code:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("E: ")]
        # The last error is only that an inner command failed.
        why = (errors or lines or ["it printed nothing"])[0].removeprefix("E: ")
        raise ImageFailed(f"mmdebstrap could not make the base system: {why}")


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield a folder with room for the system, in RAM if there is enough; remove it afterwards."""
    parent = RAM_DISK if _has_room(RAM_DISK) else Path(tempfile.gettempdir())
    if not _has_room(parent):
        raise ImageFailed(f"The base system needs 1.5 GB of free space in {RAM_DISK} or {parent}.")
    folder = Path(tempfile.mkdtemp(prefix="sparkanywhere-", dir=parent))
    try:
        folder.chmod(0o755)  # mmdebstrap's other user looks in
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > NEEDED_BYTES


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
    if not again and _is_current(client, name, version):
        return name
    try:
        base = ensure_base(client, progress)
        home = ensure(version, cache=cache, environ=environ, progress=progress)
        progress(Step("Installing pandas and pyarrow for the image"))
        runtime = Runtime(machine=str(client.info()["Architecture"]))
        packages = ensure_packages(as_lines(spark_needs(version)), runtime, cache=cache)
    except (SparkUnavailable, PackagesFailed) as error:
        raise ImageFailed(str(error)) from error
    build(client, name, base=base, home=home, packages=packages, progress=progress)
    return name


def _is_current(client: Any, name: str, version: str) -> bool:
    """Return whether the engine has the image, and it is no older one of ours, without the packages of today."""
    if not has_image(client, name):
        return False
    labels = client.inspect_image(name)["Config"].get("Labels") or {}
    return labels.get(TITLE_LABEL) != TITLE or labels.get(PACKAGES_LABEL) == as_lines(spark_needs(version))


def build(client: Any, name: str, *, base: str, home: Path, packages: Path, progress: Progress) -> None:
    """Build an image of a SPARK_HOME and a folder of Python packages. Repeatable. Raises ImageFailed."""
    from docker.errors import APIError

    files = context_files(home, packages)
    total_bytes = sum(path.stat().st_size for path in files.values())
    try:
        lines = client.build(
            fileobj=pieces(files, total_bytes, progress),
            custom_context=True,
            tag=name,
            buildargs={"BASE": base},
            labels={
                TITLE_LABEL: TITLE,
                PACKAGES_LABEL: as_lines(spark_needs(home.name)),
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
    except APIError as error:
        raise ImageFailed(f"The engine could not build {name}: {error.explanation or error}") from error


def context_files(home: Path, packages: Path) -> dict[str, Path]:
    """Return what the build context holds: path in it -> file on this machine."""
    files = {name: FOLDER / name for name in OWN_FILES}
    for path in sorted(home.rglob("*")):
        inside = path.relative_to(home)
        if path.is_file() and inside.parts[0] not in LEFT_OUT:
            files[f"spark/{inside.as_posix()}"] = path
    for path in sorted(packages.rglob("*")):
        inside = path.relative_to(packages)
        if path.is_file() and not UNUSED.intersection(inside.parts):
            files[f"python/{inside.as_posix()}"] = path
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
