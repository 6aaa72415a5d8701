"""JobSpec: one Spark job as its user says it, from the command line, Python or a file; checked once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sparkanywhere.jobs import memory

DEFAULT_SPARK = "4.3.0"
NAME_LIMIT = 40  # characters of an application's name in its pods' names
REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://")


class SpecError(Exception):
    """The job cannot be run as it is said; str() is one sentence that names the option to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What to run and how. Memory is in Spark's words; times are in seconds."""

    application: str
    args: tuple[str, ...] = ()
    main_class: str = ""
    name: str = ""
    namespace: str = "default"
    executors: int = 2
    executor_cores: int = 1
    executor_memory: str = "1g"
    driver_cores: int = 1
    driver_memory: str = "1g"
    spark: str = DEFAULT_SPARK
    image: str = ""
    image_pull_policy: str = "IfNotPresent"
    conf: Mapping[str, str] = field(default_factory=dict)
    py_files: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    jars: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    service_account: str = ""
    spot: bool = False
    arch: str = ""
    time_limit: int = 0
    dynamic_allocation: bool = False

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise SpecError(problem)

    @property
    def is_python(self) -> bool:
        """Tell whether the application is a Python program."""
        return self.application.split("?")[0].endswith(".py")

    @property
    def app_name(self) -> str:
        """Return the application's name: given, or made of its file's."""
        return self.name or Path(self.application.split("?")[0]).stem

    @property
    def image_name(self) -> str:
        """Return the image of driver and executors: given, or ours of the Spark version."""
        return self.image or f"sparkanywhere/spark:{self.spark}"


def _problem(spec: JobSpec) -> str:
    if not spec.application:
        return "No application is given: name a .py or a .jar file."
    if not spec.is_python and not spec.application.split("?")[0].endswith((".jar", ".py")):
        return f"{spec.application} is neither a .py nor a .jar file."
    if not spec.is_python and not spec.main_class:
        return f"{spec.application} needs its main class: --class com.example.Main."
    if spec.is_python and spec.main_class:
        return "--class goes with a .jar, not with a Python program."
    for option, text in (
        ("--executor-memory", spec.executor_memory),
        ("--driver-memory", spec.driver_memory),
    ):
        try:
            memory.mib(text)
        except ValueError as error:
            return f"{option}: {error}."
    for option, number in (("--executor-cores", spec.executor_cores), ("--driver-cores", spec.driver_cores)):
        if number < 1:
            return f"{option} must be at least 1."
    if spec.executors < 1:
        return "--executors must be at least 1."
    return _file_problem(spec)


def _file_problem(spec: JobSpec) -> str:
    for path in local_files(spec):
        if not path.is_file():
            return f"{path} is not there."
        if path.stat().st_size == 0:
            return f"{path} is empty."
    return ""


def is_local(path: str) -> bool:
    """Tell whether a path names a file of this machine (local:// is one of the image)."""
    return not REMOTE.match(path)


def local_files(spec: JobSpec) -> list[Path]:
    """Return the files of this machine that the job needs, the application first, each once."""
    named = [spec.application, *spec.py_files, *spec.files, *spec.jars]
    return [Path(path) for path in dict.fromkeys(named) if is_local(path)]


def from_document(document: Any) -> JobSpec:  # Any: a parsed YAML file
    """Return the job that a file describes. Raises SpecError, also for a key that is unknown."""
    if not isinstance(document, dict):
        raise SpecError("A job file is a mapping of keys: application, executors, ...")
    known = {each.name for each in fields(JobSpec)}
    values: dict[str, Any] = {}
    for key, value in document.items():
        name = str(key).replace("-", "_").replace("class", "main_class", 1 if key == "class" else 0)
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            raise SpecError(
                f"Unknown key {key!r} in the job file" + (f": did you mean {near[0]}?" if near else ".")
            )
        values[name] = tuple(map(str, value)) if isinstance(value, list) else value
    for name in ("conf", "env", "labels"):
        if name in values:
            values[name] = {str(each): str(text) for each, text in (values[name] or {}).items()}
    try:
        return JobSpec(**values)
    except TypeError as error:
        raise SpecError(f"The job file: {error}.") from error
