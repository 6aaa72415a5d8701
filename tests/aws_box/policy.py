"""IAM's decision on a request, and a linter of policies, by what AWS publishes of its actions.

Of the evaluation there is what our policies use: IAM User Guide, "Policy evaluation logic", and KMS Developer Guide,
"Determining access to AWS KMS keys" (2026). An operator that is not known here raises KeyError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from typing import Any

Document = Mapping[str, Any]  # a policy as JSON
OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
    "ArnNotEquals": lambda value, pattern: not fnmatchcase(value, pattern),
    "Bool": str.__eq__,
    "StringEquals": str.__eq__,
    "StringLike": fnmatchcase,
}


def allows(
    policies: Sequence[Document], action: str, resource: str, context: Mapping[str, str], *, principal: str = ""
) -> bool:
    """Return whether policies together allow a request: one does, and none denies it.

    With a principal the policies are a resource's: "root" of its account stands for itself alone.
    """
    effects = {
        each["Effect"]
        for policy in policies
        for each in policy["Statement"]
        if _applies(each, action, resource, context, principal)
    }
    return effects == {"Allow"}


def _applies(statement: Document, action: str, resource: str, context: Mapping[str, str], principal: str) -> bool:
    who = statement.get("Principal", principal)
    named = several(who if isinstance(who, str) else who.get("AWS", who.get("Service")))
    return (
        any(each in ("*", principal) for each in named)
        and _matches(statement, "Action", action.lower(), lower=True)
        and _matches(statement, "Resource", resource)
        and all(
            key in context and any(OPERATORS[operator](context[key], value) for value in several(values))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _matches(statement: Document, element: str, value: str, *, lower: bool = False) -> bool:
    patterns = several(statement.get(element) or statement[f"Not{element}"])
    found = any(fnmatchcase(value, each.lower() if lower else each) for each in patterns)
    return found is (element in statement)


def several(values: str | Sequence[str]) -> Sequence[str]:
    """Return a value that AWS writes alone or in a list as a list."""
    return [values] if isinstance(values, str) else values


def faults(policy: Document) -> Iterator[str]:
    """Yield what is wrong in a policy: actions, kinds of resource and condition keys that AWS does not have."""
    for statement in policy["Statement"]:
        for action in several(statement["Action"]):
            kinds = _kinds(action)
            where = f"{statement.get('Sid', 'a statement')}: {action}"
            if not kinds:
                yield f"{where} does not exist"
            for resource in several(statement["Resource"]):
                fit = "*" in kinds if resource == "*" else any(overlap(resource, each) for each in kinds if each != "*")
                if statement["Effect"] == "Allow" and not fit:
                    yield f"{where} is never asked for {resource}"
            known = {key.lower() for keys in kinds.values() for key in keys}
            for key in (each for keys in statement.get("Condition", {}).values() for each in keys):
                if not key.startswith("aws:") and not any(overlap(key.lower(), each) for each in known):
                    yield f"{where} has no condition key {key}"


@cache
def _kinds(action: str) -> Mapping[str, Sequence[str]]:
    """Return the condition keys of an action, or of all that a pattern means, by the resources it may be asked for."""
    published: Any = import_module("policy_sentry.querying.actions")  # which reads 14 MB when it is imported
    service, _, name = action.partition(":")
    names = [each.partition(":")[2] for each in published.get_actions_for_service(service)]
    found: dict[str, list[str]] = {}
    for each in names:
        if fnmatchcase(each.lower(), name.lower()):
            for row in published.get_action_data(service, each)[service]:
                keys = [_as_pattern(key) for key in row["condition_keys"]]
                found.setdefault(_as_pattern(row["resource_arn_format"]), []).extend(keys)
    return found


def _as_pattern(text: str) -> str:
    """Return AWS's `${Name}` as `*`."""
    head, *parts = text.split("${")
    return head + "".join(f"*{part.partition('}')[2]}" for part in parts)


@cache
def overlap(one: str, other: str) -> bool:
    """Return whether anything matches both patterns."""
    if not one or not other:
        return set(one + other) <= {"*"}
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(other, one)
    return (one[0] == other[0] or "?" in (one[0], other[0])) and overlap(one[1:], other[1:])
