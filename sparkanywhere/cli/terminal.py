"""What every command prints by: others' words come out harmless, whatever is in them."""

from __future__ import annotations

import click

from sparkanywhere.client.printable import harmless


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print lines of ours that have others' words in them."""
    click.echo(harmless(text), err=err, nl=nl)
