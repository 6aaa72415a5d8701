"""Patches of a stored object: JSON patch, merge patch, strategic merge patch.

Reference: RFC 6902, RFC 7386; k8s.io/apiserver/pkg/endpoints/handlers/patch.go, v1.36, for what goes wrong and
how it is told. A patch works on the object as clients see it; its result is brought into the shape of the kind.
"""

from __future__ import annotations

import copy
import json
from typing import Any, Literal

from chalicelib.apimachinery.decoding.decode import Kind, kind_problem
from chalicelib.apimachinery.decoding.decode_errors import json_kind, normalize_or_explain, repeated_fields
from chalicelib.apimachinery.decoding.gotext import plain_value
from chalicelib.apimachinery.decoding.parsing import DecodeError, parse_json, parse_yaml, plain
from chalicelib.apimachinery.patching.strategic_patch import strategic_merge_patch
from chalicelib.apimachinery.rules import causes
from chalicelib.apimachinery.rules.status import StatusError, bad_request, invalid
from chalicelib.apimachinery.schema import find_type
from chalicelib.apimachinery.types import JSON

__all__ = ["decode_apply", "decode_patch", "json_patch", "merge_patch", "shaped", "strategic_merge_patch"]

PatchType = Literal["json", "merge", "strategic"]

MAX_OPERATIONS = 10_000  # of one JSON patch
REDACTED = "<secret contents redacted>"
MAX_COPIED_BYTES = 3 * 1024 * 1024  # by all its copy operations together, or they double without end
_OPERATION_FIELDS = ("op", "path", "from")


def decode_patch(body: bytes, patch_type: PatchType) -> Any:  # Any: a list of operations, or an object
    """Return the document of a patch.

    Raises StatusError 400 for broken JSON and documents of the wrong shape, 413 for too many operations.
    """
    prefix = "" if patch_type == "strategic" else "error decoding patch: "
    try:
        document = plain(parse_json(body))
    except DecodeError as error:
        raise bad_request(f"{prefix}{error}") from None
    if patch_type == "json":
        return _checked_operations(document)
    if not isinstance(document, dict | None):
        found = json_kind(document)
        wanted = "Go value of type map[string]interface {}"
        raise bad_request(f"{prefix}json: cannot unmarshal {found} into {wanted}")
    return document or {}


def decode_apply(body: bytes, *, is_strict: bool = False) -> tuple[JSON, list[str]]:
    """Return the configuration of a server-side apply, YAML or JSON, and warnings about repeated keys.

    Raises StatusError 400, also for repeated keys if `is_strict`.
    """
    try:
        document = parse_yaml(body)
    except DecodeError as error:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    repeated = repeated_fields(document)
    document = plain(document)
    if not isinstance(document, dict | None):
        found = f"json: cannot unmarshal {json_kind(document)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {found}")
    if repeated and is_strict:
        raise bad_request(f"error strict decoding YAML: error converting YAML to JSON: {', '.join(repeated)}")
    return document or {}, repeated


def _checked_operations(document: Any) -> list[JSON]:  # Any: what the client sent
    prefix = "error decoding patch: json: cannot unmarshal"
    if not isinstance(document, list | None):
        raise bad_request(f"{prefix} {json_kind(document)} into Go value of type []handlers.jsonPatchOp")
    for operation in document or []:
        if not isinstance(operation, dict):
            raise bad_request(f"{prefix} {json_kind(operation)} into Go value of type handlers.jsonPatchOp")
        for name in _OPERATION_FIELDS:
            if not isinstance(operation.get(name), str | None):
                found = json_kind(operation[name])
                raise bad_request(f"{prefix} {found} into Go struct field jsonPatchOp.{name} of type string")
    if document and len(document) > MAX_OPERATIONS:
        text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(document)}"
        raise StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {text}", details={})
    return document or []


def json_patch(obj: JSON, operations: list[JSON]) -> Any:  # Any: a patch may put anything in the root's place
    """Return `obj` with the operations applied in order, all or none; `obj` is not changed.

    Raises StatusError 422, without a word on which operation failed, as a real server.
    """
    import jsonpatch
    import jsonpointer

    result: Any = copy.deepcopy(obj)
    copied = 0
    try:
        for operation in operations:
            if operation.get("op") == "copy":
                source = jsonpointer.resolve_pointer(result, operation["from"])
                copied += len(json.dumps(source))
                if copied > MAX_COPIED_BYTES:
                    raise _rejected()
            result = jsonpatch.JsonPatch([operation]).apply(result, in_place=True)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException):
        raise _rejected() from None
    except (TypeError, KeyError, IndexError, ValueError, AttributeError, RecursionError):
        # the library on odd paths and values, and on an object copied into itself again and again
        raise _rejected() from None
    return result


def _rejected() -> StatusError:
    message = "the server rejected our request due to an error in our request"
    return StatusError(422, "Invalid", message, details={})


def merge_patch(obj: Any, patch: Any) -> Any:  # Any: values out of JSON
    """Return `obj` with a merge patch applied (RFC 7386): null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def shaped(
    patched: Any,  # Any: what came of a patch
    expected: Kind,
    *,
    patch_type: PatchType,
    document: object,
    is_strict: bool,
) -> tuple[JSON, list[str]]:
    """Return the result of a patch in the shape of its kind, and complaints about fields it does not have.

    Raises StatusError 422 where the result is of another kind or does not fit, or has unknown fields and `is_strict`.
    """
    kind = find_type(*expected)
    if kind is None:
        if not isinstance(patched, dict):
            raise bad_request(f"the patch leaves no {expected.kind}")
        return patched, []
    problem = kind_problem(patched, expected)
    if not problem:
        try:
            found = normalize_or_explain(patched, kind)
        except DecodeError as error:
            problem = str(error)
        else:
            if not found.complaints or not is_strict:
                return found
            problem = f"strict decoding error: {', '.join(found.complaints)}"
    shown = plain_value(document) if patch_type == "strategic" else json.dumps(patched, separators=(",", ":"))
    if expected.kind == "Secret":
        shown = REDACTED  # a real server shows even what the patch left as it was, to who may not get it
    raise invalid("", "", [causes.invalid("patch", shown, problem)])
