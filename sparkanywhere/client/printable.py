"""What others have written, made harmless for a terminal: names, messages, logs, addresses.

A terminal obeys escape sequences: they hide lines, rename its window, and with some answer as if the user had typed. So
characters that act instead of being seen are shown as Python writes them (`\\x1b`): by their categories (Unicode
Standard, section 4.5) control characters, format characters, which turn the direction of text or have no width, and
halves of characters, which cannot be written at all. A web page, which proxies and load balancers send in place of an
answer, is of no use within a line, and is named by its title.
"""

from __future__ import annotations

import re
import unicodedata

MOST_SAID = 400  # AWS's longest refusals, with two ARNs and a reason, have some 350
_MAY_ACT = re.compile("[^\t\n -~]")
_MAY_ACT_IN_A_LINE = re.compile("[^ -~]")
_PAGE = re.compile(r"<(?:!doctype html|html)\b.*?(?:</html>|\Z)", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title>([^<]{1,80})", re.IGNORECASE)
_ACTING = ("Cc", "Cf", "Cs")
_LINE_ENDS = ("Zl", "Zp")


def harmless(text: str) -> str:
    """Return a text of lines as it may be printed."""
    return _MAY_ACT.sub(lambda found: _shown(found[0], _ACTING), text)


def one_line(text: object) -> str:
    """Return a value as it may be printed within a line; the title is all that it says of a web page."""
    without = _PAGE.sub(lambda page: f"a web page{_titled(page[0])}", str(text))
    return _MAY_ACT_IN_A_LINE.sub(lambda found: _shown(found[0], (*_ACTING, *_LINE_ENDS)), without)


def brief(text: object) -> str:
    """Return what another program has said as a part of a line of ours: one line of MOST_SAID characters at most."""
    said = one_line(" ".join(str(text).split()))
    return said if len(said) <= MOST_SAID else f"{said[: MOST_SAID - 1]}…"


def _titled(page: str) -> str:
    title = _TITLE.search(page)
    return f" ({' '.join(title[1].split())})" if title else ""


def _shown(character: str, categories: tuple[str, ...]) -> str:
    if unicodedata.category(character) not in categories:
        return character
    return character.encode("unicode_escape").decode("ascii")
