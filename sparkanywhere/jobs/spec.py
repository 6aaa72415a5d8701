"""JobSpec: one Spark job as its user describes it, on the command line, in Python or a file; checked once.

References: Spark 4.3 docs, Configuration (sizes) and Running on Kubernetes (spark.kubernetes.memoryOverheadFactor). As
for spark-submit (SparkSubmitArguments), an option wins over the properties file; an option and a --conf that
contradict each other are an error here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, get_origin, get_type_hints
from zipfile import is_zipfile

from chalicelib.resources.pods.marks import parse_dollars
from sparkanywhere.jobs.job_files import S3, is_bad_name, is_brought, is_local, pod_name, same_names, source_of

# setting -> (field of a JobSpec, option)
CONF_FIELDS = {
    "spark.app.name": ("name", "--name"),
    "spark.driver.cores": ("driver_cores", "--driver-cores"),
    "spark.driver.memory": ("driver_memory", "--driver-memory"),
    "spark.executor.cores": ("executor_cores", "--executor-cores"),
    "spark.executor.instances": ("executors", "--executors"),
    "spark.executor.memory": ("executor_memory", "--executor-memory"),
    "spark.kubernetes.authenticate.driver.serviceAccountName": ("service_account", "--service-account"),
    "spark.kubernetes.container.image": ("image", "--image"),
    "spark.kubernetes.container.image.pullPolicy": ("image_pull_policy", "--image-pull-policy"),
    "spark.kubernetes.driver.podTemplateFile": ("driver_template", "--driver-template"),
    "spark.kubernetes.executor.podTemplateFile": ("executor_template", "--executor-template"),
    "spark.kubernetes.namespace": ("namespace", "--namespace"),
}
# Settings that a job cannot have here, and what to do instead.
REFUSED = {
    "spark.master": "choose the control plane by --context or --provider",
    "spark.submit.deployMode": "the driver always runs as a pod",
    "spark.kubernetes.driver.pod.name": "use --name",
    "spark.kubernetes.executor.podNamePrefix": "use --name",
    "spark.app.id": "each run gets one of its own",
    "spark.kubernetes.file.upload.path": "files are staged by the control plane",
}
UNITS = {"b": 1 / 1024**2, "k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0**2, "p": 1024.0**3}
MIN_OVERHEAD_MIB = 384
JVM_FACTOR, OTHER_FACTOR = 0.1, 0.4  # Python and R need room beside the heap
SIZE = re.compile(r"(\d+)\s*(b|k|kb|ki|m|mb|mi|g|gb|gi|t|tb|ti|p|pb|pi)?b?", re.IGNORECASE)
DEFAULT_SPARK = "4.3.0"
NAME_LIMIT = 30  # characters of an application's name in its pods' names: Spark allows a prefix 47 in all
MAX_ATTEMPTS = 100
PACKAGE = re.compile(r"[^\s:,/]+:[^\s:,/]+:[^\s:,/]+")
ALIAS = re.compile(r"[^\s{}%#\"<>\\^`|]*")  # a part of a URL that Spark leaves as it is, or loses
SECRET_KEY = re.compile(r"[^:]+:[^:]+")


class ConfError(ValueError):
    """A setting contradicts an option; str() is one sentence."""


def as_fields(
    conf: Mapping[str, str], given: Mapping[str, Any], *, where: str, wins: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (fields that settings mean, the other settings). Raises ConfError.

    `given` are fields that options set. If `wins`, a setting may not contradict them; else they override it.
    """
    found: dict[str, Any] = {}
    rest: dict[str, str] = {}
    for key, text in conf.items():
        if key not in CONF_FIELDS:
            rest[key] = text
            continue
        name, option = CONF_FIELDS[key]
        value: Any = text
        if name in ("executors", "executor_cores", "driver_cores"):
            try:
                value = int(text)
            except ValueError:
                raise ConfError(f"{where} {key}={text}: that takes a whole number.") from None
        if name not in given:
            found[name] = value
        elif wins and given[name] != value:
            raise ConfError(f"{where} {key}={text} contradicts {option} {given[name]}: leave one of them out.")
    return found, rest


def parse_mib(text: str) -> int:
    """Return a Spark size (`4g`, `512m`, `1024`: MiB) in MiB, rounded up. Raises ValueError."""
    match = SIZE.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a memory size: write 512m or 4g")
    unit = (match[2] or "m")[0].lower()
    return ceil(int(match[1]) * UNITS[unit])


def pod_mib(heap: str, *, overhead: str = "", factor: float = JVM_FACTOR) -> int:
    """Return what a pod with this heap asks for: heap and overhead, as Spark computes it."""
    heap_mib = parse_mib(heap)
    extra = parse_mib(overhead) if overhead else max(int(heap_mib * factor), MIN_OVERHEAD_MIB)
    return heap_mib + extra


class SpecError(Exception):
    """The description of a job is wrong; str() is one sentence that names the option to change."""


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
    archives: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)  # Secret -> folder it is mounted at
    secret_env: Mapping[str, str] = field(default_factory=dict)  # variable -> SECRET:KEY
    driver_template: str = ""  # a file with a pod
    executor_template: str = ""
    service_account: str = ""
    spot: bool = False
    arch: str = ""
    time_limit: int = 0
    max_attempts: int = 1
    max_usd: str = ""
    dynamic_allocation: bool = False
    event_log: bool = True  # for the history server, where the control plane has a place for it

    def __post_init__(self) -> None:
        for check in (_program_problems, _amount_problems, _pair_problems, _file_problems):
            for problem in check(self):
                raise SpecError(problem)  # the first one

    @property
    def is_python(self) -> bool:
        """Return whether the application is a Python program."""
        return self.application.split("?")[0].endswith(".py")

    @property
    def app_name(self) -> str:
        """Return the application's name: given, or made of its file's."""
        return self.name or Path(self.application.split("?")[0]).stem

    @property
    def image_name(self) -> str:
        """Return the image of driver and executors: given, or ours of the Spark version."""
        return self.image or f"sparkanywhere/spark:{self.spark}"

    @property
    def named_files(self) -> tuple[str, ...]:
        """Return every file that the job names, the application first."""
        return (self.application, *self.py_files, *self.files, *self.jars, *self.archives)


# What each field of a JobSpec holds: str, int, bool, tuple (of texts) or Mapping (of texts).
FIELD_TYPES = {name: get_origin(each) or each for name, each in get_type_hints(JobSpec).items()}


def _program_problems(spec: JobSpec) -> Iterator[str]:
    is_jar = spec.application.split("?")[0].endswith(".jar")
    if not spec.application:
        yield "No application is given: name a .py or a .jar file."
    if not spec.is_python and not is_jar:
        yield f"{spec.application} is neither a .py nor a .jar file."
    if is_jar and not spec.main_class:
        yield f"{spec.application} needs its main class: --class com.example.Main."
    if spec.is_python and spec.main_class:
        yield "--class is for a .jar, not for a Python program."
    if spec.py_files and not spec.is_python:
        yield "--py-files are for a Python program, not for a .jar: use --jars."


def _amount_problems(spec: JobSpec) -> Iterator[str]:
    sizes = {
        "--executor-memory": spec.executor_memory,
        "--driver-memory": spec.driver_memory,
        "--conf spark.driver.memoryOverhead": spec.conf.get("spark.driver.memoryOverhead", "1g"),
        "--conf spark.executor.memoryOverhead": spec.conf.get("spark.executor.memoryOverhead", "1g"),
    }
    for option, text in sizes.items():
        try:
            parse_mib(text)
        except ValueError as error:
            yield f"{option}: {error}."
    least = {
        "--executor-cores": (spec.executor_cores, 1),
        "--driver-cores": (spec.driver_cores, 1),
        "--executors": (spec.executors, 1),
        "--time-limit": (spec.time_limit, 0),
        "--max-attempts": (spec.max_attempts, 1),
    }
    for option, (number, at_least) in least.items():
        if number < at_least:
            yield f"{option} must be at least {at_least}."
    if spec.max_attempts > MAX_ATTEMPTS:
        yield f"--max-attempts must be at most {MAX_ATTEMPTS}."
    if spec.max_usd:
        try:
            parse_dollars(spec.max_usd)
        except ValueError as error:
            yield f"--max-usd: {error}."


def _pair_problems(spec: JobSpec) -> Iterator[str]:
    if spec.arch not in ("", "amd64", "arm64"):
        yield f"--arch {spec.arch} is unknown: amd64 and arm64 are there."
    if spec.image_pull_policy not in ("Always", "IfNotPresent", "Never"):
        yield f"--image-pull-policy {spec.image_pull_policy} is unknown: Always, IfNotPresent or Never."
    for package in spec.packages:
        if not PACKAGE.fullmatch(package):
            yield f"--packages {package} is not a Maven coordinate: write group:artifact:version."
    for name, path in spec.secrets.items():
        if not path.startswith("/"):
            yield f"--secret {name}={path} names no folder: write {name}=/folder."
    for variable, place in spec.secret_env.items():
        if not SECRET_KEY.fullmatch(place):
            yield f"--secret-env {variable}={place} names no key of a Secret: write {variable}=SECRET:KEY."
        if variable in spec.env:
            yield f"--env and --secret-env both set {variable}: leave one out."
    for key, value in spec.conf.items():
        if key in REFUSED:
            yield f"--conf {key} cannot be set: {REFUSED[key]}."
        if key in CONF_FIELDS:
            name, option = CONF_FIELDS[key]
            if str(getattr(spec, name)) != value:
                yield f"--conf {key}={value} contradicts {option} {getattr(spec, name)}: use the option."
    if spec.dynamic_allocation and spec.conf.get("spark.dynamicAllocation.enabled", "true") == "false":
        yield "--conf spark.dynamicAllocation.enabled=false contradicts --dynamic-allocation: leave one out."


def _file_problems(spec: JobSpec) -> Iterator[str]:
    for named in (*spec.named_files, spec.driver_template, spec.executor_template):
        if not named or not is_local(named):
            continue
        path = Path(source_of(named))
        if not path.exists():
            yield f"{path} is not there."
        elif not path.is_file():
            yield f"{path} is a folder, not a file."
        elif path.stat().st_size == 0:
            yield f"{path} is empty."
        elif path.suffix == ".jar" and not is_zipfile(path):
            yield f"{path} is not a valid jar (not a zip archive)."
    for named in spec.named_files:
        if not ALIAS.fullmatch(named.partition("#")[2]):
            yield f"{named}: Spark takes no blanks and no {{ }} % in the name behind #."
        if is_brought(named) and is_bad_name(pod_name(source_of(named))):
            why = "its name begins with -, .. or a blank, ends in a blank or has line ends, { or }"
            yield f"{named!r}: {why}; rename it."
        if named.startswith(S3) and (named.count("/") < 3 or not pod_name(source_of(named))):
            yield f"{named} names no object: write s3://bucket/key."
        if "#" in named and is_brought(named) and named in (spec.application, *spec.py_files, *spec.jars):
            yield f"{named}: only --files and --archives take another name behind #."
    if double := same_names(spec.named_files):
        yield f"Two of the job's files are called {double}; rename one."
