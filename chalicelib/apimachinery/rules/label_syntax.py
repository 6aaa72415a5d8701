"""The grammar of label selectors: `app=x,tier in (a,b),!canary,cores>2` to requirements.

It is read token by token as k8s.io/apimachinery/pkg/labels/selector.go (v1.36) does, with the same complaints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from chalicelib.apimachinery.decoding.gotext import quote, value_text
from chalicelib.apimachinery.rules.integers import parse_int64
from chalicelib.apimachinery.rules.names import label_value_errors, qualified_name_errors

Operator = Literal["in", "notin", "=", "==", "!=", "gt", "lt", "exists", "!"]

_BINARY: dict[str, Operator] = {"in": "in", "notin": "notin", "=": "=", "==": "==", "!=": "!=", ">": "gt", "<": "lt"}
_BINARY_TEXT = "in, notin, =, ==, !=, gt, lt"
_SYMBOLS = frozenset({")", ",", "!", "==", "=", ">", "<", "!=", "("})
_TOKEN = re.compile(r"==|!=|[=!(),><]|[^ \t\r\n=!(),><\0]+\0?|\0")
_END = ""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()
    bound: int = 0  # for gt and lt

    def matches(self, labels: dict[str, str]) -> bool:
        """Return whether an object with these labels is meant."""
        value = labels.get(self.key)
        match self.operator:
            case "in" | "=" | "==":
                return value in self.values
            case "notin" | "!=":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "gt" | "lt":
                number = parse_int64(value or "")
                return number is not None and (number > self.bound if self.operator == "gt" else number < self.bound)


def make_requirement(key: str, operator: Operator, values: list[str]) -> Requirement:
    """Return a checked requirement; raise ValueError with Kubernetes' text for what will not do."""
    errors = [f"key: {text}" for text in _key_error(key)]
    if operator in ("in", "notin") and not values:
        errors.append("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    bound = 0
    if operator in ("gt", "lt"):
        number = parse_int64(values[0])
        bound = number or 0
        if number is None:
            shown = quote(values[0])
            errors.append(f"values[0]: Invalid value: {shown}: for 'Gt', 'Lt' operators, the value must be an integer")
    for index, value in enumerate(values):
        found = label_value_errors(value)
        if found:
            errors.append(f"values[{index}][{key}]: Invalid value: {quote(value)}: {'; '.join(found)}")
    if errors:
        unique = list(dict.fromkeys(errors))
        raise ValueError(unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")
    return Requirement(key, operator, frozenset(values), bound)


def _key_error(key: str) -> list[str]:
    found = qualified_name_errors(key)
    return [f"Invalid value: {value_text(key)}: {'; '.join(found)}"] if found else []


def parse_requirements(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a selector, all of which must hold; none for an empty text.

    Raises ValueError with Kubernetes' text.
    """
    return _Parser(text).parse()


class _Parser:
    """Walks over the tokens once; a token is its own text and the end is the empty one."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._position = 0

    def parse(self) -> tuple[Requirement, ...]:
        requirements: list[Requirement] = []
        while self._peek() != _END:
            if not self._starts_term():
                raise ValueError(f"found '{self._peek()}', expected: !, identifier, or 'end of string'")
            try:
                requirements.append(self._requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            token = self._next()
            if token == _END:
                break
            if token != ",":
                raise ValueError(f"found '{token}', expected: ',' or 'end of string'")
            if not self._starts_term():
                raise ValueError(f"found '{self._peek()}', expected: identifier after ','")
        return tuple(requirements)

    def _peek(self) -> str:
        return self._tokens[self._position]

    def _next(self) -> str:
        token = self._tokens[self._position]
        self._position = min(self._position + 1, len(self._tokens) - 1)
        return token

    def _starts_term(self) -> bool:
        return self._peek() == "!" or _is_identifier(self._peek())

    def _requirement(self) -> Requirement:
        key = self._next()
        negated = key == "!"
        if negated:
            key = self._next()
        if not _is_identifier(key):
            raise ValueError(f"found '{key}', expected: identifier")
        for text in _key_error(key):
            raise ValueError(f"<nil>: {text}")
        if self._peek() in (_END, ","):
            return make_requirement(key, "!" if negated else "exists", [])
        if negated:
            return make_requirement(key, "!", [])
        token = self._next()
        operator = _BINARY.get(token)
        if operator is None:
            raise ValueError(f"found '{token}', expected: {_BINARY_TEXT}")
        if operator in ("in", "notin"):
            return make_requirement(key, operator, sorted(self._set()))
        if self._peek() in (_END, ","):
            return make_requirement(key, operator, [""])
        value = self._next()
        if not _is_identifier(value):
            raise ValueError(f"found '{value}', expected: identifier")
        return make_requirement(key, operator, [value])

    def _set(self) -> set[str]:
        """Read up to the closing parenthesis; commas with nothing between them stand for the empty value."""
        token = self._next()
        if token != "(":
            raise ValueError(f"found '{token}' expected: '('")
        first = self._peek()
        if first not in (",", ")") and not _is_identifier(first):
            raise ValueError(f"found '{first}', expected: ',', ')' or identifier")
        values: set[str] = set()
        while self._peek() != ")":
            token = self._next()
            following = self._peek()
            if _is_identifier(token):
                values.add(token)
                if following not in (",", ")"):
                    raise ValueError(f"found '{following}', expected: ',' or ')'")
            elif token == ",":
                if not values or following in (",", ")"):
                    values.add("")
                if following == ",":
                    self._next()
            else:
                raise ValueError(f"found '{token}', expected: ',', or identifier")
        self._next()
        return values


def _is_identifier(token: str) -> bool:
    return token != _END and token not in _SYMBOLS


def _tokens(text: str) -> list[str]:
    """Return the tokens up to the end, which a NUL also marks; one NUL right after a word is skipped."""
    tokens = []
    for token in _TOKEN.findall(text):
        if token == "\0":
            break
        tokens.append(token.removesuffix("\0"))
    return [*tokens, _END]
