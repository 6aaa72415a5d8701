"""The `sparkanywhere` command: a group whose subcommands are imported only when they are called.

`--help` must answer at once, so the table below holds names and one line each, and nothing else is loaded.
"""

from __future__ import annotations

import sys
import time

if sys.version_info < (3, 11):  # noqa: UP036  # as from a checkout: pip installs us nowhere else
    sys.exit(f"Sparkanywhere needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}.")

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

INTERRUPTED = 130  # the shell's exit code for a program ended by Ctrl-C

# command -> (module:attribute, what it does)
COMMANDS: dict[str, tuple[str, str]] = {
    "advise": ("sparkanywhere.cli.advise_command:advise", "Say which size of executors would have done for less."),
    "completion": ("sparkanywhere.cli.completion:completion", "Print what completes commands and names in a shell."),
    "connect": ("sparkanywhere.cli.connect_command:connect", "Run a Spark Connect server and print its URL."),
    "contexts": ("sparkanywhere.cli.context_commands:contexts", "List the control planes that there are."),
    "cost": ("sparkanywhere.cli.commands:cost", "Show resource usage and cost."),
    "deploy": ("sparkanywhere.cli.deploy_command:deploy", "Put a control plane up on AWS, or take it down."),
    "describe": ("sparkanywhere.cli.commands:describe", "Show an application, its pods and their events."),
    "doctor": ("sparkanywhere.cli.machine_commands:doctor", "Check that this machine has what jobs need."),
    "history": (
        "sparkanywhere.cli.service_commands:history",
        "Run a history server over the event logs of ended jobs.",
    ),
    "init": ("sparkanywhere.cli.init:init", "Write a small job to begin with: job.py, job.yaml, requirements.txt."),
    "job-schema": ("sparkanywhere.cli.job_schema_command:job_schema_command", "Print the JSON schema of a job file."),
    "kill": ("sparkanywhere.cli.commands:kill", "End an application."),
    "login": ("sparkanywhere.cli.login_command:login", "Write the context of a control plane on AWS."),
    "logs": ("sparkanywhere.cli.logs_command:logs", "Print a driver's or an executor's log."),
    "notebook": ("sparkanywhere.cli.notebook_command:notebook", "Start Jupyter with a Spark session behind it."),
    "ps": ("sparkanywhere.cli.ps_command:ps", "List applications."),
    "run": ("sparkanywhere.cli.run_command:run_command", "Run a job, follow it, and report its result and cost."),
    "smoke": ("sparkanywhere.cli.smoke_command:smoke", "Try a deployment on AWS, and record what AWS answers."),
    "submit": ("sparkanywhere.cli.run_command:run_command", "The same as run."),
    "token": ("sparkanywhere.cli.login_command:token", "Print a deployment's token for a Kubernetes client."),
    "ui": ("sparkanywhere.cli.commands:ui", "Print the URL of an application's Spark UI."),
    "use": ("sparkanywhere.cli.context_commands:use", "Choose the control plane that commands talk to."),
    "warm": ("sparkanywhere.cli.warm_command:warm", "Keep tasks ready for the next job."),
    "wait": ("sparkanywhere.cli.commands:wait", "Wait until an application has ended."),
    "down": ("sparkanywhere.cli.machine_commands:down", "Remove what stopped control planes left running."),
    "image": ("sparkanywhere.cli.spark_commands:image", "Build the Spark image for containers."),
    "pi": ("sparkanywhere.cli.pi:pi", "Run SparkPi, or a program of your own, in cluster mode on this machine."),
    "serve": ("sparkanywhere.cli.serve:serve", "Serve the Kubernetes API in the foreground."),
    "spark": ("sparkanywhere.cli.spark_commands:spark", "Download a Spark."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names, in order."""
        return sorted(COMMANDS)

    def get_command(  # click's signature
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """Import and return a command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        from sparkanywhere.cli.option_values import strict

        return strict(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called. Raises click.UsageError, with what was meant, for an unknown one."""
        if args[0] in COMMANDS or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        from sparkanywhere.cli.command_habits import meant

        near = meant(args[0], COMMANDS)
        hint = f" Did you mean `sparkanywhere {near}`?" if near else " `sparkanywhere --help` lists them."
        raise click.UsageError(f"No such command {args[0]!r}.{hint}")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, without importing any; options as ever."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem

        return [CompletionItem(name, help=COMMANDS[name][1]) for name in COMMANDS if name.startswith(incomplete)]

    def invoke(self, ctx: click.Context) -> Any:  # what the command returns
        """Import and run the command; a wrong command line is one sentence, and so is what the machine refuses.

        Exit with 130 on a Ctrl-C that the command leaves to us, where click would with 1.
        """
        ctx.meta["sparkanywhere.began_at"] = time.monotonic()  # see cli.terminal, whose import would cost time
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            click.echo(f"Error: {error.format_message()}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Aborted!", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            sentence = what_is_wrong_here(error)
            if not sentence:
                raise
            click.echo(f"Error: {sentence}", err=True)
            ctx.exit(1)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list for --help from the table, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


def what_is_wrong_here(error: Exception) -> str:
    """Return one sentence on an error that this machine or its settings make, in any command; "" for others."""
    from chalicelib.config import SettingsError  # loaded by now, if it is one

    if isinstance(error, SettingsError):
        return f"{error}."
    if not isinstance(error, OSError) or isinstance(error, BrokenPipeError):  # of which click makes a silent end
        return ""
    where = f"{error.filename}: " if error.filename else ""
    return f"This machine refuses: {where}{(error.strerror or str(error)).lower()}."


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sparkanywhere")
def main() -> None:
    """Run Apache Spark on any container scheduler, by the Kubernetes API that Spark speaks."""


if __name__ == "__main__":
    main(prog_name="sparkanywhere")
