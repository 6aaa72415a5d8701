"""RegistryDeletes: deletes by the controllers, made as a client makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from chalicelib.apimachinery.rules.status import not_found
from chalicelib.registry.options import DeleteOptions
from chalicelib.registry.registry import Registry


class DeleteObject(Protocol):
    """Deletes an object as a client would, with propagationPolicy Background."""

    def __call__(self, resource: str, namespace: str, name: str, *, uid: str, revision: int = 0) -> None:
        """Delete it if it still has that uid, and revision if given. Raises StatusError."""
        ...


class RegistryDeletes:
    """A DeleteObject over registries, which may be filled in later.

    `registries` is by (group, resource); `custom` knows those of custom resources by the name of their definition.
    """

    def __init__(
        self, registries: Mapping[tuple[str, str], Registry], custom: Callable[[str], Registry | None]
    ) -> None:
        self._registries = registries
        self._custom = custom

    def __call__(self, resource: str, namespace: str, name: str, *, uid: str, revision: int = 0) -> None:
        """Delete an object in the background. Raises StatusError (404 gone, 409 changed by now)."""
        registry = self._find(resource)
        if registry is None:
            raise not_found(resource, name)
        version = str(revision) if revision else ""
        options = DeleteOptions(uid=uid, resource_version=version, propagation="Background")
        registry.delete(namespace or None, name, options)

    def _find(self, resource: str) -> Registry | None:
        if "." in resource:
            return self._custom(resource)
        return next(found for (_, each), found in self._registries.items() if each == resource)
