"""JSON patches and merge patches: what they make of an object, and what is said of broken ones."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.decoding.decode import Kind
from chalicelib.apimachinery.patching.patch import PatchType, decode_patch, json_patch, merge_patch, shaped
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON

POD = Kind("", "v1", "Pod")
LIVE: JSON = {"metadata": {"name": "a", "labels": {"app": "x", "b": "1"}}, "list": [1, 2]}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def refusal(body: str, patch_type: PatchType) -> tuple[int, str]:
    with pytest.raises(StatusError) as caught:
        decode_patch(body.encode(), patch_type)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "replace", "path": "/metadata/labels/app", "value": "y"}], {"app": "y", "b": "1"}),
        ([{"op": "remove", "path": "/metadata/labels/b"}], {"app": "x"}),
        ([{"op": "add", "path": "/metadata/labels/x~1y", "value": "z"}], {"app": "x", "b": "1", "x/y": "z"}),
        ([{"op": "move", "from": "/metadata/labels/b", "path": "/metadata/labels/c"}], {"app": "x", "c": "1"}),
    ],
)
def test_json_patch_changes_the_object(operations: list[JSON], expected: JSON) -> None:
    before = copy.deepcopy(LIVE)

    assert json_patch(LIVE, operations)["metadata"]["labels"] == expected
    assert before == LIVE


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/metadata/labels/app", "value": "no"},
        {"op": "remove", "path": "/metadata/labels/none"},
        {"op": "replace", "path": "/none/x", "value": 1},
        {"op": "add", "path": "/none/x", "value": 1},
        {"op": "add", "path": "/list/7", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "add", "path": "/metadata/name/x", "value": 1},
        {"op": "add", "path": "metadata", "value": 1},
        {"op": "add", "path": "/x"},
        {"op": "copy", "path": "/x"},
        {"op": "copy", "path": "/x", "from": "/none"},
        {"op": "frob", "path": "/x"},
        {"path": "/x"},
        {},
    ],
)
def test_failing_operation_rejects_the_patch_without_words(operation: JSON) -> None:
    with pytest.raises(StatusError) as caught:
        json_patch(LIVE, [{"op": "add", "path": "/y", "value": 1}, operation])

    assert caught.value.to_dict() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "the server rejected our request due to an error in our request",
        "reason": "Invalid",
        "details": {},
        "code": 422,
    }


def test_copies_do_not_double_without_end() -> None:
    operations: list[JSON] = [{"op": "copy", "from": "", "path": f"/a{index}"} for index in range(60)]

    with pytest.raises(StatusError, match="the server rejected"):
        json_patch({"large": "x" * 100_000}, operations)


def test_object_is_not_nested_in_itself_without_end() -> None:
    operations: list[JSON] = [{"op": "copy", "from": "", "path": "/again"}] * 1200

    with pytest.raises(StatusError, match="the server rejected"):
        json_patch(LIVE, operations)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "error decoding patch: unexpected end of JSON input"),
        ('{"a":1}', "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        ("[1]", "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
        (
            '[{"op":5}]',
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string",
        ),
    ],
)
def test_broken_json_patches_are_refused(body: str, message: str) -> None:
    assert refusal(body, "json") == (400, message)


def test_too_many_operations_are_refused() -> None:
    assert refusal(json.dumps([{"op": "test"}] * 10_001), "json")[0] == 413


@pytest.mark.parametrize(
    ("patch_type", "body", "message"),
    [
        ("merge", "{", "error decoding patch: unexpected end of JSON input"),
        (
            "merge",
            "[]",
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        ("strategic", "{", "unexpected end of JSON input"),
        ("strategic", "1", "json: cannot unmarshal number into Go value of type map[string]interface {}"),
    ],
)
def test_broken_merge_patches_are_refused(patch_type: PatchType, body: str, message: str) -> None:
    assert refusal(body, patch_type) == (400, message)


# The examples of RFC 7386, appendix A.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_is_rfc_7386(target: Any, patch: Any, result: Any) -> None:  # Any: values out of JSON
    assert merge_patch(target, patch) == result


@given(VALUES, VALUES)
def test_merge_patch_changes_no_argument_and_settles(target: object, patch: object) -> None:
    before = copy.deepcopy((target, patch))
    once = merge_patch(target, patch)

    assert merge_patch(once, patch) == once
    assert (target, patch) == before


@given(st.lists(st.dictionaries(st.sampled_from(["op", "path", "from", "value"]), VALUES, max_size=4), max_size=4))
def test_operations_give_an_object_or_a_status(operations: list[JSON]) -> None:
    try:
        json_patch(LIVE, decode_patch(json.dumps(operations).encode(), "json"))
    except StatusError as error:
        assert error.code in (400, 422)  # noqa: PT017


def result_of(patched: object, *, is_strict: bool = False) -> tuple[JSON, list[str]]:
    return shaped(patched, POD, patch_type="merge", document={}, is_strict=is_strict)


def test_result_takes_the_shape_of_its_kind() -> None:
    assert result_of({"kind": "Pod", "spec": {"nodeName": "", "nope": 1}}) == (
        {"kind": "Pod", "spec": {}},
        ['unknown field "spec.nope"'],
    )


@pytest.mark.parametrize(
    ("patched", "is_strict", "message"),
    [
        (
            {"apiVersion": "v1", "kind": "Service"},
            False,
            ' "" is invalid: patch: Invalid value: "{\\"apiVersion\\":\\"v1\\",\\"kind\\":\\"Service\\"}":'
            " converting (v1.Service) to (core.Pod): unknown conversion",
        ),
        (
            {"spec": 1},
            False,
            ' "" is invalid: patch: Invalid value: "{\\"spec\\":1}":'
            " json: cannot unmarshal number into Go struct field Pod.spec of type v1.PodSpec",
        ),
        (
            {"x": 1},
            True,
            ' "" is invalid: patch: Invalid value: "{\\"x\\":1}": strict decoding error: unknown field "x"',
        ),
    ],
)
def test_result_that_does_not_fit_is_refused(patched: JSON, is_strict: bool, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        result_of(patched, is_strict=is_strict)

    assert (caught.value.code, caught.value.message) == (422, message)


def test_strategic_patch_is_quoted_as_go_prints_maps() -> None:
    with pytest.raises(StatusError) as caught:
        shaped({"spec": 1}, POD, patch_type="strategic", document={"spec": [1, None]}, is_strict=False)

    assert '"map[spec:[1 <nil>]]"' in caught.value.message
