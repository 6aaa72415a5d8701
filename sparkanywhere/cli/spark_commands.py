"""`sparkanywhere spark install VERSION` and `sparkanywhere image VERSION`: have a Spark, and an image of it, ready."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import click

from chalicelib.config import Settings
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.cli.terminal import echo
from sparkanywhere.local.providers import engine
from sparkanywhere.spark.image import ImageFailed, describe, ensure_image
from sparkanywhere.spark.progress import StepPrinter
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
    show = StepPrinter()
    try:
        return ensure(version, cache=Settings.from_env().cache_dir(), environ=os.environ, progress=show)
    except SparkUnavailable as error:
        raise click.ClickException(str(error)) from error
    finally:
        show.close()


@click.command()
@click.argument("version", default="4.3.0")
@click.option("--again", is_flag=True, help="Build it even if it is there.")
def image(version: str, again: bool) -> None:
    """Build the image sparkanywhere/spark:VERSION in the Docker engine, if it has none."""
    name = built(version, again=again)
    with closing(engine(Settings.from_env())) as client:
        echo(describe(client, name))


def built(version: str, *, again: bool = False) -> str:
    """Return the name of the image, building it if needed, with progress on stderr.

    Raises click.ClickException with one sentence.
    """
    show = StepPrinter()
    settings = Settings.from_env()
    try:
        with closing(engine(settings)) as client:
            return ensure_image(
                client, version, cache=settings.cache_dir(), environ=os.environ, progress=show, again=again
            )
    except (ImageFailed, ProviderUnavailable) as error:
        raise click.ClickException(str(error)) from error
    finally:
        show.close()
