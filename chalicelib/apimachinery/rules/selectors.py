"""Label and field selectors: parsed once, then asked of many objects.

Reference: kubernetes.io/docs/concepts/overview/working-with-objects/labels and .../field-selectors;
k8s.io/apimachinery/pkg/labels and pkg/fields, v1.36.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from chalicelib.apimachinery.decoding.gotext import quote
from chalicelib.apimachinery.rules import causes
from chalicelib.apimachinery.rules.label_syntax import Operator, Requirement, make_requirement, parse_requirements
from chalicelib.apimachinery.rules.meta import labels_causes
from chalicelib.apimachinery.rules.names import label_value_errors, qualified_name_errors
from chalicelib.apimachinery.rules.status import Cause, bad_request
from chalicelib.apimachinery.types import JSON


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that must all hold; none of them means every object."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False  # the selector of an absent LabelSelector object: no object at all

    def matches(self, labels: dict[str, str] | None) -> bool:
        """Return whether an object with these labels is selected."""
        if self.nothing:
            return False
        labels = labels or {}
        return all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def required(self) -> dict[str, str]:
        """Return labels that every object which is selected carries; the selector may ask for more."""
        single = (each for each in self.requirements if each.operator in ("in", "=", "==") and len(each.values) == 1)
        return {each.key: next(iter(each.values)) for each in single}

    @property
    def is_everything(self) -> bool:
        """Return whether no object can fail it."""
        return not self.requirements and not self.nothing


EVERY_LABEL = LabelSelector()


def parse_labels(text: str | None) -> LabelSelector:
    """Return the selector of a `labelSelector` parameter.

    Raises StatusError 400 with the text that a real server gives.
    """
    if not text:
        return EVERY_LABEL
    try:
        return LabelSelector(parse_requirements(text))
    except ValueError as error:
        raise bad_request(str(error)) from None


_OBJECT_OPERATORS: dict[str, Operator] = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def label_selector_of(selector: JSON | None) -> LabelSelector:
    """Return the selector of a LabelSelector object (`matchLabels`, `matchExpressions`) that was validated.

    None selects nothing, an empty one everything. Raises ValueError for what label_selector_causes refuses.
    """
    if selector is None:
        return LabelSelector(nothing=True)
    found = [make_requirement(key, "=", [value]) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or []:
        operator = _OBJECT_OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise ValueError(f"{quote(expression.get('operator', ''))} is not a valid label selector operator")
        found.append(make_requirement(expression.get("key", ""), operator, expression.get("values") or []))
    return LabelSelector(tuple(found))


def label_selector_causes(selector: JSON | None, field: str) -> list[Cause]:
    """Return what is wrong with a LabelSelector object that stands at `field`."""
    if not selector:
        return []
    found = labels_causes(selector.get("matchLabels") or {}, f"{field}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or []):
        at = f"{field}.matchExpressions[{index}]"
        key, values = expression.get("key") or "", expression.get("values") or []
        operator = expression.get("operator") or ""
        if operator not in _OBJECT_OPERATORS:
            found.append(causes.invalid(f"{at}.operator", operator, "not a valid selector operator"))
        elif operator in ("In", "NotIn") and not values:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            found.append(causes.required(f"{at}.values", detail))
        elif operator in ("Exists", "DoesNotExist") and values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(causes.forbidden(f"{at}.values", detail))
        found += [causes.invalid(f"{at}.key", key, error) for error in qualified_name_errors(key)]
        for position, value in enumerate(values):
            found += [causes.invalid(f"{at}.values[{position}]", value, error) for error in label_value_errors(value)]
    return found


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One term of a field selector: the field equals the value, or does not."""

    field: str
    value: str
    equal: bool


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Terms that must all hold; none of them means every object."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """Return whether an object with these field values is selected; an absent field is empty."""
        return all((fields.get(term.field, "") == term.value) is term.equal for term in self.terms)

    @property
    def is_everything(self) -> bool:
        """Return whether no object can fail it."""
        return not self.terms

    def required_value(self, field: str) -> str | None:
        """Return the one value that `field` must have, or None if several would do."""
        values = (term.value for term in self.terms if term.equal and term.field == field)
        return next(values, None)

    def checked(
        self, supported: Collection[str], *, complaint: Callable[[str], str], renamed: Mapping[str, str] | None = None
    ) -> FieldSelector:
        """Return the selector over supported fields, old names (`renamed`) replaced.

        Raises StatusError 400 with `complaint(field)` for the first field that is not supported.
        """
        names = renamed or {}
        for term in self.terms:
            if term.field not in supported and term.field not in names:
                raise bad_request(complaint(term.field))
        if not names:
            return self
        return FieldSelector(
            tuple(FieldTerm(names.get(term.field, term.field), term.value, term.equal) for term in self.terms)
        )


EVERY_FIELD = FieldSelector()
_PART = re.compile(r"(?:[^,\\]|\\.|\\$)+", re.DOTALL)  # between commas that no backslash stands before
_FIELD_OPERATOR = re.compile("!=|==|=")


def label_not_supported(field: str) -> str:
    """Return the complaint of kinds that list their fields: pods, nodes, secrets, events, namespaces."""
    return f"field label not supported: {field}"


def not_a_known_field(field: str) -> str:
    """Return the complaint of kinds that know only name and namespace."""
    return f'{quote(field)} is not a known field selector: only "metadata.name", "metadata.namespace"'


def parse_fields(text: str | None) -> FieldSelector:
    r"""Return the selector of a `fieldSelector` parameter: `a=b,c!=d`, with `\\`, `\,` and `\=` as escapes.

    Raises StatusError 400 with the text that a real server gives. Which fields exist is `checked` later.
    """
    terms = []
    for part in sorted(_PART.findall(text or "")):
        operator = _FIELD_OPERATOR.search(part)
        if operator is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field, value = part[: operator.start()], _unescape(part[operator.end() :])
        if field or value:  # a bare `=` asks for nothing, and a real server lets it pass
            terms.append(FieldTerm(field, value, operator[0] != "!="))
    return FieldSelector(tuple(terms)) if terms else EVERY_FIELD


def _unescape(text: str) -> str:
    value, escaped = "", False
    for char in text:
        if escaped:
            if char not in "\\,=":
                raise bad_request(f"invalid field selector: invalid escape sequence: \\{char}")
            value += char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char in ",=":
            raise bad_request(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            value += char
    if escaped:
        raise bad_request("invalid field selector: invalid escape sequence: \\")
    return value
