"""JSON bodies to values, and which are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.decoding.parsing import DecodeError, Pairs, parse_json, plain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=16,
)


@pytest.mark.parametrize("text", ["", "{", '{"a"', '{"a":1,', "[1, "])
def test_a_document_that_ends_early_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match=r"^unexpected end of JSON input$"):
        parse_json(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '"abc', '"a\\"', "{} x", "01", "x", "'a'", "\ufeff{}", "NaN", "-Infinity", "[1,]", "{a:1}", '{"a":1,}',
        '{"a" 1}', '{"a":1 "b"}', "[1 2]", "[1}", "tru", "nul!", "-", "-a", "1.", "[1.a]", "1ex", "1e+", '"\n"',
        '"\\x"', '"\\u12g4"', "1e999",
    ],
)  # fmt: skip
def test_a_broken_document_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match=r"^invalid JSON: "):
        parse_json(text.encode())


@pytest.mark.parametrize("depth", [201, 900, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(DecodeError, match="exceeded max depth"):
        parse_json(b"[" * depth + b"]" * depth)


def test_wide_documents_are_not_deep() -> None:
    assert parse_json(b"[" + b"[]," * 1000 + b"[" * 199 + b"]" * 200) is not None


def test_huge_integer_is_refused() -> None:
    with pytest.raises(DecodeError, match="invalid JSON"):
        parse_json(b"9" * 5000)


def test_repeated_fields_are_kept_as_pairs() -> None:
    value = parse_json(b'{"a":{"b":1,"b":2}}')

    assert value == {"a": Pairs([("b", 1), ("b", 2)])}
    assert plain(value) == {"a": {"b": 2}}


@pytest.mark.parametrize("body", [b'"\xff"', rb'"\ud800"', rb'"\udc00"'])
def test_what_is_no_text_becomes_a_replacement_character(body: bytes) -> None:
    assert parse_json(body) == "\ufffd"


def test_surrogate_pairs_are_one_character() -> None:
    assert parse_json(rb'{"\ud83d\ude00":"\ud83d\ude00"}') == {"😀": "😀"}


@given(VALUES)
def test_every_document_comes_back(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value


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

    with pytest.raises(DecodeError, match=r"unexpected end|invalid JSON"):
        parse_json(cut.encode())
