"""`sparkanywhere run`: the command and its options. What it does is in submit_run, which --help need not import."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from chalicelib.providers import registry
from sparkanywhere.cli.job_options import job_options, spec_from, typed_options
from sparkanywhere.cli.output import output_option
from sparkanywhere.cli.spark_submit_options import (
    context_of,
    executors_of,
    is_local,
    other_command,
    spark_submit_options,
)
from sparkanywhere.cli.target_options import fail, target_options
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import DEFAULT_NAMESPACE, known_places, namespace_of
from sparkanywhere.client.failure import Failure
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.local.provider_type import ProviderType


@click.command(
    "run",
    context_settings={"allow_interspersed_args": False},  # what follows the program is the program's
    epilog="Examples: sparkanywhere run --executors 4 etl.py --day 7; sparkanywhere run --var day=7 job.yaml;"
    " sparkanywhere run --class com.example.Main app.jar 1000; sparkanywhere run --context prod etl.py",
)
@click.argument("application", type=click.Path(), required=False, default="")
@click.argument("arguments", type=click.Path(), nargs=-1)
@job_options
@spark_submit_options
@click.option("--var", multiple=True, metavar="NAME=VALUE", help="A variable of the job file; repeatable.")
@target_options
@click.option("--provider", type=ProviderType(launches=True), default=None, help="Run it on this machine.")
@click.option("--dry-run", is_flag=True, help="Say what would run, where and at what price, and create nothing.")
@click.option("--detach", "-d", is_flag=True, help="Return the application's id once it is submitted.")
@output_option()
@click.option("--verbose", "-v", is_flag=True, help="Print every line of the driver's log.")
@click.version_option(DEFAULT_SPARK, prog_name="Spark")
@click.pass_context
def run_command(context: click.Context, /, **options: Any) -> None:  # Any: click's values
    """Run APPLICATION, a .py, a .jar or a job file (.yaml), with ARGUMENTS.

    Options stand before APPLICATION: what follows it, options included, is for the program. Behind a job file it
    replaces the file's args.
    """
    _note_options_behind(context, options["application"], options["arguments"])
    try:
        _take_master(options)
        if line := other_command(options, options["context"]):
            context.find_root().command.main(line, prog_name="sparkanywhere")
        spec = _spec(options, typed_options(context))
        if options["detach"] and options["provider"]:
            raise SpecError("--provider starts a control plane for this job alone: --detach would end both.")
        if options["detach"] and spec.auto_size:
            raise SpecError("--auto-size tries again from here: without --detach.")
        if options["context"] and options["provider"]:
            raise SpecError("--provider starts a control plane for this job alone: --on names another.")
    except Failure as error:
        fail(str(error), error.exit_code)
    if options["dry_run"]:
        from sparkanywhere.cli.dry_run import dry_run

        dry_run(spec, context=options["context"], provider=options["provider"], output=options["output"])
        return
    from sparkanywhere.cli.submit_run import RunOptions, run

    names = ("context", "provider", "detach", "output", "verbose")
    sys.exit(run(spec, RunOptions(**{name: options[name] for name in names})))


def _take_master(options: dict[str, Any]) -> None:  # Any: click's values
    """Let --master say what --context or --provider would. Raises SpecError."""
    master = options["master"]
    if not master:
        return
    if options["context"] or options["provider"]:
        raise SpecError("--master says where to run, and so do --context and --provider: leave one of them out.")
    if is_local(master):
        options["provider"] = registry.DEFAULT
    else:
        known = {each.name: each.server for each in known_places(os.environ)}
        options["context"] = context_of(master, known)


def _spec(options: dict[str, Any], given: list[str]) -> JobSpec:  # Any: click's values
    """Return the job, in the namespace of the context where nothing else is said. Raises SpecError, NoAccess."""
    if not options["application"]:
        raise SpecError("Name what to run: sparkanywhere run my_job.py, an app.jar or a job.yaml.")
    if options["application"] == "run-example":
        raise SpecError("run-example is spark-submit's: `sparkanywhere pi` runs SparkPi, and takes --example.")
    own = options["provider"] is not None
    namespace = DEFAULT_NAMESPACE if own else namespace_of(os.environ, options["context"])
    spec = spec_from(options, given, namespace=namespace)
    return executors_of(options["total_executor_cores"], spec, given) if options["total_executor_cores"] else spec


def _note_options_behind(context: click.Context, application: str, arguments: tuple[str, ...]) -> None:
    """Say that options of ours which stand behind the program are the program's, unless -- says it already."""
    ours = {name for parameter in context.command.params for name in parameter.opts if name.startswith("--")}
    stray = [each for each in arguments if each.partition("=")[0] in ours]
    if stray and arguments[0] != "--":
        echo(f"Note: {stray[0]} goes to {application}; an option of Sparkanywhere stands before it.", err=True)
