"""The options by which every command is told where to work, and the first line, which says where that is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from sparkanywhere.cli.completion import contexts as complete_contexts
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import DEFAULT_NAMESPACE, NothingHere, Target, find_target
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.client.printable import one_line

FAILURE, USAGE = 1, 2
ON_HELP = "Where: laptop, or a context of your kubeconfigs. Default: `sparkanywhere contexts` tells."


def target_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options --on (`context`) and --namespace."""
    command = click.option("--namespace", "-n", default="", help="Default: the context's.")(command)
    on = click.option(
        "--on", "--context", "context", default="", metavar="NAME", help=ON_HELP, shell_complete=complete_contexts
    )
    return on(command)


def open_target(*, context: str, namespace: str, lasting: bool = False) -> Target:
    """Return where to work, and say so on stderr. Raises NoAccess."""
    target = find_target(os.environ, context=context, namespace=namespace, lasting=lasting)
    say_where(target.where)
    return target


@contextmanager
def looking_target(*, context: str, namespace: str) -> Iterator[Target]:
    """Yield where to look: where no server runs here, at what was last known. Raises NoAccess."""
    try:
        found = open_target(context=context, namespace=namespace)
    except NothingHere:
        if context:
            raise
        from sparkanywhere.local.local_server import looking_server  # which nearly no command needs

        with looking_server(os.environ) as access:
            if access is None:
                raise
            say_where("on this laptop, where no server runs: as last known")
            yield Target(access, namespace or DEFAULT_NAMESPACE)
        return
    yield found


def say_where(where: str) -> None:
    """Print a command's first line."""
    echo(one_line(f"Sparkanywhere {where}"), err=True)


def with_target(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options --on and --namespace, and print its errors as one sentence."""
    return _with_target(command, lasting=False)


def with_lasting_target(command: Callable[..., None]) -> Callable[..., None]:
    """Do the same for a command that starts pods: not on a server that another command ends with itself."""
    return _with_target(command, lasting=True)


def _with_target(command: Callable[..., None], *, lasting: bool) -> Callable[..., None]:
    @target_options
    @wraps(command)
    def wrapped(*, context: str, namespace: str, **options: Any) -> None:  # Any: click's values
        with errors_as_sentences():
            if lasting:
                target = open_target(context=context, namespace=namespace, lasting=True)
                command(KubeClient(target.access), target, **options)
                return
            with looking_target(context=context, namespace=namespace) as target:
                command(KubeClient(target.access), target, **options)

    return wrapped


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """End the command with one sentence on stderr where something fails that we know of."""
    try:
        yield
    except Failure as error:
        fail(str(error), error.exit_code)


def fail(message: str, code: int = FAILURE) -> None:
    """Print an error and exit."""
    echo(f"Error: {message}", err=True)
    sys.exit(code)
