"""What others have written, made harmless for a terminal: names, messages, logs, addresses.

A terminal obeys escape sequences: they hide lines, rename its window, and with some answer as if the user had typed. So
characters that act instead of being seen are shown as Python writes them (`\\x1b`): by their categories (Unicode
Standard, section 4.5) control characters, format characters, which turn the direction of text or have no width, and
halves of characters, which cannot be written at all.
"""

from __future__ import annotations

import re
import unicodedata

_MAY_ACT = re.compile("[^\t\n -~]")
_MAY_ACT_IN_A_LINE = re.compile("[^ -~]")
_ACTING = ("Cc", "Cf", "Cs")
_LINE_ENDS = ("Zl", "Zp")


def harmless(text: str) -> str:
    """Return a text of lines as it may be printed."""
    return _MAY_ACT.sub(lambda found: _shown(found[0], _ACTING), text)


def one_line(text: object) -> str:
    """Return a value as it may be printed within a line."""
    return _MAY_ACT_IN_A_LINE.sub(lambda found: _shown(found[0], (*_ACTING, *_LINE_ENDS)), str(text))


def _shown(character: str, categories: tuple[str, ...]) -> str:
    if unicodedata.category(character) not in categories:
        return character
    return character.encode("unicode_escape").decode("ascii")
