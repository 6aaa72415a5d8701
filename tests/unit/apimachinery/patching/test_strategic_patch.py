"""Strategic merge patch: lists by key, directives, and the order of elements."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.patching.strategic_patch import strategic_merge_patch
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.schema import named_type
from chalicelib.apimachinery.types import JSON

POD = named_type("core.v1.Pod")


def names(items: list[JSON]) -> list[str]:
    return [item["name"] for item in items]


def containers(*listed: str) -> JSON:
    return {"spec": {"containers": [{"name": name, "image": "old"} for name in listed]}}


def patch_containers(live: JSON, *items: JSON, **others: Any) -> list[JSON]:  # Any: values of a patch
    patched = strategic_merge_patch(live, {"spec": {"containers": list(items), **others}}, POD)
    result: list[JSON] = patched["spec"]["containers"]
    return result


def refusal(live: JSON, patch: JSON) -> tuple[int, str]:
    with pytest.raises(StatusError) as caught:
        strategic_merge_patch(live, patch, POD)
    return caught.value.code, caught.value.message


def test_elements_merge_by_key() -> None:
    live = {"spec": {"containers": [
        {"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}]},
        {"name": "d", "image": "j"},
    ]}}  # fmt: skip

    result = patch_containers(live, {"name": "c", "env": [{"name": "B", "value": "2"}]})

    assert result[0] == {"name": "c", "image": "i", "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}
    assert result[1] == {"name": "d", "image": "j"}


def test_new_elements_are_added() -> None:
    assert sorted(names(patch_containers(containers("a"), {"name": "b", "image": "i"}))) == ["a", "b"]


def test_elements_are_deleted_by_directive() -> None:
    assert names(patch_containers(containers("a", "b"), {"name": "a", "$patch": "delete"})) == ["b"]


def test_lists_are_replaced_by_directive() -> None:
    assert names(patch_containers(containers("a", "b"), {"name": "c"}, {"$patch": "replace"})) == ["c"]


def test_maps_are_replaced_and_emptied_by_directive() -> None:
    live = {"metadata": {"labels": {"a": "1"}, "annotations": {"b": "2"}}}
    patch = {"metadata": {"labels": {"$patch": "replace", "c": "3"}, "annotations": {"$patch": "delete"}}}

    assert strategic_merge_patch(live, patch, POD) == {"metadata": {"labels": {"c": "3"}, "annotations": {}}}


def test_lists_without_merge_strategy_are_replaced() -> None:
    live = {"spec": {"tolerations": [{"key": "a"}, {"key": "b"}]}}

    assert strategic_merge_patch(live, {"spec": {"tolerations": [{"key": "c"}]}}, POD) == {
        "spec": {"tolerations": [{"key": "c"}]}
    }


def test_primitive_lists_merge_and_delete() -> None:
    live = {"metadata": {"finalizers": ["a/a", "b/b"]}}

    merged = strategic_merge_patch(live, {"metadata": {"finalizers": ["c/c", "a/a"]}}, POD)
    deleted = strategic_merge_patch(live, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/a"]}}, POD)

    assert sorted(merged["metadata"]["finalizers"]) == ["a/a", "b/b", "c/c"]
    assert deleted == {"metadata": {"finalizers": ["b/b"]}}


def test_null_removes() -> None:
    live = {"metadata": {"labels": {"a": "1", "b": "2"}}}

    assert strategic_merge_patch(live, {"metadata": {"labels": {"a": None, "c": None}}}, POD) == {
        "metadata": {"labels": {"b": "2"}}
    }


def test_nothing_to_merge_with_leaves_no_directives_behind() -> None:
    patch = {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name"], "emptyDir": {"x": None}},
                                  {"name": "w", "$patch": "delete"}]}}  # fmt: skip

    assert strategic_merge_patch({}, patch, POD) == {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}


def test_retain_keys_clears_the_others() -> None:
    live = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    patch = {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"secretName": "s"}}]}}

    assert strategic_merge_patch(live, patch, POD) == {
        "spec": {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}
    }


@pytest.mark.parametrize(
    ("order", "expected"), [(["b", "a", "c"], ["b", "a", "c"]), (["c", "a"], ["b", "c", "a"]), ([], ["a", "b", "c"])]
)
def test_order_is_set_and_others_stay_in_between(order: list[str], expected: list[str]) -> None:
    directive = {"$setElementOrder/containers": [{"name": name} for name in order]}
    result = strategic_merge_patch(containers("a", "b", "c"), {"spec": directive}, POD)

    assert names(result["spec"]["containers"]) == expected


def test_order_places_new_elements() -> None:
    directive = {"$setElementOrder/containers": [{"name": "a"}, {"name": "n"}, {"name": "b"}]}

    assert names(patch_containers(containers("a", "b"), {"name": "n"}, **directive)) == ["a", "n", "b"]


def test_order_of_primitives() -> None:
    live = {"metadata": {"finalizers": ["a/a", "b/b"]}}
    patch = {"metadata": {"$setElementOrder/finalizers": ["b/b", "c/c", "a/a"], "finalizers": ["c/c"]}}

    assert strategic_merge_patch(live, patch, POD)["metadata"]["finalizers"] == ["b/b", "c/c", "a/a"]


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        (
            {"spec": {"containers": [{"image": "x"}]}},
            400,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        ({"metadata": {"$patch": "frob"}}, 400, "unknown patch type: frob in map: map[$patch:frob]"),
        (
            {"spec": {"containers": [{"name": "a", "$patch": "merge"}]}},
            400,
            "merging lists cannot yet be specified in the patch",
        ),
        ({"spec": {"containers": ["x"]}}, 400, "list element types are not identical"),
        ({"metadata": {"$retainKeys": 1}}, 400, "invalid patch format of retainKeys"),
        ({"metadata": {"$retainKeys": [], "name": "a"}}, 400, "invalid patch format of retainKeys"),
        ({"spec": {"$setElementOrder/containers": 1}}, 400, "invalid patch format of setElementOrder list"),
        ({"spec": {"$setElementOrder": []}}, 400, "invalid patch format of setElementOrder list"),
        ({"metadata": {"$deleteFromPrimitiveList": []}}, 400, "invalid patch format of primitive list"),
    ],
)
def test_malformed_patches_are_refused(patch: JSON, code: int, message: str) -> None:
    assert refusal({"metadata": {}, **containers("a")}, patch) == (code, message)


def test_order_that_lacks_a_patched_element_is_refused() -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b"}]}}

    assert refusal(containers("a"), patch)[0] == 400


KEYS = st.sampled_from(["name", "image", "env", "containers", "$patch", "$retainKeys", "$setElementOrder/containers",
                        "$deleteFromPrimitiveList/args", "args", "volumes"])  # fmt: skip
SPECS = st.recursive(
    st.sampled_from([None, "a", "b", "delete", "replace", 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(SPECS, SPECS)
def test_patches_give_an_object_or_a_status_and_change_no_argument(spec: object, change: object) -> None:
    live, patch = {"spec": spec}, {"spec": change}
    before = copy.deepcopy((live, patch))

    try:
        strategic_merge_patch(live, patch, POD)
    except StatusError as error:
        assert error.code == 400  # noqa: PT017

    assert (live, patch) == before
