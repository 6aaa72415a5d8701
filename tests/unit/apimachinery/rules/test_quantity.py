"""Quantities: exact values, the server's ways of writing them, and its complaints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.rules import quantity
from chalicelib.apimachinery.rules.quantity import Quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0", "0"),
        ("0m", "0"),
        ("1", "1"),
        ("100", "100"),
        ("1000", "1k"),
        ("1000m", "1"),
        (".", "0"),
        ("Ki", "0"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.", "1."),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("512Mi", "512Mi"),
        ("1023", "1023"),
        ("1Ki", "1Ki"),
        ("0.5Ki", "512"),
        ("2048", "2048"),
        ("1e3", "1e3"),
        ("1000e3", "1e6"),
        ("1E3", "1E3"),
        ("12E", "12E"),
        ("0.1n", "1n"),
        ("-0.5", "-500m"),
        ("1.500", "1.500"),
        ("100k", "100k"),
        ("9223372036854775807", "9223372036854775807"),
    ],
)
def test_quantities_are_written_as_a_real_server_does(text: str, written: str) -> None:
    assert quantity.canonical(text) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", quantity.WRONG_FORMAT),
        ("x", quantity.WRONG_FORMAT),
        ("1 Gi", quantity.WRONG_FORMAT),
        ("1.2.3", quantity.WRONG_FORMAT),
        ("--1", quantity.WRONG_SUFFIX),
        ("1Gi ", quantity.WRONG_FORMAT),
        ("1K", quantity.WRONG_SUFFIX),
        ("1GiB", quantity.WRONG_FORMAT),
        ("1mm", quantity.WRONG_SUFFIX),
        ("1e", quantity.WRONG_SUFFIX),
        ("1e9999999", quantity.WRONG_SUFFIX),
        ("9" * 2000, quantity.WRONG_NUMBER),
    ],
)
def test_broken_quantities_get_the_servers_complaint(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"quantit") as caught:
        parse_quantity(text)

    assert str(caught.value) == message


def test_units_round_away_from_zero() -> None:
    assert parse_quantity("1.0001").milli == 1001
    assert parse_quantity("-1.0001").milli == -1001
    assert parse_quantity("1.5").value == 2
    assert parse_quantity("1Gi").mebibytes == 1024
    assert parse_quantity("1").mebibytes == 1


def test_equal_amounts_are_equal_however_written() -> None:
    assert parse_quantity("1Gi") == parse_quantity("1024Mi")
    assert parse_quantity("500m") < parse_quantity("1")
    assert len({parse_quantity("1"), parse_quantity("1000m")}) == 1


def test_sum_keeps_the_first_format() -> None:
    assert str(parse_quantity("1Gi") + parse_quantity("1Gi")) == "2Gi"
    assert str(Quantity() + parse_quantity("1Gi")) == "1Gi"
    assert str(parse_quantity("1") - parse_quantity("1500m")) == "-500m"


def test_resource_lists_hold_thousandths() -> None:
    assert quantity.canonical_resource("1u") == "1m"
    assert quantity.canonical_resource("1.0005") == "1001m"


@given(st.integers(-(10**24), 10**24), st.sampled_from(["DecimalSI", "BinarySI", "DecimalExponent"]))
def test_written_quantities_come_back(nanos: int, form: quantity.Format) -> None:
    amount = Quantity(nanos, form)

    assert parse_quantity(str(amount)) == amount


@given(
    st.one_of(st.text(max_size=40), st.from_regex(r"[+-]?[0-9.]{0,30}[eEinumkKMGTP]{0,3}[0-9]{0,4}", fullmatch=True))
)
def test_parser_gives_a_quantity_or_a_value_error(text: str) -> None:
    try:
        amount = parse_quantity(text)
    except ValueError:
        return

    assert parse_quantity(str(amount)) == amount


@pytest.mark.parametrize("text", ["1e400", "9" * 400, "9999999999999Ei"])
def test_amounts_beyond_an_int64_are_cut_to_it(text: str) -> None:
    quantity = parse_quantity(text)

    assert quantity.value == quantity.milli == 2**63 - 1
    assert quantity.amount == float(2**63 - 1)
