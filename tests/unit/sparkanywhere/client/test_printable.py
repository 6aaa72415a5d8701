"""What acts on a terminal is shown instead; what is to be read stays."""

from __future__ import annotations

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
        ("\ud800", "\\ud800"),
        ("Zürich 東京 🚀", "Zürich 東京 🚀"),
    ],
)
def test_what_acts_is_shown(text: str, shown: str) -> None:
    assert harmless(text) == one_line(text) == shown


def test_only_lines_may_have_tabs_and_ends() -> None:
    assert harmless("a\tb\n") == "a\tb\n"
    assert one_line("a\tb\n\u2028") == "a\\tb\\n\\u2028"


@given(st.text())
def test_any_text_can_be_printed_and_stays_on_its_line(text: str) -> None:
    shown = one_line(text)

    assert len(shown.encode().decode().splitlines()) <= 1
    assert not any(ord(char) < 32 for char in shown)
