"""RegistryDeletes: deletes by the controllers, made as a client makes them."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.registry.options import DeleteOptions
from chalicelib.registry.registry import Registry


class RegistryDeletes:
    """A DeleteObject over registries, which may be filled in later. `registries` is by (group, resource)."""

    def __init__(self, registries: Mapping[tuple[str, str], Registry]) -> None:
        self._registries = registries

    def __call__(self, resource: str, namespace: str, name: str, *, uid: str, revision: int = 0) -> None:
        """Delete an object in the background. Raises StatusError (404 gone, 409 changed by now)."""
        registry = next(found for (_, each), found in self._registries.items() if each == resource)
        version = str(revision) if revision else ""
        options = DeleteOptions(uid=uid, resource_version=version, propagation="Background")
        registry.delete(namespace or None, name, options)
