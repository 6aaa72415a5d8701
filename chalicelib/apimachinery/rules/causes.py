"""Field errors: one builder per kind of cause; each returns a Cause.

The message is the text after the field path, worded as k8s.io/apimachinery/pkg/util/validation/field, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.apimachinery.decoding.gotext import quote, value_text
from chalicelib.apimachinery.rules.status import Cause

IMMUTABLE = "field is immutable"


def _text(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def invalid(field: str, value: object, detail: str) -> Cause:
    """Return `Invalid value: "x": detail`."""
    return Cause("FieldValueInvalid", _text(f"Invalid value: {value_text(value)}", detail), field)


def required(field: str, detail: str = "") -> Cause:
    """Return `Required value`, with a detail where there is one."""
    return Cause("FieldValueRequired", _text("Required value", detail), field)


def forbidden(field: str, detail: str) -> Cause:
    """Return `Forbidden: detail`."""
    return Cause("FieldValueForbidden", _text("Forbidden", detail), field)


def duplicate(field: str, value: object) -> Cause:
    """Return `Duplicate value: "x"`."""
    return Cause("FieldValueDuplicate", f"Duplicate value: {value_text(value)}", field)


def missing(field: str, value: object) -> Cause:
    """Return `Not found: "x"`: the field names something that does not exist."""
    return Cause("FieldValueNotFound", f"Not found: {value_text(value)}", field)


def not_supported(field: str, value: object, supported: Iterable[str]) -> Cause:
    """Return `Unsupported value: "x": supported values: "a", "b"`, in the order given."""
    choices = ", ".join(quote(choice) for choice in supported)
    detail = f"supported values: {choices}" if choices else ""
    return Cause("FieldValueNotSupported", _text(f"Unsupported value: {value_text(value)}", detail), field)


def too_long(field: str, limit_bytes: int) -> Cause:
    """Return `Too long: may not be more than 128 bytes`."""
    unit = "byte" if limit_bytes == 1 else "bytes"
    return Cause("FieldValueTooLong", f"Too long: may not be more than {limit_bytes} {unit}", field)


def too_many(field: str, actual: int, limit: int) -> Cause:
    """Return `Too many: 9: must have at most 8 items`."""
    unit = "item" if limit == 1 else "items"
    return Cause("FieldValueTooMany", f"Too many: {actual}: must have at most {limit} {unit}", field)


def immutable(field: str, new: object, old: object) -> list[Cause]:
    """Return the cause for a field that an update may not change, or nothing when it did not."""
    return [] if new == old else [invalid(field, new, IMMUTABLE)]
