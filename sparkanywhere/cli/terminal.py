"""What every command prints by: others' words come out harmless, whatever is in them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from sparkanywhere.client.printable import harmless
from sparkanywhere.spark.progress import Progress, StepPrinter


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print lines of ours that have others' words in them."""
    click.echo(harmless(text), err=err, nl=nl)


BEGAN_AT = "sparkanywhere.began_at"  # in the context of the command that was called


def began_at() -> float:
    """Return when the command was called, in seconds of time.monotonic(): before it was imported."""
    context = click.get_current_context(silent=True)
    return float(context.meta.get(BEGAN_AT, time.monotonic())) if context else time.monotonic()


@contextmanager
def preparing() -> Iterator[Progress]:
    """Show on stderr what is made ready once; where that was anything, the time of the command begins after it."""
    show = StepPrinter()
    try:
        yield show
    finally:
        show.close()
        context = click.get_current_context(silent=True)
        if show.has_shown and context:
            context.meta[BEGAN_AT] = time.monotonic()
