"""Patterns are matched in linear time, and refused where they cannot be."""

from __future__ import annotations

import time

import pytest

from chalicelib.apimachinery.structural import patterns
from chalicelib.apimachinery.structural.validation import validate
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.custom.customresourcedefinitions import schema_causes

MOST_SECONDS = 5.0  # each takes a thousandth of that; one that backtracks takes years
LONG = "a" * 200_000 + "!"


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "^([a-z]+|x)*$", "^((a{1,9})*)*$", "^a*a*a*a*a*a*a*a*a*a*b$", "(.*a){12}b$"]
)
def test_no_pattern_takes_longer_than_its_text(pattern: str) -> None:
    began = time.process_time()

    found = validate(LONG, {"type": "string", "pattern": pattern})

    assert time.process_time() - began < MOST_SECONDS
    assert [cause.message for cause in found] != []


@pytest.mark.parametrize(
    ("pattern", "text", "is_fit"),
    [
        ("^é$", "é", True),
        ("^.$", "é", True),
        ("b", "abc", True),
        ("^b", "abc", False),
        (r"^\p{Lu}+\z", "ÄÖ", True),
        (r"^\pN$", "x", False),
        ("^.$", "\ud800", True),
    ],
)
def test_the_syntax_is_that_of_go(pattern: str, text: str, is_fit: bool) -> None:
    assert patterns.complaint(text, pattern) == ("" if is_fit else f"should match '{pattern}'")


@pytest.mark.parametrize("pattern", ["(?=a)", r"(a)\1", "a{1001}", "(", "((a{100}){100}){100}", "a" * 100_000])
def test_a_definition_with_a_pattern_that_cannot_be_used_is_refused(pattern: str) -> None:
    text: JSON = {"type": "string", "pattern": pattern}
    schema: JSON = {"type": "object", "properties": {"a": {"type": "array", "items": text}}}

    (cause,) = schema_causes(schema, "schema", is_root=True)

    assert cause.field == "schema.properties[a].items.pattern"
    assert "must be a valid regular expression, but isn't: " in cause.message


def test_a_stored_pattern_that_cannot_be_used_refuses_nothing() -> None:
    assert validate("x", {"type": "string", "pattern": "(?=a)"}) == []


def test_a_text_beyond_the_time_that_its_pattern_may_take_is_refused() -> None:
    pattern = "a.{900}$"

    began = time.process_time()
    (cause,) = validate("ab" * 500_000, {"type": "string", "pattern": pattern})

    assert time.process_time() - began < MOST_SECONDS
    assert cause.message.endswith(f"is too long to be matched against '{pattern}'")


def test_numbers_beyond_any_float_are_multiples_or_not() -> None:
    assert validate(10**400, {"type": "integer", "multipleOf": 5}) == []
    assert len(validate(10**400, {"type": "integer", "multipleOf": 3})) == 1
    assert len(validate(10**400, {"type": "integer", "multipleOf": 2.5})) == 1


@pytest.mark.parametrize(
    ("value", "step", "is_multiple"),
    [(0.5, 0.1, True), (0.55, 0.1, False), (7, 2.5, False), (7.5, 2.5, True), (1e308, 1e-308, False), (0, 0.1, True)],
)
def test_fractions_are_multiples_as_nearly_as_floats_can_be(value: float, step: float, is_multiple: bool) -> None:
    assert (validate(value, {"type": "number", "multipleOf": step}) == []) == is_multiple
