"""Audit: one line per write, whoever tried it and whatever came of it. Never a body, a header or a query.

Compare the Metadata level of kubernetes.io/docs/tasks/debug/debug-cluster/audit (v1.36).
"""

from __future__ import annotations

import json
from collections.abc import Callable

from chalicelib.endpoints.http.request_info import RequestInfo, User

Audit = Callable[[str], None]
WRITES = ("create", "update", "patch", "delete", "deletecollection")
MAX_VALUE = 300  # characters of one value: names are shorter, and a log line is no place for novels


def nothing(line: str) -> None:
    """Keep no audit."""
    del line


def audit_line(info: RequestInfo, caller: User, code: int) -> str:
    """Return the line of a request, key=value."""
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    pairs = {
        "verb": info.verb,
        "group": info.group,
        "resource": resource,
        "namespace": info.namespace,
        "name": info.name,
        "user": caller.name,
        "as": info.user.name if info.user.name != caller.name else "",
        "dry_run": "yes" if info.query.get("dryRun") else "",
        "code": str(code),
    }
    return "audit " + " ".join(f"{key}={_shown(value)}" for key, value in pairs.items() if value)


def _shown(value: str) -> str:
    """Return a value so that a line stays a line and its pairs stay apart."""
    short = value[:MAX_VALUE]
    is_plain = short.isascii() and short.isprintable() and not set(short) & set(' "=\\')
    return short if is_plain else json.dumps(short)
