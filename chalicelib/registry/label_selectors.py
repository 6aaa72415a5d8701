"""What may be wrong with a label selector inside a spec (matchLabels, matchExpressions).

Compare ValidateLabelSelector in k8s.io/apimachinery/pkg/apis/meta/v1/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery import meta, names
from chalicelib.apimachinery.causes import forbidden, invalid, required
from chalicelib.apimachinery.status import JSON, Cause


def selector_causes(selector: JSON | None, at: str) -> Iterator[Cause]:
    """Yield what is wrong with a selector; none at all is right."""
    if not selector:
        return
    yield from meta.labels_causes(selector.get("matchLabels") or {}, f"{at}.matchLabels")
    for index, rule in enumerate(selector.get("matchExpressions") or ()):
        yield from _rule_causes(rule, f"{at}.matchExpressions[{index}]")


def _rule_causes(rule: JSON, at: str) -> Iterator[Cause]:
    operator, values = rule.get("operator") or "", rule.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield forbidden(
                f"{at}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            )
    else:
        yield invalid(f"{at}.operator", operator, "not a valid selector operator")
    key = rule.get("key") or ""
    for error in names.qualified_name_errors(key):
        yield invalid(f"{at}.key", key, error)
    for index, value in enumerate(values):
        for error in names.label_value_errors(value):
            yield invalid(f"{at}.values[{index}]", value, error)
