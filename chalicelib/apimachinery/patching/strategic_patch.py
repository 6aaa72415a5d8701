"""Strategic merge patch: lists merge by key, and directives delete, replace, order and retain.

Reference: sig-api-machinery/strategic-merge-patch.md in kubernetes/community; the order of elements and the complaints
follow k8s.io/apimachinery/pkg/util/strategicpatch, v1.36.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.apimachinery.decoding.gotext import plain_value
from chalicelib.apimachinery.rules.status import bad_request
from chalicelib.apimachinery.schema import Field, Type
from chalicelib.apimachinery.types import JSON

Value = Any  # a value out of JSON: what a patch holds is the client's

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"


def strategic_merge_patch(obj: JSON, patch: JSON, kind: Type | None) -> JSON:
    """Return `obj` with the patch merged in, by the merge keys of its type; neither argument is changed.

    Raises StatusError 400 for malformed directives, and for elements without their merge key: there a real server
    answers 500 in the same words, though it is the client who is wrong.
    """
    return _merge_maps(copy.deepcopy(obj), copy.deepcopy(patch), kind)


def _merge_maps(original: JSON, patch: JSON, kind: Type | None) -> JSON:
    if _PATCH in patch:
        if patch[_PATCH] not in ("replace", "delete"):
            raise bad_request(f"unknown patch type: {plain_value(patch[_PATCH])} in map: {plain_value(patch)}")
        return {key: item for key, item in patch.items() if key != _PATCH} if patch[_PATCH] == "replace" else {}
    _retain_keys(original, patch)
    _order_lists(original, patch, kind)
    for key, value in patch.items():
        if key.startswith(_DELETE_FROM):
            name = _list_key(key, _DELETE_FROM, "primitive")
            old = original.get(name)
            if isinstance(old, list) and isinstance(value, list):
                original[name] = [item for item in old if item not in value]
        elif value is None:
            original.pop(key, None)
        else:
            original[key] = _merged(original.get(key), value, _field(kind, key))
    return original


def _field(kind: Type | None, key: str) -> Field | None:
    return kind.fields.get(key) if kind else None


def _struct(field: Field | None) -> Type | None:
    """Return the type of a field's values; None for maps' own level and for raw JSON."""
    return field.struct if field and field.kind == "struct" and field.container != "map" else None


def _merged(old: Value, new: Value, field: Field | None) -> Value:
    if isinstance(old, dict) and isinstance(new, dict):
        if field and "replace" in field.patch_strategies:
            return _without_directives(new)
        return _merge_maps(old, new, _struct(field))
    if isinstance(old, list) and isinstance(new, list) and field and "merge" in field.patch_strategies:
        return _merge_lists(old, new, field)
    return _without_directives(new)


def _without_directives(value: Value) -> Value:
    """Return what a patch's value leaves when there is nothing to merge it with: no directives, no nulls."""
    if isinstance(value, dict):
        if value.get(_PATCH) == "delete":
            return {}
        kept = {key: item for key, item in value.items() if item is not None and not key.startswith("$")}
        return {key: _without_directives(item) for key, item in kept.items()}
    if isinstance(value, list):
        return [
            _without_directives(item)
            for item in value
            if not (isinstance(item, dict) and item.get(_PATCH) in ("delete", "replace"))
        ]
    return value


def _retain_keys(original: JSON, patch: JSON) -> None:
    if _RETAIN_KEYS not in patch:
        return
    keys = patch.pop(_RETAIN_KEYS)
    problem = "invalid patch format of retainKeys"
    if not isinstance(keys, list):
        raise bad_request(problem)
    for key, value in patch.items():
        if value is not None and not key.startswith((_DELETE_FROM, _ORDER)) and key not in keys:
            raise bad_request(problem)
    for key in [key for key in original if key not in keys]:
        del original[key]


def _list_key(key: str, prefix: str, what: str) -> str:
    head, slash, name = key.partition("/")
    if head != prefix or not slash:
        raise bad_request(f"invalid patch format of {what} list")
    return name


def _order_lists(original: JSON, patch: JSON, kind: Type | None) -> None:
    for directive in [key for key in patch if key.startswith(_ORDER)]:
        order = patch.pop(directive)
        name = _list_key(directive, _ORDER, "setElementOrder")
        old, new = original.get(name), patch.get(name)
        if not isinstance(order, list) or not isinstance(old, list | None) or not isinstance(new, list | None):
            raise bad_request("invalid patch format of setElementOrder list")
        if old is None and new is None:
            continue
        field = _field(kind, name)
        merge_key = field.merge_key if field else ""
        _check_order(new or [], order, merge_key)
        if new is None:
            merged = old or []
        elif old is None:
            merged = _without_directives(new)
        else:
            merged = _merged(old, new, field)
        original[name] = _ordered(merged, order, old or [], merge_key)
        patch.pop(name, None)


def _check_order(new: list[Value], order: list[Value], merge_key: str) -> None:
    """Refuse an order that lacks what the patch holds, or holds it otherwise."""
    same = _same(merge_key)
    kept = [item for item in new if not (isinstance(item, dict) and item.get(_PATCH) == "delete")]
    position = 0
    for item in kept:
        while position < len(order) and not same(order[position], item):
            position += 1
        if position == len(order):
            raise bad_request(
                f"The order in patch list:\n{plain_value(kept)}\n doesn't match {_ORDER} list:\n{plain_value(order)}\n"
            )


def _merge_lists(old: list[Value], new: list[Value], field: Field) -> list[Value]:
    if not old and not new:
        return old
    elements = [item for item in (*old, *new) if isinstance(item, dict)]
    if not elements:
        together = [*old, *new]
        unique = [item for index, item in enumerate(together) if item not in together[:index]]
        return _ordered(unique, new, old, "")
    if not field.merge_key:
        raise bad_request(f"cannot merge lists without merge key for {field.struct.go_struct}")
    if len(elements) != len(old) + len(new):
        raise bad_request("list element types are not identical")
    return _merge_by_key(old, new, field)


def _merge_by_key(old: list[Value], new: list[Value], field: Field) -> list[Value]:
    key = field.merge_key
    live, additions, replace = list(old), [], False
    for item in new:
        directive = item.get(_PATCH)
        if directive is None or directive == "delete":
            if key not in item:
                text = f"map: {plain_value(item)} does not contain declared merge key: {key}"
                raise bad_request(text)
            if directive is None:
                additions.append(item)
            else:
                live = [entry for entry in live if entry.get(key) != item[key]]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise bad_request("merging lists cannot yet be specified in the patch")
        else:
            raise bad_request(f"unknown patch type: {plain_value(directive)} in map: {plain_value(item)}")
    if replace:
        return [_without_directives(item) for item in additions]
    return _ordered(_with_additions(live, additions, field), additions, live, key)


def _with_additions(live: list[Value], additions: list[Value], field: Field) -> list[Value]:
    key, merged = field.merge_key, list(live)
    for item in additions:
        for index, entry in enumerate(merged):
            if entry.get(key) == item[key]:
                merged[index] = _merge_maps(entry, item, _struct(field))
                break
        else:
            merged.append(_without_directives(item))
    return merged


def _same(merge_key: str) -> Callable[[Value, Value], bool]:
    def same(one: Value, other: Value) -> bool:
        if merge_key and isinstance(one, dict) and isinstance(other, dict):
            return bool(one.get(merge_key) == other.get(merge_key))
        return bool(one == other)

    return same


def _ordered(
    merged: list[Value], patch_order: Sequence[Value], live_order: Sequence[Value], merge_key: str
) -> list[Value]:
    """Return the merged elements: those of the patch in its order, the others in between as they were."""
    same = _same(merge_key)

    def place(item: Value, order: Sequence[Value]) -> int:
        return next((index for index, entry in enumerate(order) if same(entry, item)), -1)

    ours = sorted((item for item in merged if place(item, patch_order) >= 0), key=lambda i: place(i, patch_order))
    theirs = sorted((item for item in merged if place(item, patch_order) < 0), key=lambda i: place(i, live_order))
    result: list[Value] = []
    while theirs and ours:
        left, right = place(theirs[0], live_order), place(ours[0], live_order)
        result.append(theirs.pop(0) if 0 <= left < right else ours.pop(0))
    return [*result, *theirs, *ours]
