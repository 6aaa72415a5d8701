"""What no option may mean: an empty value, as by a variable of the shell that is not set, and a number that is none."""

from __future__ import annotations

from math import isfinite
from typing import Any

import click
from click.core import ParameterSource

MAY_BE_EMPTY = ("args",)  # those of a program


def strict(command: click.Command) -> click.Command:
    """Return a command that refuses such values by one sentence, and so do those below it. May be repeated."""
    for each in command.params:
        if isinstance(each, click.Option) and each.name not in MAY_BE_EMPTY:
            each.callback = each.callback if isinstance(each.callback, _Checked) else _Checked(each.callback)
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        strict(below)
    return command


class _Checked:
    """A callback of click's that looks at what was typed before an option's own callback, if it has one."""

    def __init__(self, own: Any) -> None:  # Any: click's callbacks and values
        self._own = own

    def __call__(self, context: click.Context, option: click.Parameter, value: Any) -> Any:
        if context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE:
            for each in value if isinstance(value, tuple) else (value,):
                _check(context, option.opts[0], each)
        return self._own(context, option, value) if self._own else value


def _check(context: click.Context, flag: str, value: Any) -> None:
    if isinstance(value, str) and not value.strip(" ,"):
        raise click.UsageError(f"{flag} is empty: give it a value, or leave it out.", context)
    if isinstance(value, float) and not isfinite(value):
        raise click.UsageError(f"{flag} {value} is no number.", context)
