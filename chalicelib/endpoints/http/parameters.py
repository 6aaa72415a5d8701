"""What a request carries: its query as the options of each verb, its body as objects and patches.

Reference: Kubernetes API reference v1.36, "Common parameters"; the checks are those of
k8s.io/apimachinery/pkg/apis/meta/internalversion/validation. For bodies:
api-concepts, "Validation for unrecognized or duplicate fields".
"""

from __future__ import annotations

from typing import cast

from chalicelib.apimachinery.decoding import decode
from chalicelib.apimachinery.decoding.decode import Kind, Validation, media_type
from chalicelib.apimachinery.rules import causes
from chalicelib.apimachinery.rules.integers import is_integer, parse_int64
from chalicelib.apimachinery.rules.meta import MAX_FIELD_MANAGER, field_manager_causes
from chalicelib.apimachinery.rules.selectors import parse_fields, parse_labels
from chalicelib.apimachinery.rules.status import Cause, bad_request, invalid, too_large, unsupported_media_type
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.registry.options import DeleteOptions, ListOptions, Patch, Propagation, WriteOptions
from chalicelib.registry.patching import PATCH_TYPES, decode_patch, shaped
from chalicelib.registry.registry import Registry
from chalicelib.registry.strategy import Strategy

META_GROUP = "meta.k8s.io"
FIELD_VALIDATIONS = ("", "Ignore", "Strict", "Warn")


MAX_BODY_BYTES = 3 * 1024 * 1024  # what a real API server takes
STRATEGIC = "application/strategic-merge-patch+json"  # needs merge keys that a custom resource does not have
VALIDATIONS = ("Strict", "Warn", "Ignore")


def parse_int(info: RequestInfo, name: str) -> int | None:
    """Return an integer parameter, None if absent or empty. Raises 400 with Go's words."""
    text = info.first(name)
    if not text:
        return None
    number = parse_int64(text)
    if number is None:
        why = "value out of range" if is_integer(text) else "invalid syntax"
        raise bad_request(f'strconv.ParseInt: parsing "{text}": {why}')
    return number


def namespace_of(registry: Registry, info: RequestInfo) -> str | None:
    """Return the namespace that a request is about, None for all of them or a kind without."""
    return (info.namespace or None) if registry.strategy.namespaced else None


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
    client = info.headers.get("user-agent", "").partition("/")[0]
    return WriteOptions(
        field_manager=manager or client[:MAX_FIELD_MANAGER] or "unknown",
        dry_run="All" in (info.query.get("dryRun") or []),
        force=info.flag("force"),
        known=info.user.bound_to,
        user=info.user.name,
    )


def _dry_run_causes(values: list[str]) -> list[Cause]:
    if all(value == "All" for value in values):
        return []
    return [causes.not_supported("dryRun", values, ("All",))]


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


class Bodies:
    """Decodes bodies of at most `max_bytes`; with each come the warnings that its fields deserve."""

    def __init__(self, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._max_bytes = min(max_bytes, MAX_BODY_BYTES)

    def object(self, registry: Registry, info: RequestInfo) -> tuple[JSON, list[str]]:
        """Return the object that a create or update sent. Raises 400, 413, 415."""
        strategy = registry.strategy
        obj, warnings = self.typed_object(info, group=strategy.group, version=strategy.version, kind=strategy.kind)
        if not strategy.is_custom:
            return obj, warnings
        validation = _validation(info)
        complaints = shaped(strategy, obj, is_strict=validation == "Strict")
        return obj, warnings + (complaints if validation == "Warn" else [])

    def typed_object(self, info: RequestInfo, *, group: str, version: str, kind: str) -> tuple[JSON, list[str]]:
        """Return an object of a kind that need not be the URL's own (Binding, Eviction, reviews)."""
        self._check_size(info)
        expected = Kind(group, version, kind)
        content_type = info.headers.get("content-type")
        found = decode.decode_object(info.body, content_type, expected, validation=_validation(info))
        return found.value, found.warnings

    def patch(self, registry: Registry, info: RequestInfo) -> tuple[Patch, list[str]]:
        """Return the patch that a request sent. Raises 400, 413, 415."""
        self._check_size(info)
        if registry.strategy.is_custom and media_type(info.headers.get("content-type")) == STRATEGIC:
            raise unsupported_media_type([each for each in PATCH_TYPES if each != STRATEGIC])
        return decode_patch(info.body, info.headers.get("content-type"), _validation(info))

    def delete_options(self, info: RequestInfo) -> JSON:
        """Return the DeleteOptions of a body, {} if it has none. Raises 400, 413, 415."""
        self._check_size(info)
        return decode.decode_delete_options(info.body, info.headers.get("content-type"))

    def _check_size(self, info: RequestInfo) -> None:
        if len(info.body) > self._max_bytes:
            raise too_large(self._max_bytes)


def _validation(info: RequestInfo) -> Validation:
    asked = info.first("fieldValidation")
    return cast(Validation, asked) if asked in VALIDATIONS else "Warn"  # write_options refuses other words
