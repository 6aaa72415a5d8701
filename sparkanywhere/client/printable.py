"""What others have written, made harmless for a terminal: names, messages, logs, addresses.

A terminal obeys escape sequences: they hide lines, rename its window, and with some answer as if the user had typed. So
characters that act instead of being seen are shown as Python writes them (`\\x1b`), among them those that turn the
direction of text (Unicode Standard Annex 9), and halves of characters, which cannot be written at all.
"""

from __future__ import annotations

import re

_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ACTING_IN_A_LINE = re.compile(f"{_ACTING.pattern[:-1]}\t\n\u2028\u2029]")


def harmless(text: str) -> str:
    """Return a text of lines as it may be printed."""
    return _ACTING.sub(_shown, text)


def one_line(text: object) -> str:
    """Return a value as it may be printed within a line."""
    return _ACTING_IN_A_LINE.sub(_shown, str(text))


def _shown(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
