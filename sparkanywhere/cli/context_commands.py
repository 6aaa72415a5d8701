"""`sparkanywhere contexts` and `sparkanywhere use`: which control planes there are, and which one commands talk to."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from sparkanywhere.cli.completion import contexts as complete_contexts
from sparkanywhere.cli.output import is_for_programs, output_option, print_records
from sparkanywhere.cli.target_options import errors_as_sentences, say_where
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import LAPTOP, VARIABLE, Choice, choose, known_places, place
from sparkanywhere.client.default_context import set_default_context
from sparkanywhere.client.printable import one_line

UNNAMED = f"neither --on nor {VARIABLE} nor `sparkanywhere use` names another"


@click.command()
@output_option("name")
def contexts(*, output: str) -> None:
    """List the control planes that --on and `use` take, and which one is the default, and why."""
    with errors_as_sentences():
        choice = choose(os.environ)
        rows = [{**asdict(each), "default": each.name == choice.name} for each in known_places(os.environ)]
        if is_for_programs(output):
            print_records(rows, output)
        elif output == "name":
            for row in rows:
                echo(one_line(row["name"]))
        else:
            for row in rows:
                mark = "*" if row["default"] else " "
                echo(one_line(f"{mark} {row['name']}  {row['server'] or '-'}  ({row['source']})"))
        place(os.environ, choice)  # raises where the default is a name that nothing has
    echo(f"* is the default: {f'{choice.why} names it' if choice.why else UNNAMED}.", err=True)


@click.command(epilog="Examples: sparkanywhere use prod; sparkanywhere use laptop")
@click.argument("name", required=False, default="", shell_complete=complete_contexts)
@click.option("--clear", is_flag=True, help="Go back to this laptop.")
def use(*, name: str, clear: bool) -> None:
    """Let commands talk to NAME where nothing else is said; without a name, say where they work now."""
    if name and clear:
        raise click.UsageError("--clear goes back to this laptop: leave the name out.")
    with errors_as_sentences():
        if name or clear:
            place(os.environ, Choice(name or LAPTOP, "the command line"))
            set_default_context(os.environ, "" if name == LAPTOP else name)
        choice = choose(os.environ)
        say_where(place(os.environ, choice))
    if choice.why == VARIABLE:
        echo(f"{VARIABLE} is set in this shell, and counts before what `sparkanywhere use` sets.", err=True)
