# ruff: noqa: ARG001
"""Stand-in until patches land."""

from __future__ import annotations

import copy
from typing import Any

from chalicelib.apimachinery.status import JSON


def json_patch(obj: JSON, operations: Any) -> JSON:
    import jsonpatch

    result: JSON = jsonpatch.apply_patch(obj, operations)
    return result


def merge_patch(obj: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge_patch(obj: JSON, patch: JSON, schema: Any) -> JSON:
    result: JSON = merge_patch(obj, patch)
    return result
