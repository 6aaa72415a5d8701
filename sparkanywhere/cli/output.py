"""The option --output, and what it prints: a table, JSON, YAML, or names alone. Programs get records, people text."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import click
import yaml

from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.printable import one_line
from sparkanywhere.jobs.application_record import Record

FORMATS = ("text", "json", "yaml")


def output_option(*more: str) -> Callable[[Any], Any]:  # Any: a function that click decorates
    """Return what gives a command -o and --output, with further formats beside those that every command has."""
    return click.option(
        "--output", "-o", type=click.Choice([*FORMATS, *more]), default="text", show_default=True, help="How to print."
    )


def is_for_programs(output: str) -> bool:
    """Return whether a format is one of records."""
    return output in ("json", "yaml")


def print_records(found: Record | Sequence[Record], output: str) -> None:
    """Print one record or several as JSON on one line, or as YAML."""
    if output == "json":
        echo(json.dumps(found))
    else:
        echo(yaml.safe_dump(found, sort_keys=False, allow_unicode=True), nl=False)


def local_time(moment: datetime | None) -> str:
    """Return a time as people read it, in their own zone; "-" for none."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else "-"


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> list[int]:
    """Print rows below their titles, the columns aligned; return their widths. Nothing is shortened or wrapped."""
    widths = [max(len(one_line(cell)) for cell in column) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        print_row(row, widths)
    return widths


def print_row(row: Sequence[object], widths: Sequence[int]) -> None:
    """Print one row of a table, whose columns are so wide at least."""
    echo("  ".join(one_line(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
