"""Deletes by the controllers, made as a client makes them."""

from __future__ import annotations

from typing import Protocol

from chalicelib.apimachinery.rules.status import not_found
from chalicelib.registry.options import DeleteOptions
from chalicelib.registry.registry import Registries
from chalicelib.resources.custom.custom_registries import CustomRegistries


class DeleteObject(Protocol):
    """Deletes an object as a client would, with propagationPolicy Background."""

    def __call__(self, resource: str, namespace: str, name: str, *, uid: str, revision: int = 0) -> None:
        """Delete it if it still has that uid, and revision if given. Raises StatusError."""
        ...


class RegistryDeletes:
    """A DeleteObject over all registries. Custom resources are named as their definition is."""

    def __init__(self, registries: Registries, custom: CustomRegistries) -> None:
        stored = [each for each in registries.values() if not each.strategy.stored_as]  # no views of others
        self._registries = {each.strategy.resource: each for each in stored}
        self._custom = custom

    def __call__(self, resource: str, namespace: str, name: str, *, uid: str, revision: int = 0) -> None:
        """Delete it. Raises StatusError (404 gone, 409 changed by now)."""
        is_custom = "." in resource
        registry = self._custom.stored_under(resource) if is_custom else self._registries[resource]
        if registry is None:
            raise not_found(resource, name)
        version = str(revision) if revision else ""
        options = DeleteOptions(uid=uid, resource_version=version, propagation="Background")
        registry.delete(namespace or None, name, options)
