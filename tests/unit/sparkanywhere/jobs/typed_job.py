"""The job that a command line describes, as `sparkanywhere run` reads it."""

from __future__ import annotations

from typing import Any

import click
from click.testing import CliRunner

from sparkanywhere.cli.job_options import job_options, spec_from, typed_options
from sparkanywhere.jobs.spec import JobSpec, SpecError


def typed(*line: str) -> JobSpec:
    """Return the job that a command line describes. Raises SpecError."""
    made: list[JobSpec | SpecError] = []

    @click.command(context_settings={"allow_interspersed_args": False})
    @click.argument("application")
    @click.argument("arguments", nargs=-1)
    @job_options
    @click.option("--namespace", default="")
    @click.pass_context
    def command(context: click.Context, /, **options: Any) -> None:  # Any: click's values
        made.append(spec_from(options, typed_options(context)))

    result = CliRunner().invoke(command, line)
    if isinstance(result.exception, SpecError):
        raise result.exception
    assert made, result.output
    assert isinstance(made[-1], JobSpec)
    return made[-1]
