"""Sets of fields as trees."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.patching import field_set

PATHS = st.lists(st.sampled_from(["f:a", "f:b", 'k:{"n":"x"}', 'v:"1"']), min_size=1, max_size=4).map(tuple)


def test_members_are_leaves_and_marked_nodes() -> None:
    tree: field_set.Tree = {"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}}

    assert list(field_set.members(tree)) == [("f:a",), ("f:a", "f:b"), ("f:c", "f:d")]
    assert field_set.contains(tree, ("f:a",))
    assert not field_set.contains(tree, ("f:c",))
    assert not field_set.contains(tree, ("f:x", "f:y"))


def test_insert_marks_what_gets_children() -> None:
    tree: field_set.Tree = {}

    field_set.insert(tree, ("f:a",))
    field_set.insert(tree, ("f:a", "f:b"))
    field_set.insert(tree, ("f:c", "f:d"))
    field_set.insert(tree, ("f:c",))

    assert tree == {"f:a": {".": {}, "f:b": {}}, "f:c": {".": {}, "f:d": {}}}


def test_discard_leaves_what_lies_below() -> None:
    tree: field_set.Tree = {"f:a": {".": {}, "f:b": {}}}

    field_set.discard(tree, ("f:a",))

    assert tree == {"f:a": {"f:b": {}}}


def test_discard_prunes_parents_that_were_no_members() -> None:
    tree: field_set.Tree = {"f:a": {"f:b": {"f:c": {}}}, "f:d": {".": {}, "f:e": {}}}

    field_set.discard(tree, ("f:a", "f:b", "f:c"))
    field_set.discard(tree, ("f:d", "f:e"))

    assert tree == {"f:d": {}}


def test_discard_below_takes_everything() -> None:
    tree: field_set.Tree = {"f:a": {"f:b": {}, "f:c": {}}, "f:d": {}}

    field_set.discard_below(tree, ("f:a",))
    field_set.discard_below(tree, ("f:x",))

    assert tree == {"f:d": {}}


def test_trees_of_clients_are_told_from_other_json() -> None:
    assert field_set.is_tree({"f:a": {".": {}}})
    assert not field_set.is_tree({"f:a": 1})
    assert not field_set.is_tree(None)


@given(st.sets(PATHS), st.sets(PATHS))
def test_trees_behave_as_sets(first: set[tuple[str, ...]], second: set[tuple[str, ...]]) -> None:
    tree = field_set.tree_of(first)
    assert set(field_set.members(tree)) == first

    for path in second:
        field_set.discard(tree, path)

    assert set(field_set.members(tree)) == first - second
    assert all(field_set.contains(tree, path) for path in first - second)
    assert tree == field_set.tree_of(first - second)
