"""`sparkanywhere spark install VERSION`: fetch a Spark before the first job needs it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from chalicelib.config import Settings
from sparkanywhere.spark.progress import StepPrinter
from sparkanywhere.spark.spark_distribution import SparkUnavailable, ensure


@click.group()
def spark() -> None:
    """Download a Spark."""


@spark.command()
@click.argument("version")
def install(version: str) -> None:
    """Make Spark VERSION (such as 4.3.0) ready in the cache and print its SPARK_HOME."""
    click.echo(installed(version))


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
