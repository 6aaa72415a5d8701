"""What acts on a terminal is shown instead; what is to be read stays."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkanywhere.client.printable import harmless, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),  # the same in one character
        ("50 %\r100 %", "50 %\\r100 %"),
        ("a\bb\x7f\0", "a\\x08b\\x7f\\x00"),
        ("invoice\u202egpj.exe", "invoice\\u202egpj.exe"),
        ("pod\u200b-a\u00ad\ufeff", "pod\\u200b-a\\xad\\ufeff"),
        ("\ud800", "\\ud800"),
        ("Zürich 東京 🚀", "Zürich 東京 🚀"),
    ],
)
def test_what_acts_is_shown(text: str, shown: str) -> None:
    assert harmless(text) == one_line(text) == shown


def test_only_lines_may_have_tabs_and_ends() -> None:
    assert harmless("a\tb\n") == "a\tb\n"
    assert one_line("a\tb\n\u2028") == "a\\tb\\n\\u2028"


@pytest.mark.parametrize("category", ["Cc", "Cf", "Cs"])
def test_a_category_is_shown_as_a_whole(category: str) -> None:
    members = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == category]

    assert members
    assert [char for char in members if one_line(char) == char] == []
    assert [char for char in members if harmless(char) == char] == (["\t", "\n"] if category == "Cc" else [])


@given(st.text())
def test_any_text_can_be_printed_and_stays_on_its_line(text: str) -> None:
    shown = one_line(text)

    assert len(shown.encode().decode().splitlines()) <= 1
    assert not any(ord(char) < 32 for char in shown)
