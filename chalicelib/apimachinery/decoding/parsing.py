"""Request bodies to JSON values, from JSON or YAML, within limits that keep later walks safe."""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 200  # nested objects and arrays; Go takes 10,000, but no kind nests 50, and walks are recursive
TOO_DEEP = "exceeded max depth"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class DecodeError(ValueError):
    """A body that cannot be parsed; the text says why."""


class Pairs(list[tuple[str, Any]]):  # Any: values out of JSON
    """An object that repeats a field: all its fields in order."""


def plain(value: Any) -> Any:  # Any: JSON, with and without Pairs
    """Return a copy of a JSON value with plain dicts for its objects; of repeated fields the last one counts."""
    if isinstance(value, Pairs):
        value = dict(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def parse_json(body: bytes) -> Any:  # Any: whatever JSON holds
    """Return the value of a JSON document; an object that repeats a field becomes Pairs.

    Raises DecodeError. Bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD, as in Go.
    """
    text = body.decode("utf-8", "replace")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise DecodeError(TOO_DEEP) from None
    except ValueError as error:  # JSONDecodeError, and what the hooks below raise
        at_end = isinstance(error, json.JSONDecodeError) and not text[error.pos :].strip()
        raise DecodeError("unexpected end of JSON input" if at_end else f"invalid JSON: {error}") from None
    if text.count("{") + text.count("[") > MAX_DEPTH:
        check_depth(value)
    if _SURROGATE.search(text):
        whole = json.dumps(plain(value), ensure_ascii=False).encode("utf-16", "surrogatepass")
        return json.loads(whole.decode("utf-16", "replace"))
    return value


def parse_yaml(body: bytes) -> Any:  # Any: whatever JSON holds
    """Return the value of the first YAML document in `body`, None for an empty one. Raises DecodeError."""
    if body.lstrip()[:1] == b"{":
        try:
            return parse_json(body)  # clients mostly send JSON as YAML, and this reads it ten times faster
        except DecodeError:
            pass
    from chalicelib.apimachinery.decoding.yaml_loader import load_yaml  # lazy: few requests are YAML

    return load_yaml(body)


def check_depth(value: object) -> None:
    """Raise DecodeError if objects and arrays nest too deep. Goes by levels, without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for item in level:
            if isinstance(item, Pairs):
                inner += [entry for _, entry in item]
            elif isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        level = [item for item in inner if isinstance(item, dict | list)]
    if level:
        raise DecodeError(TOO_DEEP)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Pairs:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Pairs(pairs)


def _float(text: str) -> float:
    """Refuse what does not fit, and Python's own NaN and Infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"number out of range: {text}")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_float)
