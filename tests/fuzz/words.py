"""Values, texts and parts of URLs at the limits of what a field takes, and beyond: what fuzzed requests are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SUBRESOURCES = {
    "pods": [
        "log",
        "status",
        "ephemeralcontainers",
        "resize",
        "binding",
        "eviction",
        "exec",
        "attach",
        "portforward",
        "proxy",
    ],
    "serviceaccounts": ["token"],
    "namespaces": ["finalize", "status"],
    "deployments": ["scale", "status"],
    "replicasets": ["scale", "status"],
    "statefulsets": ["scale", "status"],
}
PATCHES = ("merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml", "json-patch+json")
TYPES = ("json", "json", "json", "json", "yaml", "vnd.kubernetes.protobuf", "cbor", "json;charset=latin-1", "")
PROTOBUF = "application/vnd.kubernetes.protobuf"
ACCEPTS = (
    *("application/json", "application/yaml", PROTOBUF, "*/*", "text/html", ";;,=", "application/cbor"),
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
)
DIGITS = "9" * 5000  # more than Python turns into a number
NUMBERS: tuple[Any, ...] = (  # Any: JSON
    *(
        0,
        -1,
        1,
        2**31,
        -(2**31) - 1,
        2**63 - 1,
        2**63,
        -(2**63) - 1,
        2**70,
        10**400,
        -(10**400),
        1.5,
        1e308,
        -1e308,
        5e-324,
    ),
)
QUANTITIES = (
    "1Gi",
    "1e999999",
    "1e1000",
    "-1e-1000",
    "9" * 400,
    f"1e{DIGITS}",
    "0." + "0" * 900 + "1",
    "9" * 999 + "Ei",
    ".",
    "1e",
)
COUNTS = (
    "50%",
    f"{DIGITS}%",
    "-1",
    "²",
    "٣",
    DIGITS,
    "0" * 5000 + "1",
    "0-99999999999",
    f"0-{DIGITS}",
    "1-",
    "1_0",
    "+1",
    "0x10",
)
TIMES = (
    *("2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-02-30T00:00:00Z", "2026-01-01T00:00:60Z"),
    *("1h", "99999999h", f"{DIGITS}s", "-1h", "999999999999999999999d", "nan", "inf"),
)
TEXTS = (
    *("", "x", "-", "a/b", "..", "é" * 10, "x" * 300, "\ud800", "a\udfffb", "\0", "a\nb", "\x1b[2J", "NaN", "Infinity"),
    *("0.0.0.0/0", "::1", "None", "{{}}", "$(A)", "$" * 50, "(" * 3000, "[" * 3000, "\N{GRINNING FACE}"),
    *(
        "^(a+)+$",
        "(?=a)",
        "a{1000}{1000}",
        ".spec[" + DIGITS + "]",
        "metadata.name=" + "a" * 3000,
        "a in (" + "b," * 900 + ")",
    ),
)
SHAPES: tuple[Any, ...] = (
    None,
    True,
    [],
    [None],
    [{}],
    ["x"],
    [[]],
    {},
    {"": ""},
    {"a": None},
    {"a": {}},
    {"a": []},
    {"a b": "c"},
)
JUNK: tuple[Sequence[Any], ...] = (SHAPES, SHAPES, TEXTS, NUMBERS, QUANTITIES, COUNTS, TIMES)
SELECTORS = (
    "a=b",
    "a in (b,c)",
    "!a",
    "a>" + "0" * 5000 + "1",
    "a<" + DIGITS,
    "a notin (",
    "a,,b",
    "metadata.name=a",
    "spec.x!=1",
)
QUERY: dict[str, Sequence[Any]] = {
    "labelSelector": SELECTORS,
    "fieldSelector": SELECTORS,
    "continue": ("x", "e30", "bnVsbA", "WzFd"),
    "limit": COUNTS,
    "resourceVersion": ("0", "1", *COUNTS),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x"),
    "dryRun": ("All", "x"),
    "fieldManager": TEXTS,
    "fieldValidation": ("Strict", "Warn", "x"),
    "force": ("true", "x"),
    "pretty": ("1", "x"),
    "gracePeriodSeconds": COUNTS,
    "propagationPolicy": ("Orphan", "Foreground", "x"),
    "orphanDependents": ("1", "x"),
    "sinceSeconds": COUNTS,
    "sinceTime": TIMES,
    "tailLines": COUNTS,
    "limitBytes": COUNTS,
    "stream": ("Stdout", "Stderr", "x"),
    "container": TEXTS,
    "offset": COUNTS,
    "token": TEXTS,
    "ports": COUNTS,
    "command": TEXTS,
    "includeObject": ("None", "Object", "x"),
    "timestamps": ("true", "x"),
    "previous": ("true", "x"),
    "timeoutSeconds": ("0", "-1", DIGITS),
    "timeout": TIMES,
}
