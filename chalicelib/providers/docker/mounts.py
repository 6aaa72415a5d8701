"""What a task's volumes become in Docker, and what must be copied into them first. Pure.

Two ways. Direct: each container gets volumes of its own, filled through itself, at the price of one copy.
Loaded: all volumes have names and are filled through a loader container before any other is made; dearer, but
the only way for read-only roots (which take no copy) and for parts of volumes.
"""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from docker.types import DriverConfig, Mount

from chalicelib.providers import base
from chalicelib.providers.docker import archives, labels

LOADED_AT = "/volumes"  # where the loader sees a task's volumes
MIB = 1024 * 1024
STICKY_FOR_ALL = 0o1777


@dataclass(frozen=True, slots=True)
class MountContext:
    """What mounts depend on beyond the task: whose they are, the host paths allowed, where volumes lie.

    `resolve` follows the symbolic links of a path of the engine's machine; None where that is another machine.
    With `mounts_parts` the engine mounts a part of a volume itself, and follows no link out of it.
    """

    control_plane_id: str
    host_paths: tuple[str, ...] = ()
    # volume name -> the engine's own folder of it, known once the loader has run
    folders: Mapping[str, str] | None = None
    resolve: Callable[[str], str] | None = os.path.realpath
    mounts_parts: bool = False


def needs_loader(task: base.Task) -> bool:
    """Return whether this task's volumes must be filled before its containers are made."""
    kinds = {volume.name: volume.kind for volume in task.volumes}
    return any(
        mount.sub_path or (container.read_only_root and kinds.get(mount.volume) in ("files", "scratch", "named"))
        for container in task.containers
        for mount in container.mounts
        if kinds.get(mount.volume) != "host"
    )


def is_shared(task: base.Task, volume: str) -> bool:
    """Return whether more than one mount of the task shows this volume."""
    counts = Counter(mount.volume for container in task.containers for mount in container.mounts)
    return counts[volume] > 1


def shares_memory(task: base.Task) -> bool:
    """Return whether a volume in RAM is shared: it lasts only while some container that mounts it runs."""
    return any(volume.kind == "memory" and is_shared(task, volume.name) for volume in task.volumes)


def container_mounts(task: base.Task, container: base.Container, context: MountContext) -> list[Mount]:
    """Return the engine's mounts for one container. Raises TaskRejected."""
    volumes = {volume.name: volume for volume in task.volumes}
    loaded = needs_loader(task)
    found: list[Mount] = []
    for mount in container.mounts:
        volume = _volume(volumes, mount)
        if volume.kind == "host":
            found.append(_host(mount, volume, context))
        elif mount.sub_path:
            found.append(_part(task, mount, volume, context))
        elif volume.kind == "memory" and not is_shared(task, volume.name):
            size = volume.size_mib * MIB if volume.size_mib else None
            found.append(
                Mount(target=mount.path, source=None, type="tmpfs", tmpfs_size=size, tmpfs_mode=STICKY_FOR_ALL)
            )
        else:
            # a direct copy goes through this very mount
            filled = volume.kind in ("files", "scratch") and not loaded
            read_only = not filled and (mount.read_only or volume.kind == "files")
            found.append(_engine_volume(task, volume, context, at=mount.path, read_only=read_only))
    return found


def sandbox_mounts(task: base.Task, context: MountContext) -> list[Mount]:
    """Return the shared volumes in RAM, which live as long as the sandbox mounts them."""
    return [
        _engine_volume(task, volume, context, at=f"{LOADED_AT}/{volume.name}")
        for volume in task.volumes
        if volume.kind == "memory" and is_shared(task, volume.name)
    ]


def container_entries(task: base.Task, container: base.Container) -> list[archives.Entry]:
    """Return what the direct way copies into one container, what only this task has at the end."""
    if needs_loader(task):
        return []
    volumes = {volume.name: volume for volume in task.volumes}
    outlasting: list[archives.Entry] = []
    own: list[archives.Entry] = []
    for mount in container.mounts:
        volume = _volume(volumes, mount)
        if volume.kind == "named" and not mount.read_only:
            outlasting.append(archives.directory(mount.path))
        elif volume.kind == "scratch":
            own.append(archives.directory(mount.path))
        elif volume.kind == "files":
            own.extend(archives.files(volume, mount.path))
    return outlasting + own


def loader_volumes(task: base.Task, context: MountContext) -> dict[str, Mount]:
    """Return the mounts by which a loader sees the task's volumes, by volume name."""
    return {
        volume.name: _engine_volume(task, volume, context, at=f"{LOADED_AT}/{volume.name}")
        for volume in task.volumes
        if volume.kind in ("files", "scratch", "named") or (volume.kind == "memory" and _parts(task, volume.name))
    }


def loader_entries(task: base.Task, name: str) -> list[archives.Entry]:
    """Return what the loader copies into a volume: mode, files, and the directories that mounts show parts of."""
    volume = next(each for each in task.volumes if each.name == name)
    at = f"{LOADED_AT}/{name}"
    entries = archives.files(volume, at) if volume.kind == "files" else [archives.directory(at)]
    known = {archives.inside(at, file.path) for file in volume.files}
    for part in _parts(task, name):
        path = archives.inside(at, part)
        if path not in known and not any(file.startswith(path + "/") for file in known):
            entries.append(archives.directory(path))
    return [replace(entry, path=entry.path.removeprefix(at)) for entry in entries]


def _parts(task: base.Task, volume: str) -> list[str]:
    mounts = [mount for container in task.containers for mount in container.mounts if mount.volume == volume]
    return sorted({mount.sub_path for mount in mounts if mount.sub_path})


def _volume(volumes: Mapping[str, base.Volume], mount: base.Mount) -> base.Volume:
    if mount.volume not in volumes:
        raise base.TaskRejected("InvalidVolume", f"the task has no volume {mount.volume!r}")
    return volumes[mount.volume]


def _engine_volume(
    task: base.Task, volume: base.Volume, context: MountContext, *, at: str, read_only: bool = False
) -> Mount:
    """Return a mount of a volume that the engine makes on first sight."""
    marks = labels.of_control_plane(context.control_plane_id) | {labels.VOLUME: volume.name}
    name = None  # one container's own, gone with it
    if volume.kind == "named":
        name = labels.volume_name(context.control_plane_id, owner="named", volume=volume.source)
        marks[labels.VOLUME] = volume.source
    elif needs_loader(task) or (is_shared(task, volume.name) and volume.kind != "files"):
        name = labels.volume_name(context.control_plane_id, owner=task.uid, volume=volume.name)
        marks[labels.UID] = task.uid
    driver = None
    if volume.kind == "memory" and not _parts(task, volume.name):
        size = f",size={volume.size_mib}m" if volume.size_mib else ""
        driver = DriverConfig("local", {"type": "tmpfs", "device": "tmpfs", "o": f"mode=1777{size}"})
    return Mount(
        target=at, source=name, type="volume", no_copy=True, read_only=read_only, labels=marks, driver_config=driver
    )


def _part(task: base.Task, mount: base.Mount, volume: base.Volume, context: MountContext) -> Mount:
    """Return a mount of a part of a volume, which no symbolic link in the volume can lead out of.

    An engine before API 1.45 has no such mount: it gets the folder's path, and follows links in it whenever the
    container starts. So that is done only where nobody can have put a link there.
    """
    read_only = mount.read_only or volume.kind == "files"
    if context.mounts_parts:
        found = _engine_volume(task, volume, context, at=mount.path, read_only=read_only)
        found["VolumeOptions"]["Subpath"] = posixpath.normpath(mount.sub_path)
        return found
    others = [other for container in task.containers for other in container.mounts]
    is_ours = volume.kind == "files"  # nobody writes to it but us
    if not is_ours and (volume.kind == "named" or any(_may_replace(other, mount) for other in others)):
        message = (
            f"volume {volume.name!r}: mounting the part {mount.sub_path!r} of what a pod can write to needs Docker"
            " engine 26 (API 1.45) or newer; mount the whole volume"
        )
        raise base.TaskRejected("SubPathNotSafe", message)
    source = archives.inside((context.folders or {})[volume.name], mount.sub_path)
    return Mount(target=mount.path, source=source, type="bind", read_only=read_only)


def _may_replace(other: base.Mount, mount: base.Mount) -> bool:
    """Return whether whoever has the mount `other` could put a symbolic link where `mount` finds its part."""
    above = posixpath.normpath(other.sub_path or ".")
    part = posixpath.normpath(mount.sub_path)
    is_above = part != above and (above == "." or part.startswith(above + "/"))
    return other.volume == mount.volume and not other.read_only and is_above


def _host(mount: base.Mount, volume: base.Volume, context: MountContext) -> Mount:
    source = posixpath.normpath(volume.source)
    if mount.sub_path:
        source = archives.inside(source, mount.sub_path)
    if not _is_allowed(source, context):
        allowed = ", ".join(context.host_paths) or "none; SPARKANYWHERE_HOST_PATHS lists them"
        message = f"host path {volume.source!r} is not among those allowed here: {allowed}"
        raise base.TaskRejected("HostPathNotAllowed", message)
    return Mount(target=mount.path, source=source, type="bind", read_only=mount.read_only)


def _is_allowed(source: str, context: MountContext) -> bool:
    """Return whether a normalised path is one of the folders allowed, or below one and leads nowhere else.

    A pod that may write below an allowed folder could make a link there. Where links cannot be looked at, the
    folders themselves may be mounted and nothing below.
    """
    roots = [posixpath.normpath(path) for path in context.host_paths]
    if source in roots:
        return True
    if context.resolve is None:
        return False
    real = context.resolve(source)
    return any(_is_below(source, root) and _is_below(real, context.resolve(root)) for root in roots)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")
