"""The options by which every command is told where to work, and the first line, which says where that is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import wraps
from typing import Any

import click

from sparkanywhere.cli.completion import contexts as complete_contexts
from sparkanywhere.cli.terminal import echo
from sparkanywhere.client.access import (
    DEFAULT_NAMESPACE,
    LAPTOP,
    NothingHere,
    Target,
    choose,
    command_targets,
    find_target,
    is_here,
)
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.client.printable import one_line
from sparkanywhere.jobs.application_names import has_application

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


def looking_targets(stack: ExitStack, *, context: str, namespace: str) -> Iterator[Target]:
    """Yield where to look, one place after the other: a job of the user's may be on any of them.

    On this laptop these are the servers of commands, then that of the own instance; where it has none, what was last
    known there, by a server that runs as long as the `stack`. Raises NoAccess if there is no place at all.
    """
    if choose(os.environ, context).name != LAPTOP:
        yield find_target(os.environ, context=context, namespace=namespace)
        return
    others = command_targets(os.environ, namespace)
    yield from others
    try:
        yield find_target(os.environ, context=LAPTOP, namespace=namespace, lasting=True)
    except NothingHere:
        from sparkanywhere.local.local_server import looking_server  # which nearly no command needs

        access = stack.enter_context(looking_server(os.environ))
        if access is not None:
            yield Target(access, namespace or DEFAULT_NAMESPACE, is_served=False)
        elif not others:
            raise


@contextmanager
def target_with(names: Collection[str], *, context: str, namespace: str) -> Iterator[Target]:
    """Yield the place that has one of these applications, the last one if none has, and say on stderr which it is.

    Raises NoAccess.
    """
    with ExitStack() as stack:
        for target in looking_targets(stack, context=context, namespace=namespace):
            with suppress(ApiError, ApiUnreachable):  # the command itself says it, of the last one
                if not is_here(target) or has_application(KubeClient(target.access), target.namespace, names):
                    break
        say_where(target.where)
        yield target


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
                try:
                    target = open_target(context=context, namespace=namespace, lasting=True)
                except NothingHere as nothing:
                    raise NothingHere(f"{nothing} Pods that this command starts need one that stays.") from nothing
                command(KubeClient(target.access), target, **options)
                return
            names = options.get("names") or (options["application"],)
            with target_with(names, context=context, namespace=namespace) as target:
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
