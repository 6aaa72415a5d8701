"""The little of JSONPath that printer columns use: `.spec.a[0].b`, `.status.conditions[?(@.type=="Ready")].status`.

Reference: kubernetes.io/docs/reference/kubectl/jsonpath (v1.36).
"""

from __future__ import annotations

import re
from typing import Any

from chalicelib.apimachinery.patching.field_set import compact

Value = Any  # a value out of JSON
Step = re.Match[str]

_STEP = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\\])+)             # .name, with \. for a dot of its own
      | \[\s*'(?P<quoted>[^']*)'\s*\]             # ['name']
      | \[\s*"(?P<double>[^"]*)"\s*\]
      | \[\s*(?P<index>-?[0-9]{1,9})\s*\]         # [0]
      | \[\s*(?P<all>\*)\s*\]                     # [*]
      | \[\?\(\s*@(?P<key>[\w.\-/]*)\s*(?P<op>==|!=)\s*(?P<literal>"[^"]*"|'[^']*'|[\w.\-]+)\s*\)\]
    """,
    re.VERBOSE,
)


class PathError(ValueError):
    """A path that is not understood; str() says which."""


def parse(path: str) -> list[Step]:
    """Return the steps of a path. Raises PathError."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    text = text if not text or text[0] in ".[" else f".{text}"
    steps, at = [], 0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise PathError(f"cannot parse {path}")
        steps.append(step)
        at = step.end()
    return steps


def find(value: Value, steps: list[Step]) -> list[Value]:
    """Return what a path leads to in a value: none, one or many."""
    found = [value]
    for step in steps:
        found = [below for each in found for below in _below(each, step)]
    return found


def text(found: list[Value]) -> str:
    """Return what a column of strings shows for values that are none."""
    shown = [compact(each) if isinstance(each, dict | list | bool) else str(each) for each in found]
    return " ".join(shown)


def _below(value: Value, step: Step) -> list[Value]:
    name = step["name"] or step["quoted"] or step["double"]
    if name is not None:
        key = re.sub(r"\\(.)", r"\1", name)
        return [value[key]] if isinstance(value, dict) and key in value else []
    if step["all"] and isinstance(value, dict):
        return list(value.values())
    if not isinstance(value, list):
        return []
    if step["index"]:
        index = int(step["index"])
        return [value[index]] if -len(value) <= index < len(value) else []
    return value if step["all"] else [item for item in value if _is_chosen(item, step)]


def _is_chosen(item: Value, step: Step) -> bool:
    for key in step["key"].split("."):
        if key:
            item = item.get(key) if isinstance(item, dict) else None
    literal = step["literal"].strip("\"'")
    shown = str(item).lower() if isinstance(item, bool) else str(item)
    return (item is not None and shown == literal) == (step["op"] == "==")
