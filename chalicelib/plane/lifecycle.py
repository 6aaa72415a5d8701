"""Builds the controllers that remove objects when it is time."""

from __future__ import annotations

from chalicelib.controllers.lifecycle.claims import VolumeClaims
from chalicelib.controllers.lifecycle.definitions import DefinitionController
from chalicelib.controllers.lifecycle.garbage import Garbage
from chalicelib.controllers.lifecycle.job_secrets import JobSecrets
from chalicelib.controllers.lifecycle.namespace_objects import NamespaceObjects
from chalicelib.controllers.lifecycle.namespaces import NamespaceEmptier
from chalicelib.controllers.pods.deletions import PodExpiry
from chalicelib.controllers.reactions import Lifecycle
from chalicelib.controllers.runtime.objects import RegistryDeletes, ServedKinds
from chalicelib.plane.foundation import Foundation
from chalicelib.plane.registries import Stored
from chalicelib.resources.catalogue import ALL
from chalicelib.resources.custom.custom_registries import StoredResources


def build_lifecycle(base: Foundation, stored: Stored, delete: RegistryDeletes) -> Lifecycle:
    """Return them; nothing is started."""
    storage, clock = base.storage, base.sources.clock
    return Lifecycle(
        garbage=Garbage(
            storage=storage,
            index=stored.index,
            resources=_resources(base, ownable_only=True),
            kinds=ServedKinds(stored.registries, stored.custom),
            delete=delete,
        ),
        namespaces=NamespaceEmptier(
            storage=storage,
            resources=_resources(base, namespaced_only=True),
            delete=delete,
            removed=stored.changes.namespace_removed,
        ),
        namespace_objects=NamespaceObjects(storage=storage, registries=stored.registries, root_ca=base.root_ca),
        job_secrets=JobSecrets(storage=storage, delete=delete),
        claims=VolumeClaims(storage=storage, delete=delete, provider=base.provider),
        definitions=DefinitionController(storage=storage, registries=stored.registries, delete=delete, clock=clock),
        expiry=PodExpiry(
            storage=storage,
            index=stored.index,
            delete=delete,
            clock=clock,
            keep_seconds=base.settings.pod_keep_hours * 3600.0,
        ),
    )


def _resources(base: Foundation, *, namespaced_only: bool = False, ownable_only: bool = False) -> StoredResources:
    """Return what is stored, by resource; with `ownable_only` without what we alone make, which nothing owns."""
    kinds = [each for each in ALL if not each.stored_as and (each.namespaced or not namespaced_only)]
    kinds = [each for each in kinds if "create" in each.verbs or not ownable_only]
    names = [each.resource for each in kinds]
    return StoredResources(names, base.storage, namespaced_only=namespaced_only)
