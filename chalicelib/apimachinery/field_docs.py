"""Descriptions of fields, as the Kubernetes API reference (v1.36) words them; Tables carry them per column.

The texts lie in data/field_docs.json, keyed `Type.field`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path


@cache
def _texts() -> dict[str, str]:
    texts: dict[str, str] = json.loads(Path(__file__).with_name("data").joinpath("field_docs.json").read_text("utf-8"))
    return texts


def field_doc(field: str) -> str:
    """Return the description of `Type.field`. Raises KeyError for one that no column shows."""
    return _texts()[field]
