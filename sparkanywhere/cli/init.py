"""`sparkanywhere init`: a small job to begin with, as a program, a job file and its requirements."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from sparkanywhere.cli.terminal import echo
from sparkanywhere.jobs.spec import SpecError

TEMPLATES = Path(__file__).with_name("new_job")
SUFFIX = ".template"


def write_job(folder: Path) -> list[Path]:
    """Write the files of a new job; return them. Raises SpecError, with nothing written, where one is there already."""
    files = {folder / each.name.removesuffix(SUFFIX): each.read_text() for each in sorted(TEMPLATES.glob(f"*{SUFFIX}"))}
    there = [path for path in files if path.exists() or path.is_symlink()]
    if there:
        raise SpecError(f"{' and '.join(map(str, there))} would be overwritten: nothing is written.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise SpecError(f"{folder} cannot be written to: {error.strerror}.") from error
    return list(files)


@click.command(epilog="Example: sparkanywhere init sums && cd sums && sparkanywhere run job.yaml")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=".", required=False)
def init(folder: Path) -> None:
    """Write a small job to begin with into DIR: job.py, job.yaml and requirements.txt. Nothing is overwritten."""
    try:
        made = write_job(folder)
    except SpecError as error:
        raise click.UsageError(str(error)) from error
    echo("\n".join(map(str, made)))
    enter = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    echo(f"Type next: {enter}sparkanywhere run job.yaml", err=True)
