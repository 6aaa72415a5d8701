"""The jars of `--with`: fetched into this machine's cache, and put where driver and executors load them from.

Processes of this machine read them where they lie, by Spark's scheme local:, and so do pods whose image holds them.
Spark before 4.0 would copy them into the driver's folder, so there they come before the class path instead. For all
other pods the control plane stages them: as the job's --jars, or where Spark needs them earlier on its class path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from chalicelib.config import Settings
from sparkanywhere.jars.image_tag import held_by, place
from sparkanywhere.jars.jar_cache import ensure_jars
from sparkanywhere.jars.repository import find_repository
from sparkanywhere.jars.table import jar_table
from sparkanywhere.jobs.jar_sets import sets_of_place, wanted_sets
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.staging import Say, nothing
from sparkanywhere.spark.progress import Progress, silent

EXECUTORS_CLASS_PATH = "spark.executor.extraClassPath"
FIRST_WITH_LOCAL_JARS = 4  # spark.kubernetes.jars.avoidDownloadSchemes (SPARK-47475)


def fetch_jars(
    spec: JobSpec, environ: Mapping[str, str], *, say: Say = nothing, progress: Progress = silent
) -> list[Path]:
    """Return the files of the jars that a job asks for by --with, fetched where the cache has them not.

    `say` is told which Spark they are for. Raises JarsFailed. May be repeated.
    """
    names = wanted_sets(spec)
    jars, cache = jar_table().jars(names, spec.spark), Settings.from_env(environ).cache_dir(environ)
    newest = ", the newest that has builds of them" if spec.spark == jar_table().newest_spark(names) else ""
    say(f"Spark {spec.spark} with {', '.join(names)}{newest}")
    return ensure_jars(jars, cache=cache, repository=find_repository(environ, home=Path.home()), progress=progress)


def in_image(spec: JobSpec) -> bool:
    """Return whether a job's image says by its tag that it holds the jars that the job asks for."""
    held = held_by(spec.image)
    return held is not None and held.spark == spec.spark and set(wanted_sets(spec)) <= set(held.sets)


def with_jars(spec: JobSpec, environ: Mapping[str, str], *, is_local: bool) -> JobSpec:
    """Return the job with the jars that it asks for. If `is_local`, its pods are processes of this machine.

    Raises JarsFailed.
    """
    if not wanted_sets(spec):
        return spec
    jars = jar_table().jars(wanted_sets(spec), spec.spark)
    held = not is_local and in_image(spec)
    paths = [str(place(jar)) for jar in jars] if held else [str(path) for path in fetch_jars(spec, environ)]
    # an executor that is told to end reaches the bucket by a thread which sees its class path alone
    keeps_shuffle = bool(sets_of_place(spec.keep_shuffle))
    if not is_local and not held:
        if keeps_shuffle:
            return replace(spec, class_path=tuple(paths))
        return replace(spec, jars=(*spec.jars, *paths))
    if int(spec.spark.partition(".")[0]) >= FIRST_WITH_LOCAL_JARS and not keeps_shuffle:
        return replace(spec, jars=(*spec.jars, *(f"local://{quote(path)}" for path in paths)))
    executors = [*filter(None, [spec.conf.get(EXECUTORS_CLASS_PATH)]), *paths]
    drivers = [*filter(None, [spec.driver_class_path]), *paths]
    return replace(
        spec, driver_class_path=":".join(drivers), conf={**spec.conf, EXECUTORS_CLASS_PATH: ":".join(executors)}
    )
