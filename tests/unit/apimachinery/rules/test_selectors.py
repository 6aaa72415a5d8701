"""Label and field selectors: what they select, and what a real server says of broken ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.rules import selectors
from chalicelib.apimachinery.rules.names import LABEL_VALUE_ERROR, QUALIFIED_ERROR
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON


def answer(parse: Callable[[str], selectors.LabelSelector | selectors.FieldSelector], text: str) -> int:
    """Return the code that a request with this selector gets."""
    try:
        parse(text).matches({"a": "b"})
    except StatusError as error:
        return error.code
    return 200


PODS = [{"app": "x", "n": "p1"}, {"app": "x", "n": "p2"}, {"app": "y", "n": "p3"}, {"app": "z", "n": "p4"}, {}]


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("app=x", [0, 1]),
        ("app==x", [0, 1]),
        ("app!=x", [2, 3, 4]),
        ("app in (x,y)", [0, 1, 2]),
        (" app\tin ( x , y ) ", [0, 1, 2]),
        ("app notin (x)", [2, 3, 4]),
        ("app", [0, 1, 2, 3]),
        ("!app", [4]),
        ("! app", [4]),
        ("app=x,n=p2", [1]),
        ("n in (p1,p4),app!=z", [0]),
        ("app=", []),
        ("app=,n", []),
        ("app in (,)", []),
        ("app in (,x)", [0, 1]),
        ("app in (x,,y)", [0, 1, 2]),
        ("in", []),
        ("app=in", []),
        ("!in,app in (in,x)", [0, 1]),
        (" ", [0, 1, 2, 3, 4]),
    ],
)
def test_label_selectors_select(text: str, selected: list[int]) -> None:
    selector = selectors.parse_labels(text)

    assert [index for index, labels in enumerate(PODS) if selector.matches(labels)] == selected


def test_greater_and_less_compare_numbers() -> None:
    assert selectors.parse_labels("v>3").matches({"v": "10"})
    assert not selectors.parse_labels("v>10").matches({"v": "10"})
    assert selectors.parse_labels("v<3").matches({"v": "-1"})
    assert not selectors.parse_labels("v<3").matches({"v": "one"})
    assert not selectors.parse_labels("v<3").matches({})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!!", "unable to parse requirement: found '!', expected: identifier"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("==", "found '==', expected: !, identifier, or 'end of string'"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b,", "unable to parse requirement: found '', expected: ',', or identifier"),
        (
            "a in ()",
            "unable to parse requirement: values: Invalid value: []:"
            " for 'in', 'notin' operators, values set can't be empty",
        ),
        (
            "v>x",
            'unable to parse requirement: values[0]: Invalid value: "x":'
            " for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        ("a=-b", f'unable to parse requirement: values[0][a]: Invalid value: "-b": {LABEL_VALUE_ERROR}'),
        ("a@=b", f'unable to parse requirement: <nil>: Invalid value: "a@": name part {QUALIFIED_ERROR}'),
    ],
)
def test_broken_label_selectors_are_answered_as_a_real_server_does(text: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        selectors.parse_labels(text)

    assert (caught.value.code, caught.value.message) == (400, message)


@given(st.one_of(st.text(), st.text(alphabet="ain,!=<>() \0notx1/")))
def test_label_parser_gives_a_selector_or_a_status(text: str) -> None:
    assert answer(selectors.parse_labels, text) in (200, 400)


def test_label_selector_object() -> None:
    selector = selectors.label_selector_of(
        {"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "n", "operator": "NotIn", "values": ["p1"]}]}
    )

    assert [selector.matches(labels) for labels in PODS] == [False, True, False, False, False]


def test_absent_label_selector_object_selects_nothing_and_an_empty_one_everything() -> None:
    assert not selectors.label_selector_of(None).matches({"a": "b"})
    assert selectors.label_selector_of({}).matches(None)


def test_label_selector_object_is_validated() -> None:
    selector: JSON = {
        "matchLabels": {"a": "b c"},
        "matchExpressions": [
            {"key": "a", "operator": "In"},
            {"key": "a", "operator": "Exists", "values": ["x"]},
            {"key": "a b", "operator": "in"},
            {"key": "a", "operator": "NotIn", "values": ["fine", "no label"]},
        ],
    }

    assert [(cause.reason, cause.field) for cause in selectors.label_selector_causes(selector, "spec.selector")] == [
        ("FieldValueInvalid", "spec.selector.matchLabels"),
        ("FieldValueRequired", "spec.selector.matchExpressions[0].values"),
        ("FieldValueForbidden", "spec.selector.matchExpressions[1].values"),
        ("FieldValueInvalid", "spec.selector.matchExpressions[2].operator"),
        ("FieldValueInvalid", "spec.selector.matchExpressions[2].key"),
        ("FieldValueInvalid", "spec.selector.matchExpressions[3].values[1]"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metadata.name=a", True),
        ("metadata.name==a", True),
        ("metadata.name!=a", False),
        ("metadata.name=a,status.phase!=Running", True),
        ("metadata.name=a,", True),
        ("status.phase=", True),
        ("=", True),
        ("", True),
        (r"metadata.name=a\,b", False),
    ],
)
def test_field_selectors_select(text: str, expected: bool) -> None:
    assert selectors.parse_fields(text).matches({"metadata.name": "a"}) is expected


def test_escapes_in_values_are_undone() -> None:
    assert selectors.parse_fields(r"a=1\,2\=3\\").matches({"a": "1,2=3\\"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        ("a in (b)", "invalid selector: 'a in (b)'; can't understand 'a in (b)'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\b", r"invalid field selector: invalid escape sequence: \b"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_broken_field_selectors_are_answered_as_a_real_server_does(text: str, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        selectors.parse_fields(text)

    assert (caught.value.code, caught.value.message) == (400, message)


def test_unsupported_field_is_named() -> None:
    selector = selectors.parse_fields("spec.foo=1,metadata.name=a")

    with pytest.raises(StatusError, match=r"field label not supported: spec\.foo"):
        selector.checked({"metadata.name"}, complaint=selectors.label_not_supported)


def test_old_field_names_are_replaced() -> None:
    selector = selectors.parse_fields("spec.host=n").checked(
        {"spec.nodeName"}, complaint=selectors.label_not_supported, renamed={"spec.host": "spec.nodeName"}
    )

    assert selector.required_value("spec.nodeName") == "n"
    assert selector.required_value("spec.host") is None


def test_plain_kinds_know_two_fields() -> None:
    assert (
        selectors.not_a_known_field("data.k")
        == '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )


@given(st.one_of(st.text(), st.text(alphabet="ab=!,\\ ")))
def test_field_parser_gives_a_selector_or_a_status(text: str) -> None:
    assert answer(selectors.parse_fields, text) in (200, 400)
