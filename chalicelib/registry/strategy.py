"""Strategy: what is peculiar to one resource. Pure; the Registry does the rest.

Compare k8s.io/apiserver/pkg/registry/rest (RESTCreateStrategy, RESTUpdateStrategy) and
kubernetes/pkg/registry/<group>/<resource>/strategy.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

from chalicelib.apimachinery.accessors import metadata_of
from chalicelib.apimachinery.field_docs import field_doc
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.schema import Type, find_type
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.subresources import StatusStrategy, Subresource

# Where a /scale subresource finds its numbers in the kinds that Kubernetes itself has.
SCALE_PATHS = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a Table; priority 0 is always shown, 1 with `-o wide`."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


NAME_COLUMN = Column("Name", format="name", description=field_doc("ObjectMeta.name"))
AGE_COLUMN = Column("Age", description=field_doc("ObjectMeta.creationTimestamp"))
# What a kind without a printer of its own shows.
CREATED_COLUMNS = (
    NAME_COLUMN,
    Column("Created At", type="date", description=field_doc("ObjectMeta.creationTimestamp")),
)


class Strategy:
    """The defaults fit a plain namespaced kind without status, validation or special columns."""

    group = ""
    version = "v1"
    resource = ""
    singular = ""
    kind = ""
    namespaced = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    status: StatusStrategy | None = None  # of /status; `status` may not be set through the whole object then
    subresources: tuple[Subresource, ...] = ()  # beside status and scale
    in_view = False  # the default role `view` may read it
    edit_verbs: tuple[str, ...] = ()  # what the default role `edit` may do beside
    # A reason, and the names of what may never be deleted.
    undeletable: tuple[str, tuple[str, ...]] = ("", ())
    is_graceful = False  # deletion always marks the object before it removes it (pods)
    returns_deleted = False  # a delete answers with the object, not with a Status
    # What an object of this kind holds when it holds nothing: the body of a bookmark.
    empty: ClassVar[Mapping[str, object]] = MappingProxyType({})
    creates_on_update = False  # a PUT of what is missing creates it
    unconditional_update = True  # a PUT needs no resourceVersion
    has_generation = False  # metadata.generation counts changes of spec
    columns: tuple[Column, ...] = (NAME_COLUMN, AGE_COLUMN)
    deprecation = ""  # a Warning for every request
    # Why the dependents of a deleted object are kept unless the request says otherwise (jobs); a Warning.
    orphan_warning = ""
    scale: Mapping[str, str] | None = None  # where the /scale subresource finds its numbers
    structural: JSON | None = None  # the schema of a custom resource's version
    # The keys that lead to the template of the pods it makes, each in the spec of the one before; () makes none.
    pod_template: tuple[str, ...] = ()
    is_custom = False  # of a CustomResourceDefinition: no strategic patches, no protobuf
    stored_as = ""  # the resource under whose keys objects are kept, where it is another one (a view of it)
    # Why a name (or with is_prefix a generateName) will not do, as texts of causes.
    name_errors: Callable[..., list[str]] = staticmethod(meta.dns_subdomain_errors)
    # Text of the 400 for a fieldSelector that names a field which selectable_fields lacks; {} is that field.
    field_label_error = '"{}" is not a known field selector: only "metadata.name", "metadata.namespace"'

    @cached_property
    def api_version(self) -> str:
        """Return the apiVersion of its objects: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        """Return the kind of a list of its objects."""
        return f"{self.kind}List"

    @cached_property
    def all_subresources(self) -> dict[str, Subresource]:
        """Return the subresources by name, status and scale among them."""
        found = list(self.subresources)
        if self.status is not None:
            found.append(Subresource("status", self.kind, part=self.status, in_view=self.in_view))
        if self.scale:
            scale = Subresource("scale", "Scale", ("autoscaling", "v1"), in_view=self.in_view)
            found.append(replace(scale, edit_verbs=self.edit_verbs))
        return {each.name: each for each in sorted(found, key=lambda each: each.name)}

    @cached_property
    def kept_as(self) -> str:
        """Return the resource under whose keys its objects are kept."""
        return self.stored_as or self.resource

    @cached_property
    def schema(self) -> Type | None:
        """Return the type of its objects, None where no schema is known."""
        return find_type(self.group, self.version, self.kind)

    def shape(self, obj: JSON) -> list[str]:
        """Drop, in place, what a kind with a type of its own does not have; return a complaint each. Raises 400."""
        del obj
        return []

    def counts_as_change(self, obj: JSON, old: JSON) -> bool:
        """Return whether metadata.generation counts what has become of `old`."""
        return bool(obj.get("spec") != old.get("spec"))

    def to_stored(self, obj: JSON) -> JSON:
        """Return what a client sent in the shape that is stored; every other method sees that shape."""
        return obj

    def from_stored(self, obj: JSON) -> JSON:
        """Return a stored object in the shape that clients of this resource see."""
        return obj

    def default(self, obj: JSON) -> None:
        """Fill in, in place, what a client left out: the API's documented defaults. Idempotent."""

    def prepare_for_create(self, obj: JSON) -> None:
        """Clear, in place, what clients may not set, and set what only the server sets.

        Name (a generated one too) and uid are there already.
        """
        if self.status is not None:
            self.status.reset(obj)

    def prepare_for_update(self, obj: JSON, old: JSON) -> None:
        """Carry over, in place, from `old` what an update may not touch."""
        if self.status is not None:
            self.status.keep(obj, old)

    def validate(self, obj: JSON) -> Iterable[Cause]:
        """Return what is wrong with a new object, apart from its metadata. Never changes it."""
        del obj
        return []

    def validate_update(self, obj: JSON, old: JSON) -> Iterable[Cause]:
        """Return what is wrong with `obj` as the successor of `old`, apart from its metadata."""
        del old
        return self.validate(obj)

    def warnings(self, obj: JSON) -> Iterable[str]:
        """Return sentences for `Warning` headers: what will be ignored, what is discouraged."""
        del obj
        return []

    def selectable_fields(self, obj: JSON) -> dict[str, str]:
        """Return the values of the fields that a fieldSelector may name."""
        metadata = metadata_of(obj)
        fields = {"metadata.name": metadata.get("name", "")}
        if self.namespaced:
            fields["metadata.namespace"] = metadata.get("namespace", "")
        return fields

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the Table cells of `obj`, one per column: here name, and age or time of creation."""
        metadata = metadata_of(obj)
        name, created = metadata.get("name", ""), metadata.get("creationTimestamp", "")
        return [name, created] if self.columns is CREATED_COLUMNS else [name, meta.age(created, now)]

    def times_shown(self, obj: JSON) -> Sequence[str] | None:
        """Return the times (RFC 3339) by whose age alone the cells of `obj` change; None if by more, or unknown."""
        del obj
        return None

    def row_conditions(self, obj: JSON) -> list[JSON]:
        """Return the `conditions` of the Table row of `obj`; empty leaves them out."""
        del obj
        return []

    def allocate(self, obj: JSON, old: JSON | None, siblings: Callable[[], Iterable[JSON]]) -> list[Cause]:
        """Give `obj`, in place, what must be unique in its resource (a Service's addresses).

        Called after validation found nothing. `old` is None on create. `siblings` lists the stored objects of
        all namespaces and is called only if something must be given. Returns why it can't be.
        """
        del obj, old, siblings
        return []

    def begin_deletion(self, obj: JSON, now: datetime) -> bool:
        """Mark, in place, what must be cleared before it is removed; False where nothing of the kind is needed.

        Whoever clears it removes it, too.
        """
        del obj, now
        return False

    def is_held(self, obj: JSON) -> bool:
        """Return whether more than metadata.finalizers holds an object that is being deleted."""
        del obj
        return False

    def grace_seconds(self, obj: JSON, requested: int | None) -> int:
        """Return how long a deleted object lives on with deletionTimestamp; 0 removes it at once."""
        del obj, requested
        return 0
