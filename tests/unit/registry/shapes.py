"""Objects of the right types and any contents, drawn at random out of the published schema.

Plain random numbers, for speed: a failing object is found again by its seed, the test's parameter.
"""

from __future__ import annotations

from random import Random
from typing import Any

from chalicelib.apimachinery.schema import Field, Type
from chalicelib.apimachinery.types import JSON

MAX_DEPTH = 7  # deep enough for the affinity of a template's pods
PRESENT = 0.5  # how likely a field is there
KEYS = ("a", "cpu", "memory", "storage", "x.y/z", "..")
WORDS = (
    "",
    "a",
    "A_b",
    "-",
    "x/y/z",
    "Always",
    "Never",
    "TCP",
    "http",
    "None",
    "ClusterIP",
    "ExternalName",
    "NodePort",
    "LoadBalancer",
    "10.0.0.1",
    "10.96.0.9",
    "::1",
    "10.0.0.0/8",
    "50%",
    "metadata.name",
    "metadata.labels['a']",
    "requests.cpu",
    "limits.memory",
    "In",
    "Exists",
    "Equal",
    "NoExecute",
    "RollingUpdate",
    "Recreate",
    "Indexed",
    "ClientIP",
    "User",
    "ServiceAccount",
    "kubernetes.io/tls",
    "kubernetes.io/dockerconfigjson",
    "/v",
    "../x",
    "é",
)
NUMBERS = (-1, 0, 1, 2, 80, 420, 70000, 2**31 - 1)
_CHOICES: dict[str, tuple[Any, ...]] = {
    "string": WORDS,
    "bool": (False, True),
    "int32": NUMBERS,
    "int64": NUMBERS,
    "float": NUMBERS,
    "bytes": ("", "Yg==", "e30=", "bm9qc29u"),
    "quantity": ("0", "1", "500m", "1Gi", "1536Mi", "-1", "1e3"),
    "time": ("2026-01-01T00:00:00Z", "2026-06-01T12:00:00Z"),
    "microtime": ("2026-01-01T00:00:00.000000Z",),
    "intstr": WORDS + NUMBERS,
    "raw": ({},),
}


def draw_object(kind: Type, random: Random, depth: int = MAX_DEPTH) -> JSON:
    """Return an object of a type, each field there or not."""
    return {
        name: _draw_field(field, random, depth)
        for name, field in kind.fields.items()
        if name not in ("kind", "apiVersion", "managedFields")
        and (depth > 0 or field.kind != "struct")
        and random.random() < PRESENT
    }


def _draw_field(field: Field, random: Random, depth: int) -> Any:  # Any: a JSON value
    if field.container == "list":
        return [_draw_value(field, random, depth) for _ in range(random.randrange(3))]
    if field.container == "map":
        return {random.choice(KEYS): _draw_value(field, random, depth) for _ in range(random.randrange(3))}
    return _draw_value(field, random, depth)


def _draw_value(field: Field, random: Random, depth: int) -> Any:  # Any: a JSON value
    if field.kind == "struct":
        return draw_object(field.struct, random, depth - 1)
    if field.kind == "strings":
        return [random.choice(WORDS) for _ in range(random.randrange(3))]
    return random.choice(_CHOICES[field.kind])
