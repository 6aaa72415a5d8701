"""Registry: the verbs of one resource, the same for every resource.

Takes and gives plain dicts and StoredObjects, raises only StatusError. Compare
k8s.io/apiserver/pkg/registry/generic/registry/store.go (v1.36).
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.registry.change_verbs import ChangeVerbs
from chalicelib.registry.delete_verbs import DeleteVerbs
from chalicelib.registry.parts import RegistryParts
from chalicelib.registry.strategy import Strategy


class Registry(ChangeVerbs, DeleteVerbs):
    """All verbs on one resource. Safe to call from many threads."""


Registries = dict[tuple[str, str], Registry]  # by (group, resource)


def registries(strategies: Sequence[Strategy], parts: RegistryParts) -> Registries:
    """Return one registry per strategy, by (group, resource)."""
    return {(strategy.group, strategy.resource): Registry(strategy, parts) for strategy in strategies}
