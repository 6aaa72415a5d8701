"""Where an object lies in the store, an ordered key space: the one place that makes and reads keys."""

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


def prefix_range(prefix: str, start_key: str | None = None) -> tuple[str, str]:
    """Return (first key, first key beyond) of a prefix, from `start_key` on if it lies inside.

    Raises ValueError for a prefix without its final slash, which would match half a name.
    """
    if not prefix.endswith("/"):
        raise ValueError(f"a prefix ends in a slash: {prefix!r}")
    beyond = prefix[:-1] + chr(ord("/") + 1)
    return max(prefix, start_key or prefix), beyond


def split_key(key: str) -> tuple[str, str]:
    """Return (resource, what follows it) of a key or prefix: `/registry/pods/a/b` -> (`pods`, `a/b`).

    Raises ValueError for a key of another form.
    """
    root, registry, resource, *rest = key.split("/", 3)
    if (root, registry) != ("", "registry") or not resource or not rest:
        raise ValueError(f"neither a key nor a prefix: {key!r}")
    return resource, rest[0]
