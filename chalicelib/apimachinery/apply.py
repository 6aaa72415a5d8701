# ruff: noqa: ARG001
"""Stand-in until server-side apply lands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.apimachinery.patch import merge_patch
from chalicelib.apimachinery.status import JSON


def apply(
    live: JSON | None,
    config: JSON,
    *,
    manager: str,
    force: bool,
    now: datetime,
    schema: Any,
    subresource: str,
    api_version: str,
    resource: str,
    group: str,
) -> JSON:
    result: JSON = merge_patch(live or {}, config)
    return result


def update_managed_fields(
    old: JSON | None,
    new: JSON,
    *,
    manager: str,
    operation: str,
    now: datetime,
    subresource: str,
    schema: Any,
    api_version: str,
) -> None:
    return None
