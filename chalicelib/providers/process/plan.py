"""Pure: a Task to the plan that a supervisor carries out: programs, variables, directories."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from chalicelib.providers.base import ADDRESS, Container, Mount, Task, TaskRejected, Volume
from chalicelib.providers.process import spark
from chalicelib.providers.process.directory import TaskDirectory
from chalicelib.providers.process.images import SparkHome
from chalicelib.providers.process.paths import PathMap
from chalicelib.providers.process.records import ContainerPlan, ContainerRecord, Record

# What a process sees of our own environment; everything else may be a secret.
NO_FILE = "/nonexistent"
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "USER", "LOGNAME")


@dataclass(frozen=True, slots=True)
class Site:
    """What all tasks here have in common: the host's variables, a Python, where named volumes are."""

    environ: Mapping[str, str]
    python: str
    named_volumes: Path
    is_directory: Callable[[str], bool] = field(default=os.path.isdir)

    def inherited(self) -> dict[str, str]:
        """Return those of the host's variables that tasks may see."""
        found = {name: self.environ[name] for name in INHERITED if name in self.environ}
        return {"PATH": os.defpath, **found}


@dataclass(frozen=True, slots=True)
class Placed:
    """One container and what was decided about it."""

    task: Task
    container: Container
    spark: SparkHome | None
    directory: TaskDirectory
    address: str
    site: Site

    def volume_path(self, volume: Volume) -> Path:
        """Return where on the host a volume lies."""
        return volume_path(volume, self.directory, self.site)

    def mount_path(self, mount: Mount) -> Path:
        """Return what on the host a mount shows. Raises TaskRejected for a volume that is not there."""
        for volume in self.task.volumes:
            if volume.name == mount.volume:
                return self.volume_path(volume) / mount.sub_path
        raise TaskRejected("CreateContainerConfigError", f'volume "{mount.volume}" is not defined')

    def paths(self) -> PathMap:
        """Return where the container's paths lie on the host."""
        work = str(self.directory.work(self.container.name))
        places = [(mount.path, str(self.mount_path(mount))) for mount in self.container.mounts]
        if self.spark:
            entrypoint = str(self.directory.program("entrypoint.sh"))
            image = [(spark.IMAGE_HOME, str(self.spark.path)), (spark.IMAGE_WORK, work)]
            places = [*image, (spark.ENTRYPOINT, entrypoint), *places]
        wanted = self.container.working_dir
        if wanted and not self.site.is_directory(wanted) and PathMap(places).rewrite(wanted) == wanted:
            places = [(wanted, work), *places]
        return PathMap(places)

    def env(self, paths: PathMap) -> dict[str, str]:
        """Return all variables of the container: the host's few, the image's, its own."""
        found = self.site.inherited()
        if self.spark:
            python = self.site.python
            more = spark.environment(self.spark, address=self.address, python=python, path=found["PATH"])
            found.update(more)
            found["SPARK_SUBMIT_OPTS"] = spark.temporary_files(str(self.directory.scratch))
        found["HOSTNAME"] = self.task.hostname or self.task.name
        found["TMPDIR"] = str(self.directory.scratch)
        found["KUBECONFIG"] = NO_FILE  # else Spark's client would read the user's own, through HOME
        found.update({name: paths.rewrite(self.known(value)) for name, value in self.container.env})
        return found

    def known(self, text: str) -> str:
        """Return `text` with the task's address in place of its marker."""
        return text.replace(ADDRESS, self.address)

    def words(self, words: tuple[str, ...] | None, paths: PathMap) -> list[str]:
        """Return words of a command line as the process must see them."""
        return [paths.rewrite(self.known(word)) for word in words or ()]

    def argv(self, paths: PathMap, env: Mapping[str, str]) -> list[str]:
        """Return the program and its arguments. Raises TaskRejected if there is no program."""
        args = self.words(self.container.args, paths)
        if self.spark and spark.is_entrypoint(self.container.command):
            found = spark.main_command(args, env, self.spark.path)
        else:
            found = self.words(self.container.command, paths) + args
        if not found:
            message = f'container "{self.container.name}" names no command, and images have none here'
            raise TaskRejected("CreateContainerError", message)
        return found

    def stop_argv(self, paths: PathMap) -> list[str]:
        """Return the command to run before the container is asked to stop, [] for none."""
        command = self.container.stop_command
        if self.spark and command and command[-1] == spark.DECOMMISSION:
            return list(spark.DECOMMISSION_COMMAND)
        return self.words(command, paths)

    def cwd(self, paths: PathMap) -> str:
        """Return the directory that the container starts in; it may have to be made."""
        return paths.rewrite(self.container.working_dir) or str(self.directory.work(self.container.name))

    def plan(self) -> ContainerPlan:
        """Return the container's part of the plan."""
        paths = self.paths()
        env = self.env(paths)
        return {
            "name": self.container.name,
            "argv": self.argv(paths, env),
            "env": env,
            "cwd": self.cwd(paths),
            "init": self.container.init,
            "restart": self.container.restart,
            "stop_argv": self.stop_argv(paths),
            "no_new_privileges": self.container.no_new_privileges,
            "memory_mib": self.container.memory_mib,
        }


def volume_path(volume: Volume, directory: TaskDirectory, site: Site) -> Path:
    """Return where on the host a volume lies."""
    if volume.kind == "host":
        return Path(volume.source)
    if volume.kind == "named":
        return site.named_volumes / quote(volume.source, safe="")
    return directory.volume(volume.name)


def first_record(task: Task, *, handle: str, address: str, created_at: int) -> Record:
    """Return the record of a task of which nothing runs yet; `created_at` in nanoseconds since 1970."""
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
        "containers": [_first_container(task, container) for container in task.containers],
    }


def _first_container(task: Task, container: Container) -> ContainerRecord:
    waits_for_init = any(one.init for one in task.containers) and not container.init
    return {
        "name": container.name,
        "image": container.image,
        "phase": "waiting",
        "exit_code": None,
        "reason": "PodInitializing" if waits_for_init else "ContainerCreating",
        "message": "",
        "started_at": None,
        "finished_at": None,
        "restarts": 0,
        "process": 0,
    }
