"""The contract of Spark's image, without the image: which installed Spark it means, and what its entry point does.

Images are not pulled, their names are read: `apache/spark:4.3.0`, `spark:3.5.9-python3` and
`registry.example/team/spark` mean the Spark of that version in the cache; every other image means the host as it is.
The entry point of apache/spark (v3.5 and v4.x, resource-managers/kubernetes/docker): `driver ...` runs spark-submit in
client mode, `executor` the executor's JVM, anything else runs as it stands.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.supervised.own_program import own_program

_SPARK_NAME = re.compile(r"(?:py)?spark(?:-(?:py|r|scala|python3))?", re.IGNORECASE)
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)")
IMAGE_HOME = "/opt/spark"  # where the image has Spark
IMAGE_WORK = "/opt/spark/work-dir"  # and where it starts
ENTRYPOINT = "/opt/entrypoint.sh"
DECOMMISSION = "/opt/decom.sh"  # what Spark runs before an executor that is to be decommissioned is stopped
EXECUTOR_BACKEND = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
_JAVA_OPTION = re.compile(r"SPARK_JAVA_OPT_([0-9]{1,9})")
# SIGPWR tells an executor to hand over its blocks; the supervisor says which process it is.
_HAND_OVER = 'kill -PWR "$SPARKANYWHERE_PID"; while kill -0 "$SPARKANYWHERE_PID"; do sleep 0.1; done'
DECOMMISSION_COMMAND = ("/bin/sh", "-c", _HAND_OVER)


@dataclass(frozen=True, slots=True)
class SparkHome:
    """An installed Spark: its directory, and the Java to run it with ("" for the one on the PATH)."""

    path: Path
    java_home: str


def split_image(image: str) -> tuple[str, str]:
    """Return the last part of an image's repository and its tag ("" if none): `a/spark:4.3.0@sha256:..`."""
    name = image.partition("@")[0].rpartition("/")[2]
    repository, _, tag = name.partition(":")
    return repository, tag


def is_spark_image(image: str) -> bool:
    """Return whether an image's name says that it holds Spark."""
    return bool(_SPARK_NAME.fullmatch(split_image(image)[0]))


def choose_version(tag: str, installed: list[str]) -> str | None:
    """Return the newest of the installed versions that a tag (`4.3.0-java17`, `3.5`, none) allows."""
    match = _VERSION.match(tag)
    wanted = match.group(1).split(".") if match else []
    fitting = [version for version in installed if version.split(".")[: len(wanted)] == wanted]
    return max(
        fitting,
        key=lambda version: ([int(number) for number in re.findall(r"\d+", version)[:3]], version),
        default=None,
    )


class SparkHomes:
    """The Sparks in `directory`, one directory per version, each with a text file JAVA_HOME."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, image: str, *, pull: str) -> SparkHome | None:
        """Return the Spark that an image means, None for any other image.

        Raises ProviderUnavailable (ErrImagePull, or ErrImageNeverPull) if that Spark is not installed.
        """
        if not is_spark_image(image):
            return None
        tag = split_image(image)[1]
        installed = [path.parent.name for path in self._directory.glob("[0-9]*/JAVA_HOME")]
        version = choose_version(tag, installed)
        if version is None:
            match = _VERSION.match(tag)
            which = f"Spark {match[1]}" if match else "a Spark"
            command = f"sparkanywhere spark install {match[1] if match else 'VERSION'}"
            message = f'image "{image}" stands for {which}, which is not installed here: run `{command}` first'
            raise ProviderUnavailable("ErrImageNeverPull" if pull == "never" else "ErrImagePull", message)
        home = (self._directory / version).resolve()  # the path that the archive of its classes is for
        return SparkHome(home, (home / "JAVA_HOME").read_text(encoding="utf-8").strip())


def environment(home: SparkHome, *, address: str, python: str, path: str) -> dict[str, str]:
    """Return the variables that the image has, or should have here; a container's own come on top."""
    places = [f"{home.java_home}/bin"] if home.java_home else []
    found = {
        "SPARK_HOME": str(home.path),
        "SPARK_LOCAL_IP": address,  # else the driver's user interface takes its port on every address
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        "PATH": ":".join([*places, path]),
    }
    return {**found, "JAVA_HOME": home.java_home} if home.java_home else found


def is_entrypoint(command: Sequence[str] | None) -> bool:
    """Return whether a container's command is the image's own entry point, maybe under tini."""
    return not command or command[-1] == ENTRYPOINT


def main_command(args: Sequence[str], env: Mapping[str, str], home: Path) -> list[str]:
    """Return the program and its arguments that the entry point would end in, given `args` and `env`."""
    if args[:1] == ["driver"]:
        address = env.get("SPARK_DRIVER_BIND_ADDRESS", "")
        return [
            str(home / "bin/spark-submit"),
            *("--conf", f"spark.driver.bindAddress={address}"),
            *("--conf", f"spark.executorEnv.SPARK_DRIVER_POD_IP={address}"),
            *("--deploy-mode", "client"),
            *args[1:],
        ]
    if args[:1] == ["executor"]:
        return _executor(env, home)
    return list(args)


def _executor(env: Mapping[str, str], home: Path) -> list[str]:
    java = f"{env['JAVA_HOME']}/bin/java" if env.get("JAVA_HOME") else "java"
    memory = env.get("SPARK_EXECUTOR_MEMORY", "1g")
    parts = [
        env.get("SPARK_CONF_DIR") or str(home / "conf"),
        env.get("SPARK_CLASSPATH", ""),
        str(home / "jars/*"),
        env.get("HADOOP_CONF_DIR", ""),  # where spark-submit has it for drivers; before the jars no archive would fit
        env.get("SPARK_EXTRA_CLASSPATH", ""),
        env.get("SPARK_DIST_CLASSPATH", ""),
        ".",  # files that Spark fetched into the working directory
    ]
    return [
        java,
        *java_options(env),
        *([temporary_files(env["TMPDIR"])] if env.get("TMPDIR") else []),
        *(f"-Xms{memory}", f"-Xmx{memory}"),
        *("-cp", ":".join(part for part in parts if part)),
        EXECUTOR_BACKEND,
        *("--driver-url", env.get("SPARK_DRIVER_URL", "")),
        *("--executor-id", env.get("SPARK_EXECUTOR_ID", "")),
        *("--cores", env.get("SPARK_EXECUTOR_CORES", "1")),
        *("--app-id", env.get("SPARK_APPLICATION_ID", "")),
        *("--hostname", env.get("SPARK_EXECUTOR_POD_IP", "")),
        *("--resourceProfileId", env.get("SPARK_RESOURCE_PROFILE_ID", "0")),
        *("--podName", env.get("SPARK_EXECUTOR_POD_NAME", "")),
    ]


def temporary_files(directory: str) -> str:
    """Return the Java option that keeps temporary files in `directory`: Java ignores TMPDIR."""
    return f"-Djava.io.tmpdir={directory}"


def java_options(env: Mapping[str, str]) -> list[str]:
    """Return the values of SPARK_JAVA_OPT_0, _1, ... _10 in the order of their numbers."""
    numbered = [(int(match[1]), env[name]) for name in env if (match := _JAVA_OPTION.fullmatch(name))]
    return [value for _, value in sorted(numbered)]


def entrypoint_script(python: str) -> bytes:
    """Return a shell script that stands where the image has its entry point."""
    command = shlex.join(own_program(python, "spark", "run_entrypoint(sys.argv[2:])"))
    return f'#!/bin/sh\nexec {command} "$@"\n'.encode()


def run_entrypoint(args: list[str]) -> None:
    """Become what the entry point would end in. The environment is the container's, and this program's input."""
    environ = dict(os.environ)
    command = main_command(args, environ, Path(environ["SPARK_HOME"]))
    os.execvpe(command[0], command, environ)
