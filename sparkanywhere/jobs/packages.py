"""The jars of `--packages`, which the Ivy of a Spark on this machine resolves once, or that of the job's driver.

Containers and Fargate tasks get what has been resolved here as the job's --jars, staged by content like all files, and
need no repository then. Processes of this machine share the Ivy home that we resolve in.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from chalicelib.config import Settings
from chalicelib.controllers.causes.cause import driver_cause
from sparkanywhere.jars.coordinate import parse
from sparkanywhere.jars.jar_cache import JarsFailed
from sparkanywhere.jars.repository import MIRROR, SPARKS_OWN, Repository, find_repository
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.staging import Say
from sparkanywhere.spark.spark_distribution import is_ready
from sparkanywhere.spark.spark_submit import environment

IVY_HOME, IVY_SETTINGS = "spark.jars.ivy", "spark.jars.ivySettings"
PROBE_SECONDS = 5.0  # for a repository to answer, where Java would wait for minutes
RESOLVE_SECONDS = 900.0  # a cold cache, 1.5 GB and a slow network
CHANGING = re.compile(r"SNAPSHOT|latest\.|[\[(+]")  # of versions that may be another jar tomorrow
# A Spark without a job: SparkSubmit resolves, loads a main class, which is itself, and that prints its version.
RESOLVES = ("--class", "org.apache.spark.deploy.SparkSubmit", "spark-internal", "--version")


def with_packages(spec: JobSpec, environ: Mapping[str, str], *, is_local: bool, say: Say) -> JobSpec:
    """Return the job with the jars of its --packages, or with where its driver resolves them, if it names any.

    `is_local`: its pods are processes of this machine. The driver of others resolves where no Spark of its version is
    here, and where the job says how: by an Ivy home, Ivy's settings, or a repository of the driver's.
    Raises JarsFailed where nothing answers that would have to, and for what no repository has. May be repeated.
    """
    if not spec.packages:
        return spec
    repository = find_repository(environ, home=Path.home())
    cache = Settings.from_env(environ).cache_dir(environ)
    has_said = SPARKS_OWN in spec.env or IVY_HOME in spec.conf or IVY_SETTINGS in spec.conf
    has_said |= "proxyHost" in spec.driver_java_options
    if is_local and not has_said and not all(_is_here(each, cache) for each in spec.packages):
        _check_answer(spec, repository)
    home = (cache / "spark" / spec.spark).resolve()
    is_ours = not spec.image or spec.image.rpartition(":")[2].startswith(spec.spark)
    lasts = not any(CHANGING.search(each) for each in spec.packages)
    if is_local or has_said or not (is_ours and lasts and not repository.authorization and is_ready(home)):
        return _resolved_by_driver(spec, repository, cache, is_local=is_local)
    jars = _resolved(spec, environ, home, repository, cache, say=say)
    with_python = [str(jar) for jar in jars if spec.is_python and _has_python(jar)]
    return replace(
        spec,
        packages=(),
        exclude_packages=(),
        repositories=(),
        jars=(*spec.jars, *map(str, jars)),
        py_files=(*spec.py_files, *with_python),
    )


def _resolved_by_driver(spec: JobSpec, repository: Repository, cache: Path, *, is_local: bool) -> JobSpec:
    """Return the job with its driver's repository: the caller's, if that asks for no login, and pods may reach it.

    Of a mirror in Maven's settings nobody knows whether other machines reach it.
    """
    env, conf = dict(spec.env), dict(spec.conf)
    is_reached = is_local or (repository.chosen_by in (MIRROR, SPARKS_OWN) and not repository.is_of_this_machine)
    if repository.url and not repository.authorization and is_reached:
        env.setdefault(SPARKS_OWN, repository.url)
    if is_local:
        conf.setdefault(IVY_HOME, str(cache / "ivy"))
    return replace(spec, env=env, conf=conf)


def _is_here(named: str, cache: Path) -> bool:
    """Return whether Ivy or Maven has what is named on this machine."""
    try:
        jar = parse(named)
    except ValueError:  # which Spark says
        return True
    in_ivy = cache / "ivy" / "cache" / jar.group / jar.artifact / f"ivy-{jar.version}.xml"
    return in_ivy.is_file() or (Path.home() / ".m2" / "repository" / jar.path).is_file()


def _check_answer(spec: JobSpec, repository: Repository) -> None:
    """Raise JarsFailed where the one server of a job's jars does not answer; whatever it answers is Ivy's to judge."""
    if spec.repositories or urlsplit(repository.url).scheme == "file":
        return
    with suppress(HTTPError, ValueError):  # it answers; or no coordinate is named, which Spark says
        wanted = repository.request(parse(spec.packages[0]))
        try:
            asked = Request(wanted.full_url, headers=dict(wanted.header_items()), method="HEAD")
            urlopen(asked, timeout=PROBE_SECONDS).close()
        except HTTPError:
            raise
        except (OSError, HTTPException) as error:
            why = str(getattr(error, "reason", "") or error or type(error).__name__)
            raise JarsFailed(
                f"--packages cannot be resolved: {repository} does not answer: {why}; a mirror that this machine"
                f" reaches is set by {MIRROR}."
            ) from error


def _resolved(
    spec: JobSpec, environ: Mapping[str, str], home: Path, repository: Repository, cache: Path, *, say: Say
) -> list[Path]:
    """Return the jars that a job's --packages mean, resolved if they have not been yet. Raises JarsFailed."""
    lists = (spec.packages, spec.exclude_packages, spec.repositories)
    key = "\n".join((spec.spark, repository.url, *map(",".join, lists)))
    kept = cache / "packages" / hashlib.sha256(key.encode()).hexdigest()
    if kept.is_dir():
        return sorted(kept.glob("*.jar"))
    _check_answer(spec, repository)
    say(f"resolving --packages by Spark {spec.spark} on this machine, once")
    asked = environment(environ, spark_home=home, kubeconfig=Path(os.devnull))
    asked |= {SPARKS_OWN: repository.url} if repository.url else {}
    flags = zip(("--packages", "--exclude-packages", "--repositories"), lists, strict=True)
    words = [word for flag, names in flags if names for word in (flag, ",".join(names))]
    shared = cache / "ivy" / "cache"
    try:
        for folder in (kept.parent, shared):
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            (ivy := Path(scratch, "ivy")).mkdir()
            (ivy / "cache").symlink_to(shared)
            line = [str(home / "bin" / "spark-submit"), "--master", "local", "--conf", f"{IVY_HOME}={ivy}", *words]
            ran = subprocess.run([*line, *RESOLVES], env=asked, capture_output=True, text=True, timeout=RESOLVE_SECONDS)
            if ran.returncode:
                why = driver_cause({}, ran.returncode, ran.stdout + ran.stderr).sentence
                raise JarsFailed(f"--packages cannot be resolved: {why}.")
            try:
                (ivy / "jars").replace(kept)
            except OSError:
                if not kept.is_dir():  # else another one was faster
                    raise
    except subprocess.TimeoutExpired as error:
        raise JarsFailed(f"--packages cannot be resolved: Ivy took more than {error.timeout:g} s.") from error
    except OSError as error:
        raise JarsFailed(f"--packages cannot be resolved: {error}.") from error
    return sorted(kept.glob("*.jar"))


def _has_python(jar: Path) -> bool:
    with zipfile.ZipFile(jar) as content:
        return any(name.endswith(".py") for name in content.namelist())
