"""Pure: a Task to the plan that a supervisor carries out: programs, variables, directories; and what it leaves out.

A process sees the host's file system, not an image's. Where it has a mount namespace of its own, a volume is mounted
at /data as anywhere (`mounts`). Where it has none, the volume is a directory elsewhere, and whoever says /data to the
process must say that directory: every mention of a container's paths is rewritten.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from chalicelib import system
from chalicelib.providers.base import Container, Mount, Task, TaskRejected, Volume
from chalicelib.providers.supervised import spark
from chalicelib.providers.supervised.directory import TEMPORARY, TaskDirectory, java_data
from chalicelib.providers.supervised.records import ContainerPlan, ContainerRecord, MountPlan, Record
from chalicelib.providers.supervised.spark import SparkHome, is_spark_image
from chalicelib.providers.supervised.supervisor.processes import enforces_memory
from chalicelib.system import Feature

# A mention begins a path: after the start, a space, a quote, `=`, `:`, `,` or the `//` of a file's URL, but not
# within another path (x/data, ./data, ~/data) nor after an expansion (${X}/data, $(x)/data, */data), nor in
# another file system (hdfs:/data, s3a:///data).
_COLONS = (":", r"\\:")  # the second in a properties file
_FILE = "".join(f"(?<={scheme}{colon}//)|" for scheme in ("file", "local") for colon in _COLONS)
_OTHERS = ("hdfs", "viewfs", "webhdfs", "s3", "s3a", "gs", "abfs", "abfss")
_NO_OTHER = "".join(f"(?<!{scheme}{colon})" for scheme in _OTHERS for colon in _COLONS)
_BEFORE = rf"(?:{_FILE}(?<![\w.\-/~}}\)\]*%+@]){_NO_OTHER})"
# It ends at the end of a name: /data and /data/x are meant, /data2, /data-2 and /data.txt are not.
_AFTER = r"(?![\w.\-~%+@])"
_TAR_PATTERN, _TAR_NAME = re.compile(r"[\\.*\[\]^$#]"), re.compile(r"[\\&#]")
_PROPERTY_SPECIAL = re.compile(r"[\\:=#!]")
# What a process sees of our own environment; everything else may be a secret.
NO_FILE = "/nonexistent"
HOSTS = "/etc/hosts"
LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")
INHERITED = ("PATH", "HOME", *LOCALE, "TZ", "USER", "LOGNAME")


class PathMap:
    """Places in a container and where on the host they are; the longest place that fits decides."""

    def __init__(self, places: Iterable[tuple[str, str]]) -> None:
        self._hosts = {place.rstrip("/"): host for place, host in places if place.strip("/")}
        longest_first = sorted(self._hosts, key=len, reverse=True)
        names = "|".join(re.escape(place) for place in longest_first)
        self._pattern = re.compile(f"{_BEFORE}(?:{names}){_AFTER}") if names else None

    def rewrite(self, text: str) -> str:
        """Return `text` with every mention of a place replaced by where it is on the host."""
        return self._replace(text, lambda host: host)

    def rewrite_properties(self, text: str) -> str:
        """Do the same in a Java properties file, whose values escape some characters."""
        return self._replace(text, lambda host: _PROPERTY_SPECIAL.sub(r"\\\g<0>", host))

    def rewrite_command(self, words: Sequence[str]) -> list[str]:
        """Do the same in a command's words; in the archive of `tar cf -`, kubectl cp's words, names stay as asked."""
        found = [self.rewrite(word) for word in words]
        if list(words[:3]) == ["tar", "cf", "-"]:
            for said, host in zip(words[3:], found[3:], strict=True):
                if said != host:
                    pattern, name = _TAR_PATTERN.sub(r"\\\g<0>", host.lstrip("/")), _TAR_NAME.sub(r"\\\g<0>", said)
                    found.insert(
                        3, f"{system.TAR_RENAME}#^/*{pattern}#{name.lstrip('/')}#SH"
                    )  # links lead where they did
        return found

    def _replace(self, text: str, write: Callable[[str], str]) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: write(self._hosts[match.group()]), text)


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What all tasks here have in common: the host's variables, a Python, where named volumes are.

    `isolated` says that containers have namespaces of their own.
    """

    environ: Mapping[str, str]
    python: str
    named_volumes: Path
    is_directory: Callable[[str], bool] = field(default=os.path.isdir)
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class ResolvedContainer:
    """One container and where on the host it is to run. In task and container ADDRESS has been replaced."""

    task: Task
    container: Container
    spark: SparkHome | None
    directory: TaskDirectory
    address: str
    host: HostSettings

    def volume_path(self, volume: Volume) -> Path:
        """Return where on the host a volume lies."""
        if volume.kind == "host":
            return Path(volume.source)
        if volume.kind == "named":
            return self.host.named_volumes / quote(volume.source, safe="")
        return self.directory.volume(volume.name)

    def mount_path(self, mount: Mount) -> Path:
        """Return what on the host a mount shows. Raises TaskRejected for a volume that is not there."""
        for volume in self.task.volumes:
            if volume.name == mount.volume:
                return self.volume_path(volume) / mount.sub_path
        raise TaskRejected("CreateContainerConfigError", f'volume "{mount.volume}" is not defined')

    def mounts(self) -> list[MountPlan]:
        """Return what of the host is seen at which of the container's paths, parents first."""
        work = str(self.directory.work(self.container.name))
        found: list[MountPlan] = []

        def add(
            source: str, target: str, *, read_only: bool = False, how: Literal["bind", "show", "replace"] = "bind"
        ) -> None:
            found.append({"source": source, "target": target, "read_only": read_only, "how": how})

        if self.spark:
            add(str(self.spark.path), spark.IMAGE_HOME, how="show")
            add(work, spark.IMAGE_WORK)
            add(str(self.directory.program("entrypoint.sh")), spark.ENTRYPOINT)
        files = {volume.name for volume in self.task.volumes if volume.kind == "files"}
        for mount in self.container.mounts:
            read_only = mount.read_only or mount.volume in files
            add(str(self.mount_path(mount)), mount.path, read_only=read_only)
        wanted = self.container.working_dir
        places = [(one["target"], one["source"]) for one in found]
        if wanted and not self.host.is_directory(wanted) and PathMap(places).rewrite(wanted) == wanted:
            add(work, wanted)
        if self.host.isolated and not self._covers(HOSTS):
            add(str(self.directory.hosts), HOSTS)
        if self.host.isolated and not self._covers(str(TEMPORARY)):
            add(str(self.directory.java_data), str(java_data()), how="replace")
        return sorted(found, key=lambda one: one["target"].rstrip("/").count("/"))

    def _covers(self, path: str) -> bool:
        """Return whether a volume is mounted at a path or above it."""
        return any(f"{path}/".startswith(f"{mount.path.rstrip('/')}/") for mount in self.container.mounts)

    def places(self) -> list[tuple[str, str]]:
        """Return the container's paths and where they lie on the host, for those who must be told so."""
        return [] if self.host.isolated else [(one["target"], one["source"]) for one in self.mounts()]

    def paths(self) -> PathMap:
        """Return the map of these places."""
        return PathMap(self.places())

    def cwd(self, paths: PathMap) -> str:
        """Return the directory that the container starts in, as the container sees it; it may have to be made."""
        work = str(self.directory.work(self.container.name))
        if self.host.isolated and (self.spark or self._covers(work)):
            work = spark.IMAGE_WORK if self.spark else "/"
        return paths.rewrite(self.container.working_dir) or work

    def variables(self, paths: PathMap) -> dict[str, str]:
        """Return what the container's programs find in their environment; the container's own win."""
        environ, scratch = self.host.environ, str(self.directory.scratch)
        if self.host.isolated and self._covers(scratch):
            scratch = str(TEMPORARY)
        found = {"PATH": os.defpath, **{name: environ[name] for name in INHERITED if name in environ}}
        if not any(environ.get(name) for name in LOCALE):  # else Java cannot open files with names beyond ASCII
            found["LANG"] = system.LOCALE
        if self.spark:
            python = self.host.python
            found |= spark.environment(self.spark, address=self.address, python=python, path=found["PATH"])
            found["SPARK_SUBMIT_OPTS"] = spark.temporary_files(scratch)
        found["HOSTNAME"] = self.task.hostname or self.task.name
        found["TMPDIR"] = scratch
        found["KUBECONFIG"] = NO_FILE  # else Spark's client would read the user's own, through HOME
        return found | {name: paths.rewrite(value) for name, value in self.container.env}

    def plan(self) -> ContainerPlan:
        """Return the container's part of the plan. Raises TaskRejected if there is no program to run."""
        container, paths = self.container, self.paths()
        env = self.variables(paths)

        def words(given: tuple[str, ...] | None) -> list[str]:
            return [paths.rewrite(word) for word in given or ()]

        argv = words(container.command) + words(container.args)
        if self.spark and spark.is_entrypoint(container.command):
            argv = spark.main_command(words(container.args), env, self.spark.path)
        if not argv:
            message = f'container "{container.name}" names no command, and images have none here'
            raise TaskRejected("CreateContainerError", message)
        if not self.spark and not container.command and argv[0] in ("driver", "executor"):
            raise TaskRejected("InvalidImageName", f'image "{container.image}" is not run here: use --spark VERSION')
        stop_argv = words(container.stop_command)
        if self.spark and (container.stop_command or ())[-1:] == (spark.DECOMMISSION,):
            stop_argv = list(spark.DECOMMISSION_COMMAND) if system.has(Feature.SIGPWR) else []
        return {
            "name": container.name,
            "argv": argv,
            "env": env,
            "cwd": self.cwd(paths),
            "init": container.init,
            "restart": container.restart,
            "stop_argv": stop_argv,
            "no_new_privileges": container.no_new_privileges,
            "memory_mib": container.memory_mib,
            "input": "none" if not container.stdin else "once" if container.stdin_once else "open",
            "mounts": self.mounts() if self.host.isolated else None,
        }


def first_record(
    task: Task, resolved: Iterable[ResolvedContainer] = (), *, handle: str, address: str, created_at: int
) -> Record:
    """Return the record of a task of which nothing runs yet; `created_at` in nanoseconds since 1970."""
    places = {one.container.name: one.places() for one in resolved}
    has_init = any(one.init for one in task.containers)
    containers: list[ContainerRecord] = [
        {
            "name": one.name,
            "image": one.image,
            "phase": "waiting",
            "exit_code": None,
            "reason": "PodInitializing" if has_init and not one.init else "ContainerCreating",
            "message": "",
            "started_at": None,
            "finished_at": None,
            "restarts": 0,
            "process": 0,
            "places": places.get(one.name, []),
        }
        for one in task.containers
    ]
    return {
        "uid": task.uid,
        "handle": handle,
        "version": 0,
        "phase": "pending",
        "reason": "",
        "message": "",
        "address": address,
        "labels": list(task.labels),
        "created_at": created_at,
        "started_at": None,
        "stopped_at": None,
        "containers": containers,
    }


def warnings(task: Task, *, obstacle: str = "") -> list[str]:
    """Return one sentence for each wish of the task that is not honoured, with what keeps it from having namespaces."""
    isolated = not obstacle
    found = (
        [] if isolated else [f"the pod has no namespaces of its own ({obstacle}): its processes see all of the host's"]
    )
    found += [sentence for one in task.containers for sentence in _container_warnings(one, task, isolated=isolated)]
    for volume in task.volumes:
        if volume.kind == "memory":
            found.append(f'volume "{volume.name}": lies on the disk, not in memory, in process mode')
        if volume.kind in ("scratch", "memory") and volume.size_mib is not None:
            found.append(f'volume "{volume.name}": its size limit is not enforced in process mode')
    if task.host_entries and not isolated:
        found.append("host entries of the task's own do not resolve in process mode")
    return found


def _container_warnings(container: Container, task: Task, *, isolated: bool) -> list[str]:
    host_image = f'image "{container.image}" is not used: its command runs with the files of this machine'
    shared = {volume.name for volume in task.volumes if volume.kind != "files"}  # those are a container's own copies
    unmet = [
        (not is_spark_image(container.image), host_image),
        (
            container.memory_mib is not None and not enforces_memory(),
            "its memory limit is not enforced in process mode on this system",
        ),
        (container.cpu_milli is not None, "its CPU limit is not enforced in process mode"),
        (container.gpus > 0, "GPUs are not assigned in process mode: it sees what the host has"),
        (bool(container.user), "it runs as the user that runs the control plane in process mode"),
        (
            container.no_new_privileges and not system.has(Feature.PRCTL),
            "its processes may gain privileges in process mode on this system",
        ),
        (container.privileged, "privileged has no effect in process mode"),
        (bool(container.add_capabilities), "added capabilities have no effect in process mode"),
        (bool(container.drop_capabilities), "dropped capabilities have no effect in process mode"),
        (container.read_only_root, "its root file system, the host's, is not read-only in process mode"),
        (container.tty, "there is no terminal in process mode"),
        (
            not isolated and any(mount.read_only and mount.volume in shared for mount in container.mounts),
            "read-only mounts are not enforced in process mode",
        ),
    ]
    return [f'container "{container.name}": {sentence}' for applies, sentence in unmet if applies]
