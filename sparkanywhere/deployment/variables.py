"""Variables of Terraform's as a user writes them, KEY=VALUE, checked before anything is begun."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from sparkanywhere.client.failure import Failure
from sparkanywhere.deployment.project_folder import known_variables

OPTIONS = {"name", "stage", "region"}  # variables that are options of the commands


class VariableRefused(Failure):
    """There is no such variable, or it takes another kind of value; str() is a sentence."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# By Terraform's types: what a value is called, and whether one in JSON is of the type.
KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bool": ("true or false", lambda value: value in (True, False)),  # 1 and 0 are equal to them, and taken as they are
    "number": ("a number", _is_number),
    "list(string)": (
        'a list in JSON, such as ["a", "b"]',
        lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    ),
    "map(string)": (
        'a map in JSON, such as {"a": "b"}',
        lambda value: isinstance(value, dict) and all(isinstance(each, str) for each in value.values()),
    ),
    "map(number)": (
        'a map of numbers in JSON, such as {"a": 1}',
        lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
    ),
}


def read_variable(text: str) -> tuple[str, Any]:  # Any: a list or a map, as Terraform takes them; else text
    """Return the name and the value of KEY=VALUE; "" stands for the variable's default. Raises VariableRefused."""
    key, is_given, value = text.partition("=")
    if not is_given or not key:
        raise VariableRefused(f"--var takes KEY=VALUE, not {text}.")
    if key in OPTIONS:
        raise VariableRefused(f"--var does not take {key}: there is --{key}.")
    known = known_variables()
    if key not in known:
        close = get_close_matches(key, known, n=1)
        hint = f": did you mean {close[0]}?" if close else f". It has {', '.join(sorted(known.keys() - OPTIONS))}."
        raise VariableRefused(f"Terraform has no variable {key}{hint}")
    if not value or known[key] not in KINDS:
        return key, value
    words, fits = KINDS[known[key]]
    try:
        decoded = json.loads(value)
    except ValueError:
        decoded = None
    if not fits(decoded):
        raise VariableRefused(f"--var {key} takes {words}, not {value}.")
    return key, decoded if isinstance(decoded, list | dict) else value
