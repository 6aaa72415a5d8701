"""Linux namespaces by libc: making and joining them, mounting within them. man7.org: namespaces(7), user_namespaces(7).

Python 3.11 has neither unshare nor setns. Where root may, no user namespace is made: it would take rights from pods
that root's processes have. Anybody else becomes himself in a user namespace of his own, which gives the capability
to mount within it, and no access to anything outside that he did not have.
"""

from __future__ import annotations

import ctypes
import os

from chalicelib import system
from chalicelib.system import Feature

# From linux/sched.h and linux/mount.h; the same on every architecture.
CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x8_0000
MS_RELATIME = 0x20_0000
MNT_DETACH = 0x2
# The flags of statvfs(3) have mount(2)'s numbers, but for this one.
ST_RELATIME = 0x1000
_CAP_SYS_ADMIN = 21
_KINDS = (("user", CLONE_NEWUSER), ("mnt", CLONE_NEWNS), ("pid", CLONE_NEWPID))

_LIBC = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    """Call a function of libc that returns 0. Raises OSError that names it."""
    if getattr(_LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        paths = [os.fsdecode(one) for one in arguments if isinstance(one, bytes)]
        raise OSError(number, os.strerror(number), " ".join([name, *paths]))


def unshare(flags: int) -> None:
    """Leave namespaces for new ones; of a PID namespace the next child is the first process. Raises OSError."""
    _call("unshare", flags)


def mount(source: str | None, target: str, *, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    """Mount. Raises OSError."""
    names = [None if one is None else os.fsencode(one) for one in (source, target, kind)]
    _call("mount", *names, ctypes.c_ulong(flags), os.fsencode(options))


def make_read_only(target: str) -> None:
    """Make what is mounted at `target` read-only; mounts below it stay as they are. Raises OSError."""
    now = os.statvfs(target).f_flag
    kept = now & ~ST_RELATIME | (MS_RELATIME if now & ST_RELATIME else 0)
    mount(None, target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def change_root(root: str, before: str) -> None:
    """Make the mount at `root` this mount namespace's root; the old root is then at `before` in it. Raises OSError."""
    _call("pivot_root", os.fsencode(root), os.fsencode(before))
    os.chdir("/")


def detach(target: str) -> None:
    """Unmount what is at `target`, and all below it. Raises OSError."""
    _call("umount2", os.fsencode(target), MNT_DETACH)


def acquire() -> None:
    """See to it that this process may make namespaces, in a user namespace of its own if need be. Raises OSError.

    Only in a process with one thread. Its user stays the same.
    """
    with open("/proc/self/status", encoding="ascii") as file:
        (capabilities,) = (line.split()[1] for line in file if line.startswith("CapEff:"))
    if int(capabilities, 16) >> _CAP_SYS_ADMIN & 1:
        return
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    for name, content in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(content)


def are_shared_with(pid: int) -> bool:
    """Return whether a process is in our own PID namespace. Raises OSError if it is gone."""
    if not system.has(Feature.NAMESPACES):
        return True
    return os.path.samestat(os.stat(f"/proc/{pid}/ns/pid"), os.stat("/proc/self/ns/pid"))


def join(pid: int) -> None:
    """Join the user, mount and PID namespaces of a process; of the last, our next children are. Raises OSError.

    Only in a process with one thread.
    """
    opened = []
    for name, flag in _KINDS:
        descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        if not os.path.samestat(os.fstat(descriptor), os.stat(f"/proc/self/ns/{name}")):
            opened.append((descriptor, flag))
    for descriptor, flag in opened:
        _call("setns", descriptor, flag)
