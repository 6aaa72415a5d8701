"""Query parameters to the options of each verb, with a real server's complaints.

Reference: Kubernetes API reference v1.36, "Common parameters"; the checks are those of
k8s.io/apimachinery/pkg/apis/meta/internalversion/validation.
"""

from __future__ import annotations

from typing import cast

from chalicelib.apimachinery.rules.selectors import FieldSelector, LabelSelector, parse_fields, parse_labels
from chalicelib.apimachinery.rules.status import Cause, bad_request, invalid
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.request_info import RequestInfo
from chalicelib.registry.options import DeleteOptions, ListOptions, Propagation, WriteOptions
from chalicelib.registry.strategy import Strategy

META_GROUP = "meta.k8s.io"
FIELD_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
MANAGER_BYTES = 128  # the longest fieldManager


def parse_int(info: RequestInfo, name: str) -> int | None:
    """Return an integer parameter, None if absent or empty. Raises 400 with Go's words."""
    text = info.first(name)
    if not text:
        return None
    digits = text[1:] if text[0] in "+-" else text
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    if abs(int(text)) >= 2**63:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return int(text)


def list_options(info: RequestInfo, strategy: Strategy) -> ListOptions:
    """Return the options of list, watch or deletecollection. Raises 400 and 422."""
    is_watch = info.verb == "watch"
    options = ListOptions(
        labels=_labels(info),
        fields=_fields(info, strategy),
        limit=parse_int(info, "limit") or 0,
        continue_token=info.first("continue"),
        resource_version=info.first("resourceVersion"),
        resource_version_match=info.first("resourceVersionMatch"),
        allow_bookmarks=info.flag("allowWatchBookmarks"),
        send_initial_events=info.flag("sendInitialEvents"),
        timeout_seconds=parse_int(info, "timeoutSeconds"),
    )
    causes = _watch_causes(info, options) if is_watch else _list_causes(info, options)
    if causes:
        raise invalid("ListOptions", "", causes, group=META_GROUP)
    return options


def _labels(info: RequestInfo) -> LabelSelector | None:
    selector = parse_labels(info.first("labelSelector"))
    return None if selector.is_everything else selector


def _fields(info: RequestInfo, strategy: Strategy) -> FieldSelector | None:
    selector = parse_fields(info.first("fieldSelector"))
    if selector.is_everything:
        return None
    known = strategy.selectable_fields({})
    return selector.checked(known, complaint=strategy.field_label_error.format)


def _forbidden(field: str, message: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {message}", field)


def _list_causes(info: RequestInfo, options: ListOptions) -> list[Cause]:
    if "sendInitialEvents" in info.query:
        return [_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")]
    match, field = options.resource_version_match, "resourceVersionMatch"
    if not match:
        return []
    causes = []
    if options.continue_token:
        causes.append(_forbidden(field, "resourceVersionMatch is forbidden when continue is provided"))
    elif not options.resource_version:
        causes.append(
            _forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided")
        )
    if match not in ("Exact", "NotOlderThan"):
        causes.append(_unsupported(field, match, ("Exact", "NotOlderThan", "")))
    elif match == "Exact" and options.resource_version == "0":
        text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        causes.append(_forbidden(field, text))
    return causes


def _watch_causes(info: RequestInfo, options: ListOptions) -> list[Cause]:
    match, field = options.resource_version_match, "resourceVersionMatch"
    if "sendInitialEvents" in info.query:
        if match != "NotOlderThan":
            text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            return [_forbidden(field, text)]
        return []
    if match:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        return [_forbidden(field, text)]
    return []


def _unsupported(field: str, value: str, supported: tuple[str, ...]) -> Cause:
    names = ", ".join(f'"{name}"' for name in supported)
    message = f'Unsupported value: "{value}": supported values: {names}'
    return Cause("FieldValueNotSupported", message, field)


def write_options(info: RequestInfo, kind: str) -> WriteOptions:
    """Return the options of create, update or patch; `kind` (CreateOptions, ...) is for errors."""
    causes = _dry_run_causes(info.query.get("dryRun") or [])
    validation = info.first("fieldValidation")
    if validation not in FIELD_VALIDATIONS:
        causes.append(_unsupported("fieldValidation", validation, FIELD_VALIDATIONS))
    manager = info.first("fieldManager")
    is_apply = "apply-patch" in info.headers.get("content-type", "")
    causes += _manager_causes(manager, is_apply=is_apply and info.method == "PATCH")
    if info.flag("force") and info.method == "PATCH" and not is_apply:
        causes.append(_forbidden("force", "may not be specified for non-apply patch"))
    if causes:
        raise invalid(kind, "", causes, group=META_GROUP)
    return WriteOptions(
        field_manager=manager or default_manager(info.headers.get("user-agent", "")),
        dry_run="All" in (info.query.get("dryRun") or []),
        force=info.flag("force"),
    )


def _manager_causes(manager: str, *, is_apply: bool) -> list[Cause]:
    if is_apply and not manager:
        return [Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")]
    if len(manager.encode()) > MANAGER_BYTES:
        text = f"Too long: may not be more than {MANAGER_BYTES} bytes"
        return [Cause("FieldValueTooLong", text, "fieldManager")]
    if not manager.isprintable():
        text = f'Invalid value: "{manager}": should only contain printable characters'
        return [Cause("FieldValueInvalid", text, "fieldManager")]
    return []


def _dry_run_causes(values: list[str]) -> list[Cause]:
    bad = [value for value in values if value != "All"]
    if not bad:
        return []
    shown = "[" + ", ".join(f'"{value}"' for value in values) + "]"
    return [Cause("FieldValueNotSupported", f'Unsupported value: {shown}: supported values: "All"', "dryRun")]


def default_manager(user_agent: str) -> str:
    """Return the field manager of a client that names none: what stands before the slash."""
    return user_agent.split("/", 1)[0][:MANAGER_BYTES] or "unknown"


def delete_options(info: RequestInfo, body: JSON) -> DeleteOptions:
    """Return the options of a delete from its body, or from its query if it has none."""
    sent = body or _query_options(info)
    preconditions = sent.get("preconditions") or {}
    propagation = sent.get("propagationPolicy") or ""
    orphan = sent.get("orphanDependents")
    causes = _dry_run_causes(sent.get("dryRun") or [])
    if propagation and orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        message = f'Invalid value: "{propagation}": {text}'
        causes.append(Cause("FieldValueInvalid", message, "propagationPolicy"))
    elif propagation not in ("", "Foreground", "Background", "Orphan"):
        names = ("Foreground", "Background", "Orphan", "nil")
        causes.append(_unsupported("propagationPolicy", propagation, names))
    if causes:
        raise invalid("DeleteOptions", "", causes, group=META_GROUP)
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    policy = cast(Propagation, propagation)  # checked above
    return DeleteOptions(
        grace_seconds=sent.get("gracePeriodSeconds"),
        propagation=policy,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        dry_run=bool(sent.get("dryRun")),
    )


def _query_options(info: RequestInfo) -> JSON:
    options: JSON = {}
    grace = parse_int(info, "gracePeriodSeconds")
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if info.first("propagationPolicy"):
        options["propagationPolicy"] = info.first("propagationPolicy")
    if info.query.get("dryRun"):
        options["dryRun"] = info.query["dryRun"]
    if "orphanDependents" in info.query:
        options["orphanDependents"] = info.flag("orphanDependents")
    return options
