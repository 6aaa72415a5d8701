"""Sets of fields in the form that managedFields holds them (fieldsV1), and what is done with them.

A tree of dicts: {"f:spec": {"f:containers": {"k:{...}": {".": {}, "f:image": {}}}}}. A node is a member itself if it is
empty or has the key "."; its other keys are children. Reference: structured-merge-diff/v6/fieldpath/serialize.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from chalicelib.apimachinery.patching.shape import Path

Tree = dict[str, Any]  # a tree of dicts all the way down: mypy knows no recursive dict


def is_member(node: Tree) -> bool:
    """Return whether a node stands for its own path, not only for what lies below."""
    return not node or "." in node


def contains(tree: Tree, path: Path) -> bool:
    """Return whether a path is a member."""
    node = tree
    for element in path:
        if element not in node:
            return False
        node = node[element]
    return is_member(node)


def insert(tree: Tree, path: Path) -> None:
    """Make a path a member, in place."""
    node = tree
    for depth, element in enumerate(path):
        below = node.get(element)
        if below is None:
            if depth and not node:
                node["."] = {}  # it was a member by being empty
            below = node[element] = {}
            fresh = True
        else:
            fresh = False
        node = below
        if fresh and depth < len(path) - 1:
            for rest in path[depth + 1 :]:
                node[rest] = {}
                node = node[rest]
            return
    if node:
        node["."] = {}


def discard(tree: Tree, path: Path) -> None:
    """Make a path no member any more, in place; what lies below it stays."""
    nodes = [tree]
    for element in path:
        if element not in nodes[-1]:
            return
        nodes.append(nodes[-1][element])
    last = nodes[-1]
    if last and "." not in last:
        return
    last.pop(".", None)
    if last:
        return
    _prune(nodes, path)


def discard_below(tree: Tree, path: Path) -> None:
    """Take a path and everything below it out, in place."""
    nodes = [tree]
    for element in path:
        if element not in nodes[-1]:
            return
        nodes.append(nodes[-1][element])
    _prune(nodes, path)


def _prune(nodes: list[Tree], path: Path) -> None:
    """Cut the last node off, and every parent that this leaves without children and that was no member."""
    for depth in range(len(path), 0, -1):
        parent = nodes[depth - 1]
        del parent[path[depth - 1]]
        if parent.keys() - {"."} or depth == 1:
            return
        if "." in parent:
            del parent["."]  # alone now, and a member by being empty
            return


def members(tree: Tree, prefix: Path = ()) -> Iterator[Path]:
    """Yield all members, a node before what lies below it, in the order of structured-merge-diff."""
    for element in sorted(tree):
        if element != "." and is_member(tree[element]):
            yield (*prefix, element)
    for element in sorted(tree):
        if element != ".":
            yield from members(tree[element], (*prefix, element))


def tree_of(paths: Iterable[Path]) -> Tree:
    """Return the tree whose members are `paths`."""
    tree: Tree = {}
    for path in paths:
        insert(tree, path)
    return tree


def sorted_tree(tree: Tree) -> Tree:
    """Return the same tree with its keys in order, as a real server writes them."""
    return {element: sorted_tree(tree[element]) for element in sorted(tree)}


def is_tree(value: object) -> bool:
    """Return whether a value that a client sent is such a tree."""
    return isinstance(value, dict) and all(is_tree(node) for node in value.values())
