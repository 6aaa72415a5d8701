"""The types that every room shares."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]  # a Kubernetes object, or a part of one: its shape is the client's, not ours
