"""JSON with Go's complaints."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.decoding import go_json
from chalicelib.apimachinery.decoding.conform_report import Pairs, plain
from chalicelib.apimachinery.decoding.go_json import DecodeError, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=16,
)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ('{"a"', "unexpected end of JSON input"),
        ('{"a":1,', "unexpected end of JSON input"),
        ('"abc', "unexpected end of JSON input"),
        ('"a\\"', "unexpected end of JSON input"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("01", "invalid character '1' after top-level value"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("'a'", "invalid character '\\'' looking for beginning of value"),
        ("\ufeff{}", "invalid character 'ï' looking for beginning of value"),
        ("NaN", "invalid character 'N' looking for beginning of value"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1}", "invalid character '}' after array element"),
        ("tru", "invalid character ' ' in literal true (expecting 'e')"),
        ("nul!", "invalid character '!' in literal null (expecting 'l')"),
        ("-", "invalid character ' ' in numeric literal"),
        ("-a", "invalid character 'a' in numeric literal"),
        ("1.", "invalid character ' ' after decimal point in numeric literal"),
        ("[1.a]", "invalid character 'a' after decimal point in numeric literal"),
        ("1ex", "invalid character 'x' in exponent of numeric literal"),
        ("1e+", "invalid character ' ' in exponent of numeric literal"),
        ('"\n"', "invalid character '\\n' in string literal"),
        ('"\\x"', "invalid character 'x' in string escape code"),
        ('"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        ("1e999", "number out of range"),
    ],
)
def test_complaints_are_gos(text: str, complaint: str) -> None:
    with pytest.raises(DecodeError) as caught:
        parse_json(text.encode())

    assert str(caught.value) == complaint


@pytest.mark.parametrize("depth", [201, 900, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(DecodeError, match="exceeded max depth"):
        parse_json(b"[" * depth + b"]" * depth)


def test_wide_documents_are_not_deep() -> None:
    assert parse_json(b"[" + b"[]," * 1000 + b"[" * 199 + b"]" * 200) is not None


def test_huge_integer_is_refused() -> None:
    with pytest.raises(DecodeError, match="number out of range"):
        parse_json(b"9" * 5000)


def test_repeated_fields_are_kept_as_pairs() -> None:
    value = parse_json(b'{"a":{"b":1,"b":2}}')

    assert isinstance(value, Pairs)
    assert plain(value) == {"a": {"b": 2}}


@pytest.mark.parametrize("body", [b'"\xff"', rb'"\ud800"', rb'"\udc00"'])
def test_what_is_no_text_becomes_a_replacement_character(body: bytes) -> None:
    assert parse_json(body) == "\ufffd"


def test_surrogate_pairs_are_one_character() -> None:
    assert parse_json(rb'{"\ud83d\ude00":"\ud83d\ude00"}') == {"😀": "😀"}


@given(VALUES)
def test_every_document_comes_back(value: object) -> None:
    text = json.dumps(value)

    assert parse_json(text.encode()) == value
    assert go_json.syntax_error(text) == ""


@given(st.one_of(st.binary(), st.text(alphabet='{}[]:,"\\ut1e.-+ \n').map(str.encode)))
def test_bytes_give_a_value_or_a_complaint(body: bytes) -> None:
    try:
        value = parse_json(body)
    except DecodeError as error:
        assert str(error)  # noqa: PT017
    else:
        json.dumps(plain(value)).encode()


@given(VALUES, st.data())
def test_cut_documents_get_a_complaint(value: object, data: st.DataObject) -> None:
    text = json.dumps([value])
    cut = text[: data.draw(st.integers(0, len(text) - 1))]

    with pytest.raises(DecodeError, match=r"unexpected end|invalid character ' '"):
        parse_json(cut.encode())
