"""`sparkanywhere submit`: the command and its options. What it does is in submit_run, which --help need not import."""

from __future__ import annotations

import sys
from typing import Any

import click

from sparkanywhere.cli.submit_options import job_options, spec_from, typed_options
from sparkanywhere.cli.terminal import echo
from sparkanywhere.jobs.spec import SpecError
from sparkanywhere.local.server_options import ProviderType

USAGE = 2


@click.command(
    "run",
    context_settings={"allow_interspersed_args": False},  # what follows the program is the program's
    epilog="Examples: sparkanywhere run --executors 4 etl.py --day 7; sparkanywhere run --var day=7 job.yaml;"
    " sparkanywhere run --class com.example.Main app.jar 1000; sparkanywhere run --context prod etl.py",
)
@click.argument("application")
@click.argument("arguments", nargs=-1)
@job_options
@click.option("--var", multiple=True, metavar="NAME=VALUE", help="A variable of the job file; repeatable.")
@click.option("--context", default="", help="A context of your kubeconfig.")
@click.option("--namespace", "-n", default="", help="Default: the context's.")
@click.option("--provider", type=ProviderType(launches=True), default=None, help="Run it on this machine.")
@click.option("--detach", is_flag=True, help="Return the application's id once it is submitted.")
@click.option("--keep", is_flag=True, help="Keep the driver pod when the job has ended.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--verbose", is_flag=True, help="Print every line of the driver's log.")
@click.pass_context
def run_command(context: click.Context, /, **options: Any) -> None:  # Any: click's values
    """Run APPLICATION, a .py, a .jar or a job file (.yaml), with ARGUMENTS.

    Options stand before APPLICATION: what follows it, options included, is for the program. Behind a job file it
    replaces the file's args.
    """
    _note_options_behind(context, options["application"], options["arguments"])
    try:
        spec = spec_from(options, typed_options(context))
        if options["detach"] and options["provider"]:
            raise SpecError("--provider starts a control plane for this job alone: --detach would end both.")
    except SpecError as error:
        echo(f"Error: {error}", err=True)
        sys.exit(USAGE)
    from sparkanywhere.cli.submit_run import RunOptions, run

    names = ("context", "provider", "detach", "keep", "output", "verbose")
    sys.exit(run(spec, RunOptions(**{name: options[name] for name in names})))


def _note_options_behind(context: click.Context, application: str, arguments: tuple[str, ...]) -> None:
    """Say that options of ours which stand behind the program are the program's, unless -- says it already."""
    ours = {name for parameter in context.command.params for name in parameter.opts if name.startswith("--")}
    stray = [each for each in arguments if each.partition("=")[0] in ours]
    if stray and arguments[0] != "--":
        echo(f"Note: {stray[0]} goes to {application}; an option of Sparkanywhere stands before it.", err=True)
