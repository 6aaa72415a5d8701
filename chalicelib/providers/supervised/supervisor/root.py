"""A container's root file system: the host's, seen through a root of the container's own, and its volumes upon it.

The root is a tmpfs that shows every entry of the host's root by a bind mount. Where a mount point is missing in a
directory of the host's, that directory is shown the same way, so that the mount point is made in the tmpfs and never
on the host. Like a container runtime (runc), mount points within a volume are made in that volume.
"""

from __future__ import annotations

import contextlib
import os
import stat

from chalicelib.providers.supervised.records import MountPlan
from chalicelib.providers.supervised.supervisor import namespaces
from chalicelib.providers.supervised.supervisor.namespaces import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    MS_SLAVE,
)

HOST = "/.host"  # where the host's root is while ours is being made
# What a program writes beside its volumes and the host's directories goes with its container, and is held in memory.
TMPFS_SIZE = "1g"


def enter(mounts: list[MountPlan]) -> None:
    """Give this process a root of its own. It is the first of a PID namespace. Raises OSError.

    Mounts that the host makes later appear below the directories that the root shows.
    """
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.mount(None, "/", flags=MS_REC | MS_SLAVE)
    # before anything covers it: a volume may be mounted at a directory that holds another one
    sources = [os.open(one["source"], os.O_PATH | os.O_CLOEXEC) for one in mounts]
    root = _Root()
    for one, source in zip(mounts, sources, strict=True):
        root.add(one, source)
    for one in mounts:
        if one["read_only"]:
            namespaces.make_read_only(os.path.realpath(one["target"]))
    namespaces.detach(HOST)
    os.rmdir(HOST)


class _Root:
    """The new root while it is made; it is the process's own from the start."""

    def __init__(self) -> None:
        self._volumes: list[str] = []  # mount points in whose directories new ones may be made
        self._ours: set[int] = set()  # device numbers of our tmpfs
        namespaces.mount(
            "tmpfs", "/proc", kind="tmpfs", flags=MS_NOSUID | MS_NODEV, options=f"mode=755,size={TMPFS_SIZE}"
        )
        os.mkdir(f"/proc{HOST}")
        namespaces.change_root("/proc", f"/proc{HOST}")
        self._ours.add(os.stat("/").st_dev)
        _show(HOST, "/", without=("proc",))
        os.mkdir("/proc", 0o555)
        namespaces.mount("proc", "/proc", kind="proc", flags=MS_NOSUID | MS_NODEV | MS_NOEXEC)

    def add(self, mount: MountPlan, source: int) -> None:
        """Mount what the descriptor `source` names. Raises OSError."""
        if mount["how"] == "replace" and not os.path.isdir(mount["target"]):
            return
        is_directory = stat.S_ISDIR(os.fstat(source).st_mode)
        target = self._make_point(mount["target"], is_directory=is_directory)
        if mount["how"] == "show":
            os.fchdir(source)
            self._cover(target, mode=0o755, shows=True)
            return
        namespaces.mount(f"/proc/self/fd/{source}", target, flags=MS_BIND | MS_REC)
        self._volumes.append(target)

    def _make_point(self, path: str, *, is_directory: bool) -> str:
        """Return where `path` leads, after links, with something there to mount upon."""
        path = os.path.realpath(path)
        if os.path.lexists(path):
            return path
        parent = self._make_point(os.path.dirname(path), is_directory=True)
        in_volume = any(parent == one or parent.startswith(f"{one}/") for one in self._volumes)
        if not in_volume and os.stat(parent).st_dev not in self._ours:
            is_open = os.access(parent, os.R_OK | os.X_OK)  # else nothing in there can be shown
            os.chdir(parent if is_open else "/")
            self._cover(parent, mode=stat.S_IMODE(os.stat(parent).st_mode), shows=is_open)
        _make(path, is_directory=is_directory)
        return path

    def _cover(self, target: str, *, mode: int, shows: bool) -> None:
        """Mount a tmpfs at `target`, which may show what is in the working directory, and leave that."""
        namespaces.mount(
            "tmpfs", target, kind="tmpfs", flags=MS_NOSUID | MS_NODEV, options=f"mode={mode:o},size={TMPFS_SIZE}"
        )
        self._ours.add(os.stat(target).st_dev)
        if shows:
            _show(".", target)
        os.chdir("/")


def _show(source: str, target: str, *, without: tuple[str, ...] = ()) -> None:
    """Have every entry of a directory seen in the empty directory `target`, except those that can't be."""
    for entry in os.scandir(source):
        place = os.path.join(target, entry.name)
        with contextlib.suppress(OSError):  # as with a network file system that does not answer
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)
            elif place != HOST and entry.name not in without:
                _make(place, is_directory=entry.is_dir(follow_symlinks=False))
                namespaces.mount(entry.path, place, flags=MS_BIND | MS_REC)


def _make(path: str, *, is_directory: bool) -> None:
    if is_directory:
        os.mkdir(path, 0o755)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
