"""Put a task's files and directories on the disk, before anything of it runs."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

from chalicelib.providers.base import ProviderUnavailable, Task, TaskRejected
from chalicelib.providers.supervised import spark
from chalicelib.providers.supervised.plan import ResolvedContainer

NAMED = "named-volumes"  # the folder of those that outlive tasks, in the provider's
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NOTHING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)  # not there; a link; a socket
_INVALID = "CreateContainerConfigError"


def keep(folder: Path, wanted: Callable[[], Collection[str]]) -> None:
    """Remove the named volumes in a folder whose sources nobody wants, asked after the look; see VolumeKeeper."""
    there = list(folder.iterdir()) if folder.is_dir() else []
    kept = {quote(source, safe="") for source in wanted()}  # as plan names them
    for volume in there:
        if volume.name not in kept:
            shutil.rmtree(volume, ignore_errors=True)


def volume_files(folder: Path, source: str, path: str) -> Iterator[tuple[str, BinaryIO]]:
    """Yield name and content of the file at a path of a named volume, or of those in a folder there.

    Whoever had the volume may have left links and pipes in it, or leave them meanwhile: none is followed. Raises
    ProviderUnavailable.
    """
    with contextlib.ExitStack() as stack:
        at: int | None = None
        for part in (str(folder), quote(source, safe=""), *PurePosixPath(path).parts):
            if (at := stack.enter_context(_opened(part, at))) is None:
                return
        if at is None or not stat.S_ISDIR(os.fstat(at).st_mode):
            yield from _content(PurePosixPath(path).name, at)
            return
        for name in sorted(os.listdir(at)):
            with _opened(name, at) as file:
                yield from _content(name, file)


@contextlib.contextmanager
def _opened(name: str, folder: int | None) -> Iterator[int | None]:
    """Open what has a name in an open folder, None if it is not there or a link."""
    found = None
    try:
        found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        if error.errno not in _NOTHING:
            raise ProviderUnavailable("VolumeUnreadable", f"The volume cannot be read: {error}") from error
    try:
        yield found
    finally:
        if found is not None:
            os.close(found)


def _content(name: str, file: int | None) -> Iterator[tuple[str, BinaryIO]]:
    if file is not None and stat.S_ISREG(os.fstat(file).st_mode):
        with open(file, "rb", closefd=False) as content:
            yield name, content


def check(task: Task) -> None:
    """Raise TaskRejected if there is nothing to run, or a name or path would lead out of the task's directory."""
    files = [file for volume in task.volumes for file in volume.files]
    mounts = [mount for container in task.containers for mount in container.mounts]
    for name in [one.name for one in task.containers] + [one.name for one in task.volumes]:
        if not _NAME.fullmatch(name):
            raise TaskRejected(_INVALID, f"{name!r} can't be the name of a container or volume here")
    for file in files:
        _check_inside(file.path)
    for mount in mounts:
        _check_inside(mount.sub_path or ".")
        if not PurePosixPath(mount.path).is_absolute() or mount.path.strip("/") == "":
            raise TaskRejected(_INVALID, f"a volume can't be mounted at {mount.path!r} here")
    if not task.containers:
        raise TaskRejected(_INVALID, "the task has no container")


def _check_inside(path: str) -> None:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\0" in path:
        raise TaskRejected(_INVALID, f"the path {path!r} leads out of its volume")


def place(resolved: list[ResolvedContainer]) -> None:
    """Create the directories and files of all containers of one task. Raises OSError."""
    first = resolved[0]
    first.directory.make_scratch()
    if any(one.spark for one in resolved):
        script = spark.entrypoint_script(first.host.python)
        _write(first.directory.program("entrypoint.sh"), script, 0o700)
    for one in resolved:
        one.directory.work(one.container.name).mkdir(parents=True, exist_ok=True)
        one.directory.log(one.container.name, 0).parent.mkdir(parents=True, exist_ok=True)
    for volume in first.task.volumes:
        root = first.volume_path(volume)
        if volume.kind != "host" or (first.host.isolated and not root.exists()):  # as container runtimes do
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Spark's own settings name paths of the container (jars, tokens, the executors' pod template)
        sparks = [one for one in resolved if one.spark]
        users = (one for one in sparks if any(mount.volume == volume.name for mount in one.container.mounts))
        paths = next((one.paths() for one in users), None)
        for file in volume.files:
            content = file.content
            if paths is not None and file.path.endswith(".properties"):
                with contextlib.suppress(UnicodeDecodeError):  # not what its name says: leave it alone
                    content = paths.rewrite_properties(content.decode()).encode()
            _write(root / file.path, content, file.mode)
    for one in resolved:
        wanted = [one.mount_path(mount) for mount in one.container.mounts if mount.sub_path]
        for path in wanted if one.host.isolated else [*wanted, Path(one.cwd(one.paths()))]:
            if not path.exists():
                path.mkdir(mode=0o700, parents=True)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
