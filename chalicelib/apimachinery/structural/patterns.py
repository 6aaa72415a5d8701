"""Patterns of structural schemas, in time linear to the text: by RE2, whose syntax is that of Go's regexp.

Python's own regular expressions backtrack: `(a+)+$` on thirty characters keeps a processor busy for minutes.
Reference: github.com/google/re2/wiki/Syntax; docs/decisions/0027.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

MAX_STEPS = 300_000_000  # half a second at the worst: program size times bytes, where RE2 falls back on an NFA
_MAX_MEMORY_BYTES = 1 << 20  # for each pattern; one that needs more is refused
_KEPT = 128  # compiled patterns


class PatternError(ValueError):
    """A pattern that RE2 does not take; the text says why."""


def is_available() -> bool:
    """Return whether patterns can be matched: RE2 has wheels for most Pythons, not for all."""
    return _library() is not None


def check(pattern: str) -> None:
    """Raise PatternError for a pattern that cannot be used."""
    if is_available():
        _compiled(pattern)


def complaint(text: str, pattern: str) -> str:
    """Return what is wrong with a text by its pattern, "" if nothing is or the pattern cannot be used here."""
    try:
        compiled = _compiled(pattern) if is_available() else None
    except PatternError:
        compiled = None  # of a definition that was stored before patterns were checked
    if compiled is None:
        return ""
    data = text.encode("utf-8", "surrogatepass")
    if compiled.programsize * len(data) > MAX_STEPS:
        return f"is too long to be matched against '{pattern}'"
    return "" if compiled.search(data) else f"should match '{pattern}'"


@lru_cache(maxsize=1)
def _library() -> Any:  # Any: the module re2, which has no types
    try:
        import re2  # lazy: it takes 10 ms, and few requests need it
    except ImportError:
        return None
    return re2


@lru_cache(maxsize=_KEPT)
def _compiled(pattern: str) -> Any:  # Any: as above
    re2 = _library()
    options = re2.Options()
    options.log_errors, options.never_capture, options.max_mem = False, True, _MAX_MEMORY_BYTES
    try:
        return re2.compile(pattern.encode("utf-8", "surrogatepass"), options)
    except re2.error as error:
        why = error.args[0]
        raise PatternError(why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)) from None
