"""YAML as a Kubernetes API server reads it: YAML 1.1 turned into the values of JSON.

PyYAML parses. What differs from its safe loader follows sigs.k8s.io/yaml and its goyaml.v2: `y` and `n` are booleans,
times and numbers of base 60 stay text, keys become text, unknown tags are ignored, and the first document counts.
"""

from __future__ import annotations

import base64
import math
import re
from typing import Any, ClassVar

import yaml

from chalicelib.apimachinery.decoding.parsing import MAX_DEPTH, TOO_DEEP, DecodeError, Pairs, check_depth

try:
    from yaml import CSafeLoader as SafeLoader  # libyaml, which most wheels have: ten times faster
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

MAX_ALIASED = 100_000  # values of a document that uses aliases, expanded
_TAG = "tag:yaml.org,2002:"
_LONGEST_NUMBER = 400  # characters; no number of 64 bits comes near


def load_yaml(body: bytes) -> Any:  # Any: whatever JSON holds
    """Return the value of the first document, None for an empty one; a mapping that repeats a key becomes Pairs.

    Raises DecodeError.
    """
    text = body.decode("utf-8", "replace")
    try:
        _check_nesting(text)
        value = _Loader(text).get_data()
        if "*" in text and _count(value, {}) > MAX_ALIASED:
            raise DecodeError("yaml: document contains excessive aliasing")
    except RecursionError:
        raise DecodeError(f"yaml: {TOO_DEEP}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DecodeError(f"yaml: line {line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DecodeError(f"yaml: {error}") from None
    check_depth(value)
    return value


def _check_nesting(text: str) -> None:
    """Raise DecodeError if the first document nests so deep that libyaml could overflow its stack composing it."""
    depth = 0
    for event in yaml.parse(text, Loader=SafeLoader):
        if isinstance(event, yaml.DocumentEndEvent):
            return
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise DecodeError(f"yaml: {TOO_DEEP}")


def _count(value: object, known: dict[int, int]) -> int:
    """Return how many values there are with aliases expanded. Walks each shared value once."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        items = [item for _, item in value] if isinstance(value, Pairs) else value
        inner = items.values() if isinstance(items, dict) else items
        known[id(value)] = 1 + sum(_count(item, known) for item in inner)
    return known[id(value)]


class _Loader(SafeLoader):
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}
    bool_values = SafeLoader.bool_values | {"y": True, "n": False}

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: ARG002 (PyYAML's signature)
        pairs: list[tuple[str, Any]] = []
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            value = self.construct_object(value_node)
            if key_node.tag != f"{_TAG}merge":
                pairs.append((_key(self.construct_object(key_node)), value))
                continue
            for source in [value] if isinstance(value, dict | Pairs) else value or [value]:
                if not isinstance(source, dict | Pairs):
                    raise DecodeError("yaml: map merge requires map or sequence of maps as the value")
                merged = {**dict(source), **merged}
        own = dict(pairs)
        inherited = {key: item for key, item in merged.items() if key not in own}
        return {**inherited, **own} if len(own) == len(pairs) else Pairs([*inherited.items(), *pairs])


def _key(value: object) -> str:
    """Return a mapping's key as JSON has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise DecodeError("yaml: a key must be a string, a number or a boolean")


def _scalar(loader: _Loader, node: Any) -> Any:  # Any: a node of PyYAML's; a scalar of JSON
    tag = node.tag.removeprefix(_TAG)
    try:
        if tag == "bool":
            return loader.construct_yaml_bool(node)
        if tag == "binary":
            return base64.b64decode(node.value).decode("utf-8", "replace")
        if len(node.value) > _LONGEST_NUMBER:
            return node.value
        node.value = node.value.lower()
        number = loader.construct_yaml_int(node) if tag == "int" else loader.construct_yaml_float(node)
    except (ValueError, KeyError, IndexError):  # an explicit tag on something else
        raise DecodeError(f"yaml: cannot decode {node.value} as {tag}") from None
    if tag == "int" and -(2**63) <= number < 2**64:
        return number
    number = float(number)
    if not math.isfinite(number):
        raise DecodeError(f"json: unsupported value: {node.value}")
    return int(number) if number == int(number) and abs(number) < 1e21 else number  # as after a trip through JSON


def _spellings(*words: str) -> str:
    return "|".join(f"{word}|{word.title()}|{word.upper()}" for word in words)


_Loader.yaml_implicit_resolvers = {}
_INTEGER = r"[-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|0|[1-9][0-9_]*)"
_FLOAT = r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?"
_NOT_FINITE = rf"[-+]?\.({_spellings('inf')})|\.(nan|NaN|NAN)"
_BOOLEANS = _spellings("y", "yes", "true", "on", "n", "no", "false", "off")
# Tag, first characters and pattern of plain words; the first that matches decides.
for _name, _first, _pattern in (
    ("bool", "yYtToOnNfF", _BOOLEANS),
    ("null", ["~", "n", "N", ""], _spellings("null") + "|~|"),
    ("merge", "<", "<<"),
    ("int", "-+0123456789", _INTEGER),
    ("float", "-+.0123456789", f"{_FLOAT}|{_NOT_FINITE}"),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"(?:{_pattern})\Z"), list(_first))
_Loader.yaml_constructors |= {f"{_TAG}{name}": _scalar for name in ("bool", "int", "float", "binary")}
_Loader.yaml_constructors[f"{_TAG}null"] = lambda *_: None
