"""`sparkanywhere image VERSION`: build the Spark image that pods run, without a registry."""

from __future__ import annotations

import os
from contextlib import closing

import click

from chalicelib.config import Settings
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.base_image import ImageFailed
from sparkanywhere.docker_engine import engine
from sparkanywhere.image import describe, ensure_image
from sparkanywhere.progress import StepPrinter


@click.command()
@click.argument("version", default="4.3.0")
@click.option("--again", is_flag=True, help="Build it even if it is there.")
def image(version: str, again: bool) -> None:
    """Build the image sparkanywhere/spark:VERSION in the Docker engine, if it has none."""
    show = StepPrinter()
    settings = Settings.from_env()
    try:
        with closing(engine(settings)) as client:
            name = ensure_image(
                client, version, cache=settings.cache_dir(), environ=os.environ, progress=show, again=again
            )
            show.close()
            click.echo(describe(client, name))
    except (ImageFailed, ProviderUnavailable) as error:
        show.close()
        raise click.ClickException(str(error)) from error
