"""What acts on a terminal is shown instead; what is to be read stays."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkanywhere.client.printable import MOST_SAID, brief, harmless, one_line


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


PAGE = "<!DOCTYPE html>\n<html><head><title>502 Bad\nGateway</title></head><body><h1>502</h1></body></html>"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (f"GetRole failed: {PAGE}\n", "GetRole failed: a web page (502 Bad Gateway)"),
        (f"not XML: {PAGE.encode()!r}", "not XML: b'a web page (502 Bad\\nGateway)'"),
        ("<HTML>cut off", "a web page"),
        ("a\n  b\tc", "a b c"),
        ("expected <init> of List<String>", "expected <init> of List<String>"),
        ("x" * 1000, "x" * (MOST_SAID - 1) + "…"),
    ],
)
def test_what_another_program_says_is_a_short_part_of_a_line(said: str, line: str) -> None:
    assert brief(said) == line


def test_no_line_has_a_page_in_it() -> None:
    assert one_line(f"a{PAGE}b") == "aa web page (502 Bad Gateway)b"


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
