"""Pure: the contract of Spark's image, without the image.

What the entry point of apache/spark does (v3.5 and v4.x, resource-managers/kubernetes/docker):
`driver ...` runs spark-submit in client mode, `executor` the executor's JVM, anything else runs as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from chalicelib.providers.process.images import SparkHome

IMAGE_HOME = "/opt/spark"  # where the image has Spark
IMAGE_WORK = "/opt/spark/work-dir"  # and where it starts
ENTRYPOINT = "/opt/entrypoint.sh"
DECOMMISSION = "/opt/decom.sh"  # what Spark runs before an executor that is to be decommissioned is stopped
EXECUTOR_BACKEND = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
_JAVA_OPTION = re.compile(r"SPARK_JAVA_OPT_(\d+)")

# SIGPWR tells an executor to hand over its blocks; the supervisor says which process it is.
_HAND_OVER = 'kill -PWR "$SPARKANYWHERE_PID"; while kill -0 "$SPARKANYWHERE_PID"; do sleep 0.1; done'
DECOMMISSION_COMMAND = ("/bin/sh", "-c", _HAND_OVER)


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
    return [
        java,
        *java_options(env),
        *([temporary_files(env["TMPDIR"])] if env.get("TMPDIR") else []),
        *(f"-Xms{memory}", f"-Xmx{memory}"),
        *("-cp", _class_path(env, home)),
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


def _class_path(env: Mapping[str, str], home: Path) -> str:
    parts = [
        env.get("SPARK_CONF_DIR") or str(home / "conf"),
        env.get("HADOOP_CONF_DIR", ""),
        env.get("SPARK_CLASSPATH", ""),
        str(home / "jars/*"),
        env.get("SPARK_EXTRA_CLASSPATH", ""),
        env.get("SPARK_DIST_CLASSPATH", ""),
        ".",  # files that Spark fetched into the working directory
    ]
    return ":".join(part for part in parts if part)
