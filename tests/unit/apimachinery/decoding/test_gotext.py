"""Texts as Go prints them."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.decoding import gotext


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a b", '"a b"'),
        ('a"\\', '"a\\"\\\\"'),
        ("\n\t\x00\x7f", '"\\n\\t\\x00\\x7f"'),
        ("é€", '"é€"'),
        ("\u200b\U0001f600\U000e0001", '"\\u200b😀\\U000e0001"'),
    ],
)
def test_quote_is_strconv_quote(text: str, quoted: str) -> None:
    assert gotext.quote(text) == quoted


@pytest.mark.parametrize(
    ("value", "text"), [("a", '"a"'), (1, "1"), (True, "true"), (None, '"null"'), (["a"], '["a"]')]
)
def test_bad_values_are_shown_as_field_errors_do(value: object, text: str) -> None:
    assert gotext.value_text(value) == text
