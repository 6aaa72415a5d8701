"""What is wrong with a JobSpec, each problem in one sentence that names the option to change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from zipfile import is_zipfile

from chalicelib.resources.pods.marks import parse_dollars, parse_warm
from sparkanywhere.jobs.jar_sets import set_problems, sets_of_place
from sparkanywhere.jobs.job_fields import JOB_OPTIONS, KEEPS_SHUFFLE, JobFields
from sparkanywhere.jobs.job_files import S3, is_bad_name, is_brought, is_local, pod_name, same_names, source_of
from sparkanywhere.jobs.memory_size import parse_mib
from sparkanywhere.spark.image_name import IMAGE

# Settings that a job cannot have here, and what to do instead.
REFUSED = {
    "spark.master": "choose the control plane by --context or --provider",
    "spark.submit.deployMode": "the driver always runs as a pod",
    "spark.kubernetes.driver.pod.name": "use --name",
    "spark.kubernetes.executor.podNamePrefix": "use --name",
    "spark.app.id": "each run gets one of its own",
    "spark.kubernetes.file.upload.path": "files are staged by the control plane",
}
FOLDER = ("/", "file:///")
# Whoever changes these has another shuffle than the one whose files Spark can hand over.
ITS_OWN_SHUFFLE = {
    "spark.shuffle.service.enabled": "false",
    "spark.shuffle.manager": "sort",
    "spark.shuffle.sort.io.plugin.class": "org.apache.spark.shuffle.sort.io.LocalDiskShuffleDataIO",
}
# Options of which one undoes what the other is for.
APART = (
    ("max_attempts", "auto_size", "--max-attempts tries again with the same memory, and --auto-size with more"),
    ("max_attempts", "keep_warm", "--max-attempts may start another driver, and --keep-warm begins when one ends"),
    ("auto_size", "keep_warm", "--auto-size may ask for larger executors, and --keep-warm keeps these"),
)
OVERHEADS = ("spark.driver.memoryOverhead", "spark.executor.memoryOverhead")
PACKAGE = re.compile(r"[^\s:,/]+:[^\s:,/]+:[^\s:,/]+")
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SPARK_VERSION = re.compile(r"\d+(?:\.\d+)+(?:[.-]?\w+)*", re.ASCII)
ALIAS = re.compile(r"[^\s{}%#\"<>\\^`|]*")  # a part of a URL that Spark leaves as it is, or loses
SECRET_KEY = re.compile(r"[^:]+:[^:]+")


def problems(spec: JobFields) -> Iterator[str]:
    """Yield what is wrong, the first thing to mend first; files of this machine are looked at."""
    checks = (_program_problems, set_problems, _shuffle_problems, _amount_problems, _pair_problems, _file_problems)
    for check in checks:
        yield from check(spec)


def _program_problems(spec: JobFields) -> Iterator[str]:
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
    if not NAMESPACE.fullmatch(spec.namespace):
        yield f"--namespace {spec.namespace!r} is no name: write small letters, digits and dashes."
    if not SPARK_VERSION.fullmatch(spec.spark):
        yield f"--spark {spec.spark} is no version of Spark: write it like 4.3.0."
    if spec.image and not IMAGE.fullmatch(spec.image):
        yield f"--image {spec.image!r} is no name of an image: write it like REGISTRY/NAME:TAG."
    if spec.requirements and not spec.is_python:
        yield "--requirements are for a Python program, not for a .jar: use --packages."


def _amount_problems(spec: JobFields) -> Iterator[str]:
    values = [(option, getattr(spec, option.name)) for option in JOB_OPTIONS.values()]
    sizes = {option.flag: text for option, text in values if option.is_size}
    sizes |= {f"--conf {key}": spec.conf.get(key, "1g") for key in OVERHEADS}
    for name, text in sizes.items():
        try:
            parse_mib(text)
        except ValueError as error:
            yield f"{name}: {error}."
    for option, value in values:
        if option.at_least is not None and value < option.at_least:
            yield f"{option.flag} must be at least {option.at_least}."
        if option.at_most is not None and value > option.at_most:
            yield f"{option.flag} must be at most {option.at_most}."
        if option.choices and value not in (option.default, *option.choices):
            yield f"{option.flag} {value} is unknown: {', '.join(option.choices[:-1])} or {option.choices[-1]}."
    for flag, text, parse in (("--max-usd", spec.max_usd, parse_dollars), ("--keep-warm", spec.keep_warm, parse_warm)):
        try:
            if text:
                parse(text)
        except ValueError as error:
            yield f"{flag}: {error}."


def _pair_problems(spec: JobFields) -> Iterator[str]:
    for one, other, why in APART:
        if all(getattr(spec, name) != JOB_OPTIONS[name].default for name in (one, other)):
            yield f"{why}: leave one of them out."
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
    for key in spec.conf:
        if key in REFUSED:
            yield f"--conf {key} cannot be set: {REFUSED[key]}."
    if spec.dynamic_allocation and spec.conf.get("spark.dynamicAllocation.enabled", "true") == "false":
        yield "--conf spark.dynamicAllocation.enabled=false contradicts --dynamic-allocation: leave one out."


def _shuffle_problems(spec: JobFields) -> Iterator[str]:
    place = spec.keep_shuffle
    if not place:
        return
    if not sets_of_place(place) and not place.startswith(FOLDER):
        yield f"--keep-shuffle {place}: name a bucket (s3://, gs://, abfss://) or, on local processes, /a/whole/folder."
    elif problem := place_problem("--keep-shuffle", place):
        yield problem
    elif place.startswith(FOLDER) and Path(place).is_file():
        yield f"--keep-shuffle {place} is a file: name a folder."
    for key in KEEPS_SHUFFLE:
        if spec.conf.get(key, "true").lower() != "true":
            yield f"--conf {key}={spec.conf[key]} contradicts --keep-shuffle: leave one out."
    for key, usual in ITS_OWN_SHUFFLE.items():
        if spec.conf.get(key, usual) != usual:
            yield f"--conf {key}={spec.conf[key]} is for a shuffle which --keep-shuffle does not move: leave one out."


def place_problem(flag: str, place: str) -> str:
    """Return what is wrong with where an option has files, "" if nothing: a bucket's URL, or a whole folder."""
    if "://" not in place and not place.startswith("/"):
        return f"{flag} {place}: name a bucket (s3://, gs://, abfss://) or /a/whole/folder."
    return "" if place.startswith(FOLDER) or urlsplit(place).netloc else f"{flag} {place} names no bucket."


def _file_problems(spec: JobFields) -> Iterator[str]:
    for named in (*spec.named_files, spec.requirements, spec.driver_template, spec.executor_template):
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
