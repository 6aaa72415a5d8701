"""The part of DynamoDB's expression language that pynamodb writes for us."""

from __future__ import annotations

import base64
import operator
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

AttributeValue = dict[str, Any]  # {"S": text}, {"N": digits}, {"B": base64}, {"BOOL": truth}
Attributes = dict[str, AttributeValue]

_TOKEN = re.compile(r"\(|\)|,|<>|<=|>=|=|<|>|[#:]?\w+")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def plain(value: AttributeValue) -> Any:
    """Return a value as what Python compares as DynamoDB does (text: code points sort as UTF-8 does)."""
    ((kind, raw),) = value.items()
    readers: dict[str, Callable[[Any], Any]] = {"N": Decimal, "B": base64.b64decode, "S": str, "BOOL": bool}
    return readers[kind](raw)


class Expression:
    """An expression with its placeholders, to be judged on items or applied to them."""

    def __init__(self, request: dict[str, Any], text: str) -> None:
        self._names: dict[str, str] = request.get("ExpressionAttributeNames", {})
        self._values: Attributes = request.get("ExpressionAttributeValues", {})
        self._tokens: list[str] = _TOKEN.findall(text)
        self._at = 0

    def holds(self, item: Attributes) -> bool:
        """Return whether a condition holds of an item ({} for one that does not exist); "" always does."""
        if not self._tokens:
            return True
        self._at = 0
        result = self._or(item)
        assert self._at == len(self._tokens), f"not understood: {self._tokens[self._at :]}"
        return result

    def apply(self, item: Attributes) -> Attributes:
        """Return the item after an update; only SET to a value is known."""
        changed = dict(item)
        assert self._tokens[0] == "SET"
        for name, sign, value in zip(*(self._tokens[n::4] for n in (1, 2, 3)), strict=True):
            assert sign == "="
            changed[self._names[name]] = self._values[value]
        return changed

    def value_of(self, name: str) -> AttributeValue:
        """Return the value that an attribute must equal."""
        (at,) = [n for n, token in enumerate(self._tokens) if self._names.get(token) == name]
        assert self._tokens[at + 1] == "="
        return self._values[self._tokens[at + 2]]

    def names(self) -> list[str]:
        """Return the attributes of a projection."""
        return [self._names[token] for token in self._tokens if token != ","]

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _or(self, item: Attributes) -> bool:
        result = self._and(item)
        while self._peek() == "OR":
            self._next()
            result = self._and(item) or result
        return result

    def _and(self, item: Attributes) -> bool:
        result = self._term(item)
        while self._peek() == "AND":
            self._next()
            result = self._term(item) and result
        return result

    def _term(self, item: Attributes) -> bool:
        token = self._next()
        if token == "(":
            result = self._or(item)
            assert self._next() == ")"
            return result
        if token in ("attribute_not_exists", "attribute_exists"):
            assert self._next() == "("
            exists = self._names[self._next()] in item
            assert self._next() == ")"
            return exists == (token == "attribute_exists")
        return self._comparison(item.get(self._names[token]))

    def _comparison(self, found: AttributeValue | None) -> bool:
        sign = self._next()
        if sign == "BETWEEN":
            low = self._values[self._next()]
            assert self._next() == "AND"
            high = self._values[self._next()]
            return found is not None and bool(plain(low) <= plain(found) <= plain(high))
        wanted = self._values[self._next()]
        # A comparison with an attribute that is not there, or of another type, does not hold.
        return found is not None and found.keys() == wanted.keys() and _COMPARE[sign](plain(found), plain(wanted))
