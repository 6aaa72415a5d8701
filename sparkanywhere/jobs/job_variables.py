"""Variables of a job file: ${day} and ${day:-2026-01-01} in its texts; $${day} is the text ${day}.

What Spark itself replaces, ${spark.x} and ${env:X}, is no variable of ours and stays.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sparkanywhere.jobs.spec import SpecError

VARIABLE = re.compile(r"(?P<escape>\$)?\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def fill(document: Any, values: Mapping[str, str], *, what: str) -> Any:  # Any: mappings, lists and texts
    """Return a document with its variables replaced in all texts that are values; `what` names it in a SpecError.

    Raises SpecError for a variable that has neither a value nor a default, and for a value that no variable takes.
    """
    asked = {found["name"] for text in _texts(document) for found in VARIABLE.finditer(text) if not found["escape"]}
    for name in values:
        if name not in asked:
            near = difflib.get_close_matches(name, asked, n=1)
            hint = f": did you mean {near[0]}?" if near else "."
            raise SpecError(f"--var {name}: {what} has no variable {name}{hint}")

    def value_of(found: re.Match[str]) -> str:
        if found["escape"]:
            return found[0][1:]
        if found["name"] not in values and found["default"] is None:
            raise SpecError(f"{what} needs the variable {found['name']}: --var {found['name']}=VALUE.")
        return values.get(found["name"], found["default"])

    def filled(part: Any) -> Any:  # Any: as above
        if isinstance(part, dict):
            return {key: filled(each) for key, each in part.items()}
        if isinstance(part, list):
            return [filled(each) for each in part]
        return VARIABLE.sub(value_of, part) if isinstance(part, str) else part

    return filled(document)


def _texts(part: Any) -> Iterator[str]:  # Any: a part of a document
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict | list):
        for each in part.values() if isinstance(part, dict) else part:
            yield from _texts(each)
