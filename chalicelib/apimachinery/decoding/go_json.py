"""JSON as Go's decoder takes it, with the complaints that it makes.

Python's own parser does the work. When it refuses, `syntax_error` walks the text as encoding/json's scanner
does and finds Go's words for it.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from chalicelib.apimachinery.decoding.conform_report import Pairs
from chalicelib.apimachinery.decoding.gotext import quote

MAX_DEPTH = 200  # nested objects and arrays; Go takes 10,000, but no kind nests 50, and walks are recursive

END_OF_INPUT = "unexpected end of JSON input"
TOO_DEEP = "exceeded max depth"
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_SPACE = re.compile(r"[ \t\n\r]*+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"')
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPES = frozenset('bfnrt\\/"')
_HEX = frozenset("0123456789abcdefABCDEF")


class DecodeError(ValueError):
    """A body that is no document; the text is Go's."""


class _RepeatedError(Exception):
    """A field came twice in one object: parse again, keeping both."""


def parse_json(body: bytes) -> Any:  # Any: whatever JSON holds
    """Return the value of a JSON document; objects are dicts, or all of them Pairs if one repeats a field.

    Raises DecodeError. Bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD, as in Go.
    """
    text = body.decode("utf-8", "replace")
    try:
        value = _parse(text, body)
    except _RepeatedError:
        value = _PAIRS_DECODER.decode(text)
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise DecodeError(TOO_DEEP)
    return _without_surrogates(value) if _SURROGATE.search(text) else value


def _depth(value: object) -> int:
    """Return how deep a value is nested, by levels and not by recursion."""
    depth, level = 0, [value]
    while level:
        inner: list[object] = []
        for item in level:
            if isinstance(item, Pairs):
                inner += [entry for _, entry in item]
            elif isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        level = [item for item in inner if isinstance(item, dict | list)]
        depth += 1
    return depth


def _parse(text: str, body: bytes) -> Any:  # Any: whatever JSON holds
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise DecodeError(TOO_DEEP) from None
    except ValueError:  # JSONDecodeError, and what the hooks below raise
        found = syntax_error(body.decode("latin-1"))
        raise DecodeError(found or "number out of range") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _RepeatedError
    return found


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _constant(text: str) -> None:
    raise ValueError(text)  # NaN and Infinity are Python's own idea of JSON


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)
_PAIRS_DECODER = json.JSONDecoder(object_pairs_hook=Pairs, parse_float=_float, parse_constant=_constant)


def _without_surrogates(value: Any) -> Any:  # Any: whatever JSON holds
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Pairs):
        return Pairs((_without_surrogates(key), _without_surrogates(item)) for key, item in value)
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return [_without_surrogates(item) for item in value] if isinstance(value, list) else value


def _bad(char: str, context: str) -> str:
    shown = {"'": "'\\''", '"': "'\"'"}.get(char) or "'" + quote(char)[1:-1] + "'"
    return f"invalid character {shown} {context}"


def syntax_error(text: str) -> str:
    """Return what Go's scanner says of a broken document, "" if it finds nothing wrong.

    `text` holds one character a byte (latin-1): Go names the byte.
    """
    position = 0
    closers: list[str] = []  # what closes each open object and array, outermost first
    expected = "value"
    while True:
        position = _skip_space(text, position)
        char = text[position : position + 1]
        if not char:
            return "" if expected == "end" else END_OF_INPUT
        if expected in ("value", "value or ]", "key", "key or }"):
            if char == expected[-1] and len(expected) > len("value"):  # an empty array or object
                closers.pop()
                expected = _after(closers)
                position += 1
                continue
            if expected.startswith("key") and char != '"':
                return _bad(char, "looking for beginning of object key string")
            if char in "[{":
                closers.append("]" if char == "[" else "}")
                if len(closers) > MAX_DEPTH:
                    return TOO_DEEP
                expected = "value or ]" if char == "[" else "key or }"
                position += 1
                continue
            position, problem = _scalar(text, position)
            if problem:
                return problem
            expected = ":" if expected.startswith("key") else _after(closers)
            continue
        problem, expected = _between(char, expected, closers)
        if problem:
            return problem
        position += 1


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _after(closers: list[str]) -> str:
    """Return what may follow a finished value."""
    return f", or {closers[-1]}" if closers else "end"


def _between(char: str, expected: str, closers: list[str]) -> tuple[str, str]:
    """Return (problem, what is expected next) for a character that stands between values."""
    if expected == "end":
        return _bad(char, "after top-level value"), ""
    if expected == ":":
        return ("", "value") if char == ":" else (_bad(char, "after object key"), "")
    if char == ",":
        return "", "value" if closers[-1] == "]" else "key"
    if char == closers[-1]:
        closers.pop()
        return "", _after(closers)
    return _bad(char, "after array element" if closers[-1] == "]" else "after object key:value pair"), ""


def _scalar(text: str, position: int) -> tuple[int, str]:
    """Return (position after the string, number or literal, problem)."""
    char = text[position]
    if char == '"':
        match = _STRING.match(text, position)
        return (match.end(), "") if match else (position, _string_error(text, position + 1))
    if char in _LITERALS:
        return _literal(text, position, _LITERALS[char])
    if char not in "-0123456789":
        return position, _bad(char, "looking for beginning of value")
    return _number(text, position)


def _literal(text: str, position: int, word: str) -> tuple[int, str]:
    for index, wanted in enumerate(word):
        found = text[position + index : position + index + 1] or " "  # Go ends a document with a space
        if found != wanted:
            return position, _bad(found, f"in literal {word} (expecting '{wanted}')")
    return position + len(word), ""


def _number(text: str, position: int) -> tuple[int, str]:
    match = _NUMBER.match(text, position)
    if match is None:
        return position, _bad(text[position + 1 : position + 2] or " ", "in numeric literal")
    end = match.end()
    following = text[end : end + 1]
    if following == "." and "." not in match[0] and "e" not in match[0].lower():
        return position, _bad(text[end + 1 : end + 2] or " ", "after decimal point in numeric literal")
    if following in ("e", "E") and "e" not in match[0].lower():
        digit = end + 2 if text[end + 1 : end + 2] in ("+", "-") else end + 1
        return position, _bad(text[digit : digit + 1] or " ", "in exponent of numeric literal")
    return end, ""


def _string_error(text: str, position: int) -> str:
    """Return what is wrong with the string whose inside starts at `position`."""
    while position < len(text):
        char = text[position]
        if char < " ":
            return _bad(char, "in string literal")
        if char != "\\":
            position += 1
            continue
        escape = text[position + 1 : position + 2]
        if escape == "u":
            for digit in range(position + 2, position + 6):
                if digit >= len(text):
                    break
                if text[digit] not in _HEX:
                    return _bad(text[digit], "in \\u hexadecimal character escape")
            position += 6
            continue
        if escape and escape not in _ESCAPES:
            return _bad(escape, "in string escape code")
        position += 2
    return _end_inside_string(text)


def _end_inside_string(text: str) -> str:
    """Return what Go says at the end: it feeds one space more, which only an open escape minds."""
    tail = text[text.rfind("\\") :] if "\\" in text[-5:] else ""
    if tail == "\\" and not _is_escaped(text, len(text) - 1):
        return _bad(" ", "in string escape code")
    if tail.startswith("\\u") and len(tail) < 6 and not _is_escaped(text, len(text) - len(tail)):
        return _bad(" ", "in \\u hexadecimal character escape")
    return END_OF_INPUT


def _is_escaped(text: str, position: int) -> bool:
    """Return whether the backslash at `position` is itself escaped."""
    before = len(text[:position]) - len(text[:position].rstrip("\\"))
    return before % 2 == 1
