"""YAML as a Kubernetes API server reads it: YAML 1.1 turned into the values of JSON.

PyYAML's scanner (libyaml where its wheel has it) finds the events; what plain words mean, and what is said of broken
documents, follows sigs.k8s.io/yaml and its goyaml.v2: `y` and `on` are booleans, times stay text, keys become text, the
first document counts. Aliases are expanded within a budget.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chalicelib.apimachinery.decoding.go_json import MAX_DEPTH, DecodeError, parse_json
from chalicelib.apimachinery.decoding.gotext import quote

MAX_ALIASED = 100_000  # values that aliases may add to a document
_TAGS = "tag:yaml.org,2002:"
_CONSTANTS: dict[str, object] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_REPEATED = "yaml: unmarshal errors:\n  "
_LONGEST_NUMBER = 400  # characters; no number of 64 bits comes near


class Parsed(NamedTuple):
    """The value of a document, and complaints about keys that came twice."""

    value: Any  # whatever JSON holds
    complaints: list[str]


def parse_yaml(body: bytes) -> Parsed:
    """Return the value of the first document in `body`, None for an empty one.

    Raises DecodeError, its text as a real server's: `yaml: line 1: did not find expected node content`.
    """
    if (
        body.lstrip()[:1] == b"{"
    ):  # most YAML of machines is JSON, which means the same and reads ten times faster
        try:
            value = parse_json(body)
        except DecodeError:
            pass
        else:
            if isinstance(value, dict):  # not Pairs: repeated keys want words of their own
                return Parsed(value, [])
    return _parse(body)


def _parse(body: bytes) -> Parsed:
    import yaml  # lazy: few requests are YAML

    builder = _Builder()
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for event in yaml.parse(body.decode("utf-8", "replace"), Loader=loader):
            if builder.take(event):
                break
    except yaml.YAMLError as error:
        raise DecodeError(f"yaml: {_problem(error)}") from None
    return Parsed(builder.value, _repeated(builder.repeated))


def _problem(error: Any) -> str:  # Any: PyYAML's errors share no typed base with marks
    """Return the problem as goyaml words it; its lines count from 0, but for the scanner's."""
    problem = (
        getattr(error, "problem", None) or getattr(error, "reason", None) or "unknown problem parsing YAML"
    )
    marks = (getattr(error, "problem_mark", None), getattr(error, "context_mark", None))
    lines = [mark.line for mark in marks if mark is not None]
    line = next((number for number in lines if number), 0)
    if line and type(error).__name__ == "ScannerError" and line == lines[0]:
        line += 1
    return f"line {line}: {problem}" if line else str(problem)


def as_warnings(complaints: list[str]) -> list[str]:
    """Return complaints as Warning headers carry them: one for each repeated key, on a line of its own."""
    lines: list[str] = []
    for complaint in complaints:
        found = complaint.removeprefix(_REPEATED)
        lines += found.split("\n  ") if found != complaint else [complaint]
    return lines


def _repeated(keys: list[tuple[int, str]]) -> list[str]:
    if not keys:
        return []
    return [
        _REPEATED + "\n  ".join(f"line {line}: key {quote(key)} already set in map" for line, key in keys)
    ]


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that has not ended."""

    value: Any  # a dict or list, growing
    anchor: str | None
    line: int  # where it began, from 0
    key: Any = None  # a mapping's key that waits for its value
    has_key: bool = False
    merges: list[Any] = field(default_factory=list)
    size: int = 1  # values inside, aliases expanded
    seen: set[str] = field(default_factory=set)


class _Builder:
    def __init__(self) -> None:
        self.value: Any = None  # whatever JSON holds
        self.repeated: list[tuple[int, str]] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}  # value and size
        self._aliased = 0

    def take(self, event: Any) -> bool:  # Any: PyYAML's events are untyped
        """Take the next event; return whether the first document is complete."""
        match type(event).__name__:
            case "ScalarEvent":
                self._put(_scalar(event), line=event.start_mark.line, size=1, anchor=event.anchor)
            case "AliasEvent":
                self._alias(event)
            case "MappingStartEvent" | "SequenceStartEvent":
                if len(self._open) >= MAX_DEPTH:
                    raise DecodeError("yaml: exceeded max depth")
                start: Any = {} if type(event).__name__ == "MappingStartEvent" else []
                self._open.append(_Open(start, event.anchor, event.start_mark.line))
            case "MappingEndEvent" | "SequenceEndEvent":
                self._close()
            case "DocumentEndEvent":
                return True
        return False

    def _alias(self, event: Any) -> None:  # Any: PyYAML's events are untyped
        if event.anchor not in self._anchors:
            raise DecodeError(f"yaml: unknown anchor '{event.anchor}' referenced")
        value, size = self._anchors[event.anchor]
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise DecodeError("yaml: document contains excessive aliasing")
        self._put(value, line=event.start_mark.line, size=size)

    def _close(self) -> None:
        done = self._open.pop()
        for merged in done.merges:
            for source in merged if isinstance(merged, list) else [merged]:
                if not isinstance(source, dict):
                    raise DecodeError("yaml: map merge requires map or sequence of maps as the value")
                done.value.update({key: item for key, item in source.items() if key not in done.value})
        self._put(done.value, line=done.line, size=done.size, anchor=done.anchor)

    def _put(self, value: Any, *, line: int, size: int, anchor: str | None = None) -> None:  # Any: JSON
        if anchor:
            self._anchors[anchor] = (value, size)
        if not self._open:
            self.value = None if value is _MERGE else value
            return
        parent = self._open[-1]
        parent.size += size
        if isinstance(parent.value, list):
            parent.value.append("<<" if value is _MERGE else value)
        elif not parent.has_key:
            parent.key, parent.has_key = _key(value), True
        else:
            self._enter(parent, "<<" if value is _MERGE else value, line)

    def _enter(self, parent: _Open, value: Any, line: int) -> None:  # Any: a value of JSON
        key, parent.has_key = parent.key, False
        if key is _MERGE:
            parent.merges.append(value)
            return
        if key in parent.seen:
            self.repeated.append((line + 1, key))
        parent.seen.add(key)
        parent.value[key] = value


_MERGE = object()  # the plain word <<


def _scalar(event: Any) -> Any:  # Any: PyYAML's events are untyped, and a scalar is any value of JSON
    tag, text = event.tag or "", event.value
    if tag.startswith(_TAGS):
        return _tagged(tag.removeprefix(_TAGS), text)
    if tag or not event.implicit[0]:
        return text
    return _MERGE if text == "<<" else _plain(text)


def _tagged(tag: str, text: str) -> object:
    if tag == "str":
        return text
    if tag == "binary":
        try:
            return base64.b64decode(text, validate=False).decode("utf-8", "replace")
        except binascii.Error:
            raise DecodeError("yaml: !!binary value contains invalid base64 data") from None
    value = _plain(text)
    kinds: dict[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "null": (type(None),),
    }
    if tag in kinds and (not isinstance(value, kinds[tag]) or isinstance(value, bool) is not (tag == "bool")):
        raise DecodeError(f"yaml: cannot decode !!str `{text}` as a !!{tag}")
    return value if tag in kinds else text


def _plain(text: str) -> Any:  # Any: a scalar of JSON
    """Return what an unquoted word means."""
    if text in _CONSTANTS:
        value = _CONSTANTS[text]
        if isinstance(value, float):
            raise DecodeError(
                f"json: unsupported value: {'NaN' if math.isnan(value) else '+Inf' if value > 0 else '-Inf'}"
            )
        return value
    if not text or text[0] not in "+-.0123456789" or len(text) > _LONGEST_NUMBER:
        return text
    digits = text.replace("_", "")
    if _INTEGER.fullmatch(digits) and text[0] != ".":
        whole = _integer(digits)
        if -(2**63) <= whole < 2**64:
            return whole
    if _FLOAT.fullmatch(digits):
        return _number(float(digits))
    return text


def _integer(text: str) -> int:
    sign, digits = (-1 if text[0] == "-" else 1), text.lstrip("+-")
    for prefix, base in (("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)):
        if digits.lower().startswith(prefix) and len(digits) > len(prefix):
            return sign * int(digits[len(prefix) :], base)
    return sign * int(digits)


def _number(value: float) -> float:
    """Return a float as it looks after a trip through JSON: whole ones as integers."""
    if math.isinf(value):
        raise DecodeError(f"json: unsupported value: {'+Inf' if value > 0 else '-Inf'}")
    return int(value) if value == int(value) and abs(value) < 1e21 else value


def _key(value: Any) -> Any:  # Any: a value of JSON; text or _MERGE comes back
    """Return a mapping's key as JSON has it."""
    if value is _MERGE or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    kind = (
        "<nil>"
        if value is None
        else "map[interface {}]interface {}"
        if isinstance(value, dict)
        else "[]interface {}"
    )
    raise DecodeError(f"unsupported map key of type: {kind}")
