"""Query parameters to the options of each verb, with a real server's complaints.

Reference: Kubernetes API reference v1.36, "Common parameters"; the checks are those of
k8s.io/apimachinery/pkg/apis/meta/internalversion/validation.
"""

from __future__ import annotations

from typing import cast

from chalicelib.apimachinery.rules import causes
from chalicelib.apimachinery.rules.meta import MAX_FIELD_MANAGER, field_manager_causes
from chalicelib.apimachinery.rules.selectors import parse_fields, parse_labels
from chalicelib.apimachinery.rules.status import Cause, bad_request, invalid
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.request_info import RequestInfo
from chalicelib.registry.options import DeleteOptions, ListOptions, Propagation, WriteOptions
from chalicelib.registry.strategy import Strategy

META_GROUP = "meta.k8s.io"
FIELD_VALIDATIONS = ("", "Ignore", "Strict", "Warn")


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
    labels, fields = parse_labels(info.first("labelSelector")), parse_fields(info.first("fieldSelector"))
    if not fields.is_everything:
        known = strategy.selectable_fields({})
        fields = fields.checked(known, complaint=strategy.field_label_error.format)
    options = ListOptions(
        labels=None if labels.is_everything else labels,
        fields=None if fields.is_everything else fields,
        limit=parse_int(info, "limit") or 0,
        continue_token=info.first("continue"),
        resource_version=info.first("resourceVersion"),
        resource_version_match=info.first("resourceVersionMatch"),
        allow_bookmarks=info.flag("allowWatchBookmarks"),
        send_initial_events=info.flag("sendInitialEvents"),
        timeout_seconds=parse_int(info, "timeoutSeconds"),
    )
    found = _version_match_causes(info, options)
    if found:
        raise invalid("ListOptions", "", found, group=META_GROUP)
    return options


def _version_match_causes(info: RequestInfo, options: ListOptions) -> list[Cause]:
    """Return what is wrong with resourceVersionMatch and sendInitialEvents."""
    match, field = options.resource_version_match, "resourceVersionMatch"
    sends_initial_events = "sendInitialEvents" in info.query
    if info.verb == "watch":
        if sends_initial_events and match != "NotOlderThan":
            text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            return [causes.forbidden(field, text)]
        if match and not sends_initial_events:
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            return [causes.forbidden(field, text)]
        return []
    if sends_initial_events:
        return [causes.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")]
    if not match:
        return []
    found = []
    if options.continue_token:
        found.append(causes.forbidden(field, f"{field} is forbidden when continue is provided"))
    elif not options.resource_version:
        found.append(causes.forbidden(field, f"{field} is forbidden unless resourceVersion is provided"))
    if match not in ("Exact", "NotOlderThan"):
        found.append(causes.not_supported(field, match, ("Exact", "NotOlderThan", "")))
    elif match == "Exact" and options.resource_version == "0":
        found.append(causes.forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"'))
    return found


def write_options(info: RequestInfo, kind: str) -> WriteOptions:
    """Return the options of create, update or patch; `kind` (CreateOptions, ...) is for errors."""
    found = _dry_run_causes(info.query.get("dryRun") or [])
    validation = info.first("fieldValidation")
    if validation not in FIELD_VALIDATIONS:
        found.append(causes.not_supported("fieldValidation", validation, FIELD_VALIDATIONS))
    manager = info.first("fieldManager")
    is_patch, is_apply = info.method == "PATCH", "apply-patch" in info.headers.get("content-type", "")
    if is_patch and is_apply and not manager:
        found.append(causes.required("fieldManager", "is required for apply patch"))
    found += field_manager_causes(manager) if manager else []
    if info.flag("force") and is_patch and not is_apply:
        found.append(causes.forbidden("force", "may not be specified for non-apply patch"))
    if found:
        raise invalid(kind, "", found, group=META_GROUP)
    return WriteOptions(
        field_manager=manager or default_manager(info.headers.get("user-agent", "")),
        dry_run="All" in (info.query.get("dryRun") or []),
        force=info.flag("force"),
    )


def _dry_run_causes(values: list[str]) -> list[Cause]:
    if all(value == "All" for value in values):
        return []
    return [causes.not_supported("dryRun", values, ("All",))]


def default_manager(user_agent: str) -> str:
    """Return the field manager of a client that names none: what stands before the slash."""
    return user_agent.split("/", 1)[0][:MAX_FIELD_MANAGER] or "unknown"


def delete_options(info: RequestInfo, body: JSON) -> DeleteOptions:
    """Return the options of a delete from its body, or from its query if it has none."""
    sent = body or _query_options(info)
    preconditions = sent.get("preconditions") or {}
    propagation = sent.get("propagationPolicy") or ""
    orphan = sent.get("orphanDependents")
    found = _dry_run_causes(sent.get("dryRun") or [])
    if propagation and orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        found.append(causes.invalid("propagationPolicy", propagation, text))
    elif propagation not in ("", "Foreground", "Background", "Orphan"):
        names = ("Foreground", "Background", "Orphan", "nil")
        found.append(causes.not_supported("propagationPolicy", propagation, names))
    if found:
        raise invalid("DeleteOptions", "", found, group=META_GROUP)
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    return DeleteOptions(
        grace_seconds=sent.get("gracePeriodSeconds"),
        propagation=cast(Propagation, propagation),  # checked above
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
