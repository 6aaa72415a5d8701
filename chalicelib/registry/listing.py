"""Lists: resourceVersion rules, continue tokens, selectors, and the pages that come of them.

Reference: kubernetes.io/docs/reference/using-api/api-concepts, "Resource versions" and "Retrieving large
results sets in chunks" (v1.36).
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from chalicelib.apimachinery.rules.integers import is_integer, parse_uint64
from chalicelib.apimachinery.rules.status import StatusError, bad_request, expired, timeout
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.options import ListOptions
from chalicelib.registry.strategy import Strategy
from chalicelib.storage.base import Page, RevisionExpired, Storage, StoredObject
from chalicelib.storage.keys import stored_metadata

FUTURE_WAIT_SECONDS = 3.0  # how long a real API server waits for a revision it has not reached
MAX_REVISION = 2**63 - 1
KEPT_TEXTS = 256  # whose labels are known: those of the last events
KEPT_CHARS = 32 * 1024  # of a text, so that all are 8 MiB at most
TOKEN_VERSION = "meta.k8s.io/v1"

Matches = Callable[[str], bool]  # asked of an object's stored text


@dataclass(frozen=True, slots=True)
class Listed:
    """The objects of one answer; continue_token is empty on the last page, remaining None if unknown."""

    items: list[StoredObject]
    revision: int
    continue_token: str = ""
    remaining: int | None = None


def parse_revision(text: str) -> int:
    """Return a resourceVersion as a number. Raises ValueError with Go's words."""
    number = parse_uint64(text)
    if number is None:
        why = "value out of range" if is_integer(text) and text[0] not in "+-" else "invalid syntax"
        raise ValueError(f'strconv.ParseUint: parsing "{text}": {why}')
    return number


def required_revision(text: str) -> int:
    """Return the resourceVersion that a get or a watch asks for. Raises 500, as a real server does."""
    try:
        return parse_revision(text)
    except ValueError as error:
        raise StatusError(500, "", f'resourceVersion: Invalid value: "{text}": {error}') from None


def _read_labels(text: str) -> JSON | None:
    found: JSON | None = stored_metadata(text).get("labels")
    return found


_labels_of = lru_cache(maxsize=KEPT_TEXTS)(_read_labels)  # every watch asks for those of the same events


def matcher(strategy: Strategy, options: ListOptions) -> Matches | None:
    """Return what tells whether the selectors of a list match a stored text; None if all do."""
    labels, fields = options.labels, options.fields
    if labels is None and fields is None:
        return None

    def matches(text: str) -> bool:
        if labels is not None and not labels.matches(
            _labels_of(text) if len(text) <= KEPT_CHARS else _read_labels(text)
        ):
            return False
        return fields is None or fields.matches(strategy.selectable_fields(json.loads(text)))

    return matches


def encode_token(revision: int, start_key: str) -> str:
    """Return the continue token for the page that begins at `start_key`; revision -1 means any."""
    text = json.dumps({"v": TOKEN_VERSION, "rv": revision, "start": start_key}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_token(token: str, prefix: str) -> tuple[int, str]:
    """Return (revision, start key) of a token. Raises 400 for one that is not ours or not of this list."""
    try:
        decoded = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        revision, start = decoded["rv"], decoded["start"]
        good = decoded["v"] == TOKEN_VERSION and isinstance(revision, int) and isinstance(start, str)
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        good = False
    if not good:
        raise bad_request("continue key is not valid: encoded value is not valid")
    if not start.startswith(prefix):
        raise bad_request(f"continue key is not valid: {start!r} is outside of the list")
    return revision, start


def wait_for_revision(storage: Storage, prefix: str, revision: int) -> None:
    """Block until what is under the prefix has reached `revision`. Raises 504 after FUTURE_WAIT_SECONDS."""
    deadline = time.monotonic() + FUTURE_WAIT_SECONDS
    current = storage.revision(prefix)
    while current < revision:
        left = deadline - time.monotonic()
        if left <= 0:
            cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            why = f"Too large resource version: {revision}, current: {current}"
            raise timeout(why, details={"causes": [cause]})
        current = storage.wait(current, left, prefix)


def list_page(storage: Storage, prefix: str, options: ListOptions, matches: Matches | None) -> Listed:
    """Return one page of the objects under `prefix`. Raises StatusError for bad or expired positions."""
    exact, start_key, limit = _position(storage, prefix, options)
    try:
        required = options.labels.required if options.labels else {}
        is_short = storage.indexes_labels or not limit  # else a page's worth is read, not all
        if required and is_short and exact is None and start_key is None:
            page, items = _labelled_page(storage, prefix, limit, required, matches)
        elif matches is None or not limit:
            page = storage.list(prefix, limit=limit or None, start_key=start_key, revision=exact)
            items = page.items if matches is None else [item for item in page.items if matches(item.json)]
        else:
            page, items = _filtered_page(storage, prefix, limit, start_key, exact, matches)
    except RevisionExpired as error:
        raise _expired(error, options, start_key) from error
    token = encode_token(page.revision, page.next_key) if page.next_key else ""
    remaining = page.remaining if page.next_key and matches is None else None
    return Listed(items, page.revision, token, remaining)


def _position(storage: Storage, prefix: str, options: ListOptions) -> tuple[int | None, str | None, int]:
    version = options.resource_version
    if options.continue_token:
        if version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        revision, start = decode_token(options.continue_token, prefix)
        return (revision if revision > 0 else None), start, max(options.limit, 0) if version == "" else 0
    try:
        revision = parse_revision(version) if version else 0
    except ValueError as error:
        raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{version}": {error}') from None
    if revision:
        wait_for_revision(storage, prefix, revision)
    match = options.resource_version_match
    is_exact = bool(revision) and (match == "Exact" or (not match and options.limit > 0))
    limit = 0 if version == "0" else max(options.limit, 0)  # a list from "any" version ignores the limit
    return (revision if is_exact else None), None, limit


def _labelled_page(
    storage: Storage, prefix: str, limit: int, labels: Mapping[str, str], matches: Matches | None
) -> tuple[Page, list[StoredObject]]:
    page = storage.list_labelled(prefix, labels)
    found = [item for item in page.items if matches is None or matches(item.json)]
    if not limit or len(found) <= limit:
        return page, found
    return Page([], page.revision, found[limit].key, None), found[:limit]


def _filtered_page(
    storage: Storage, prefix: str, limit: int, start_key: str | None, exact: int | None, matches: Matches
) -> tuple[Page, list[StoredObject]]:
    found: list[StoredObject] = []
    chunk = max(limit, 100)  # rows read at a time: few round trips, little read for nothing
    while True:
        page = storage.list(prefix, limit=chunk, start_key=start_key, revision=exact)
        exact = page.revision
        for item in page.items:
            if not matches(item.json):
                continue
            if len(found) == limit:
                return Page(page.items, page.revision, item.key, None), found
            found.append(item)
        if page.next_key is None:
            return page, found
        start_key = page.next_key


def _expired(error: RevisionExpired, options: ListOptions, start_key: str | None) -> StatusError:
    if not options.continue_token or start_key is None:
        return expired(f"The resourceVersion for the provided list is too old: {error.revision}")
    error_410 = expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new"
        " list without the continue parameter, or use the continue token in this response to retrieve the"
        " remainder of the results. Continuing with the provided token results in an inconsistent list -"
        " objects that were created, modified, or deleted between the time the first chunk was returned and"
        " now may show up in the list."
    )
    error_410.list_metadata = {"continue": encode_token(-1, start_key)}
    return error_410
