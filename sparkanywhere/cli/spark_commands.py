"""`sparkanywhere spark install VERSION` and `sparkanywhere image TAG`: have a Spark, and an image of it, ready."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import click

from chalicelib.config import Settings
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.aws.image_push import push
from sparkanywhere.cli.terminal import echo, preparing
from sparkanywhere.jars.extended_image import ensure_extended
from sparkanywhere.jars.jar_cache import JarsFailed
from sparkanywhere.jars.table import jar_table
from sparkanywhere.jobs.jar_files import fetch_jars, in_image
from sparkanywhere.jobs.jar_sets import wanted_sets
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK, JOB_OPTIONS
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.local.providers import engine
from sparkanywhere.spark.base_image import ImageFailed
from sparkanywhere.spark.image import REPOSITORY, describe, ensure_image
from sparkanywhere.spark.image_name import TAGGED
from sparkanywhere.spark.spark_distribution import SparkUnavailable, ensure


@click.group()
def spark() -> None:
    """Download a Spark."""


@spark.command()
@click.argument("version")
def install(version: str) -> None:
    """Make Spark VERSION (such as 4.3.0) ready in the cache and print its SPARK_HOME."""
    echo(str(installed(version)))


def installed(version: str) -> Path:
    """Return the SPARK_HOME of a version in the user's cache, showing the work on stderr.

    Raises click.ClickException with one sentence.
    """
    try:
        with preparing() as show:
            return ensure(version, cache=Settings.from_env().cache_dir(), environ=os.environ, progress=show)
    except SparkUnavailable as error:
        raise click.ClickException(str(error)) from error


def fetched(spec: JobSpec) -> None:
    """Have the jars of a job's --with in the cache before anything starts, showing it on stderr. Raises JarsFailed."""
    if wanted_sets(spec) and not in_image(spec):
        with preparing() as show:
            fetch_jars(spec, os.environ, say=partial(echo, err=True), progress=show)


@click.command()
@click.argument("tag", default="")
@click.option("--again", is_flag=True, help="Build it even if it is there.")
@click.option("--with", "with_", default="", metavar="NAME,NAME", help="Have it hold the jars of these sets.")
@click.option(
    "--requirements",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Have it hold these Python packages: a requirements.txt or pyproject.toml.",
)
@click.option("--push", "repository", default="", metavar="REPOSITORY", help="Push it there, as for Fargate to ECR.")
def image(tag: str, again: bool, with_: str, requirements: Path | None, repository: str) -> None:
    """Build the image sparkanywhere/spark:TAG in the Docker engine, if it has none.

    TAG is a version of Spark, such as 4.3.0, or 4.3.0-scala: without Python, for jars. By default it is 4.3.0, or the
    newest that has builds of all of --with. An image with jars or packages has a tag that names them.
    """
    sets = tuple(dict.fromkeys(JOB_OPTIONS["jar_sets"].parse(with_)))
    tag = tag or jar_table().newest_spark(sets) or DEFAULT_SPARK
    if problem := jar_table().problem(sets, tag):
        raise click.UsageError(problem)
    if not TAGGED.fullmatch(f"{REPOSITORY}:{tag}"):
        raise click.UsageError(f"{tag!r} is no tag of an image: write a version of Spark, such as 4.3.0.")
    if repository and not TAGGED.fullmatch(repository):
        raise click.UsageError(
            f"--push {repository!r} is no name of an image: write REGISTRY/NAME or REGISTRY/NAME:TAG."
        )
    if (sets or requirements) and "-" in tag:
        raise click.UsageError(f"--with and --requirements build on an image with Python: {tag} has none.")
    name = built(tag, again=again and not sets and not requirements)
    with closing(engine(Settings.from_env())) as client:
        if sets or requirements:
            name = _extended(client, name, sets, requirements, again=again)
        echo(describe(client, name))
        if repository:
            _push(client, name, repository)


def _extended(client: Any, base: str, sets: tuple[str, ...], requirements: Path | None, *, again: bool) -> str:
    cache = Settings.from_env().cache_dir()
    try:
        with preparing() as show:
            return ensure_extended(
                client, base, sets, requirements, cache=cache, environ=os.environ, progress=show, again=again
            )
    except (ImageFailed, JarsFailed) as error:
        raise click.ClickException(str(error)) from error


def _push(client: Any, name: str, repository: str) -> None:  # Any: a docker.APIClient
    try:
        with preparing() as show:
            pushed = push(client, name, repository, show)
    except ImageFailed as error:
        raise click.ClickException(str(error)) from error
    echo(f"Pushed {pushed.name}{'' if pushed.no_index else ' with a SOCI index'}.")
    if pushed.no_index:
        echo(f"It has no SOCI index, by which Fargate starts it sooner: {pushed.no_index}.", err=True)


def built(tag: str, *, again: bool = False) -> str:
    """Return the name of the image, building it if needed, with progress on stderr.

    Raises click.ClickException with one sentence.
    """
    settings = Settings.from_env()
    try:
        with preparing() as show, closing(engine(settings)) as client:
            return ensure_image(client, tag, cache=settings.cache_dir(), environ=os.environ, progress=show, again=again)
    except (ImageFailed, ProviderUnavailable) as error:
        raise click.ClickException(str(error)) from error
