"""Audit: one line per attempted write, whatever its result. Never a body, a header or a query.

Compare the Metadata level of kubernetes.io/docs/tasks/debug/debug-cluster/audit (v1.36).
"""

from __future__ import annotations

import json
from collections.abc import Callable

from chalicelib.endpoints.http.request_info import RequestInfo, User

Audit = Callable[[str], None]
WRITES = ("create", "update", "patch", "delete", "deletecollection")
MAX_VALUE = 300  # characters of one value; names are shorter


def nothing(line: str) -> None:
    """Write no audit log."""
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
    words = ["audit"]
    for key, value in pairs.items():
        short = value[:MAX_VALUE]
        is_plain = short.isascii() and short.isprintable() and not set(short) & set(' "=\\')
        if value:  # quoted where a line would not stay a line, or its pairs not apart
            words.append(f"{key}={short if is_plain else json.dumps(short)}")
    return " ".join(words)
