"""Texts in the cells of several kinds' tables: labels, selectors, containers, long lists."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON

NONE = "<none>"
SHOWN = 3  # how many of a list a cell shows before it says how many more there are

_OPERATORS = {"In": "in", "NotIn": "notin"}


def labels_text(labels: JSON) -> str:
    """Return labels as `a=b,c=d`, sorted by key."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or NONE


def selector_text(selector: JSON | None) -> str:
    """Return a label selector as kubectl writes it: `a=b,c in (d,e),!f`; `<none>` for an empty one."""
    if selector is None:
        return NONE
    labels = selector.get("matchLabels") or {}
    terms = [(key, f"{key}={labels[key]}") for key in labels]
    for rule in selector.get("matchExpressions") or ():
        key, operator = rule.get("key", ""), rule.get("operator", "")
        text = f"!{key}" if operator == "DoesNotExist" else str(key)
        if operator in _OPERATORS:
            text = f"{key} {_OPERATORS[operator]} ({','.join(sorted(rule.get('values') or ()))})"
        terms.append((key, text))
    return ",".join(text for _, text in sorted(terms)) or NONE


def containers_text(template: JSON) -> tuple[str, str]:
    """Return the names and the images of a pod template's containers, each joined by commas."""
    containers = spec_of(template).get("containers") or ()
    names = ",".join(each.get("name", "") for each in containers)
    return names, ",".join(each.get("image", "") for each in containers)


def list_text(parts: Sequence[str], empty: str = "<unset>") -> str:
    """Return the first three of a list joined by commas, and how many more there are."""
    more = f" + {len(parts) - SHOWN} more..." if len(parts) > SHOWN else ""
    return ",".join(parts[:SHOWN]) + more if parts else empty
