"""Which events a rule of EventBridge takes: as much of its patterns as ours use.

EventBridge User Guide, "Comparison operators for use in event patterns"; for arrays of objects, all that a pattern says
of one must hold of the same one (README of github.com/aws/event-ruler, "And and array-consistency").
"""

from __future__ import annotations

from typing import Any

ABSENT = object()


def matches(pattern: Any, value: Any) -> bool:
    """Return whether an event's value, ABSENT for none, is what a part of a pattern asks for."""
    if isinstance(pattern, list):
        values = value if isinstance(value, list) else [value]
        return any(_is(rule, each) for rule in pattern for each in values)
    if isinstance(value, list):
        return any(matches(pattern, each) for each in value)
    if not isinstance(value, dict):
        return False
    return all(
        any(matches(each, value) for each in part) if key == "$or" else matches(part, value.get(key, ABSENT))
        for key, part in pattern.items()
    )


def _is(rule: Any, value: Any) -> bool:
    if not isinstance(rule, dict):
        return bool(rule == value)
    ((operator, argument),) = rule.items()
    if operator == "exists":
        return (value is not ABSENT) is argument
    if operator == "anything-but":
        return value is not ABSENT and value not in argument
    raise NotImplementedError(operator)
