"""Where an object lies in the store: the one place that makes and reads keys."""

from __future__ import annotations


def prefix(resource: str, namespace: str | None = None) -> str:
    """Return the prefix of all objects of a resource, or of those in one namespace."""
    return f"/registry/{resource}/{namespace}/" if namespace else f"/registry/{resource}/"


def object_key(resource: str, namespace: str | None, name: str) -> str:
    """Return the key of one object; `namespace` is None (or empty) for cluster-scoped resources."""
    return prefix(resource, namespace) + name


def parse_key(key: str) -> tuple[str, str, str]:
    """Return (resource, namespace or "", name) of a key that object_key made."""
    _, _, resource, *rest = key.split("/")
    return (resource, rest[0], rest[1]) if len(rest) == 2 else (resource, "", rest[0])
