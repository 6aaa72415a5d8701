"""`sparkanywhere job-schema`: the JSON schema of a job file, for editors and checks."""

from __future__ import annotations

import json

import click

from sparkanywhere.cli.terminal import echo
from sparkanywhere.jobs.job_schema import job_schema


@click.command("job-schema", epilog="Example: sparkanywhere job-schema > job.schema.json")
def job_schema_command() -> None:
    """Print the JSON schema of a job file."""
    echo(json.dumps(job_schema(), indent=2))
