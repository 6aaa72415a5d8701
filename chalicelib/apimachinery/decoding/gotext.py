"""Texts as Go prints them, which Kubernetes' messages are made of.

Reference: pkg.go.dev/strconv (Quote), pkg.go.dev/fmt (%q, %v), pkg.go.dev/time (Duration.String).
"""

from __future__ import annotations

import json
import unicodedata

_SHORT_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def is_print(char: str) -> bool:
    """Return whether Go's unicode.IsPrint holds: letters, marks, numbers, punctuation, symbols, the space."""
    return char == " " or unicodedata.category(char)[0] in "LMNPS"


def quote(text: str) -> str:
    """Return `text` in double quotes with Go's escapes, as strconv.Quote does."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    short = _SHORT_ESCAPES.get(char)
    if short is not None:
        return short
    if is_print(char):
        return char
    code = ord(char)
    if code < ord(" ") or code == 0x7F:  # Go writes control characters of ASCII by byte
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def value_text(value: object) -> str:
    """Return a bad value as field errors of Kubernetes v1.36 show it: strings quoted, structs as JSON."""
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return '"null"'
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def byte_length(text: str) -> int:
    """Return the length that Go's len gives: bytes of UTF-8, lone surrogates counted as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def plain_value(value: object) -> str:
    """Return JSON as Go's %v prints it: `map[a:1 b:[x y]]`."""
    match value:
        case dict():
            inside = " ".join(f"{key}:{plain_value(value[key])}" for key in sorted(value))
            return f"map[{inside}]"
        case list():
            return f"[{' '.join(plain_value(item) for item in value)}]"
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def duration(seconds: float) -> str:
    """Return a time span, cut to milliseconds, as Go prints it: `350ms`, `1.2s`, `2m3.5s`."""
    whole = int(seconds * 1000)
    if whole < 1000:
        return f"{whole}ms" if whole else "0s"
    minutes, rest = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
