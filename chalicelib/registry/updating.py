"""What every change of a stored object goes through, whether it came as PUT or as a patch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.patching import apply
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.status import Cause, StatusError, bad_request, conflict, invalid
from chalicelib.apimachinery.types import JSON
from chalicelib.registry import objects, schemas
from chalicelib.registry.strategy import Strategy
from chalicelib.resources.pods.containers import ephemeral_causes
from chalicelib.resources.pods.defaults import default_container
from chalicelib.resources.pods.resize import keep_all_but_resources, resize_causes


@dataclass(frozen=True, slots=True)
class Sent:
    """What a client sent: the object (for PUT), to which subresource, under which field manager."""

    obj: JSON
    subresource: str
    manager: str
    is_apply: bool = False


def is_conditional(sent: Sent) -> bool:
    """Return whether a PUT named the resourceVersion it wants to replace."""
    return bool(metadata_of(sent.obj).get("resourceVersion"))


def check_new_metadata(obj: JSON, *, namespace: str | None) -> None:
    """Require, in place, that an object to be created belongs where the URL says. Raises 400 or 500."""
    found = objects.metadata(obj)
    if found.get("resourceVersion"):
        raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
    _place(found, namespace)


def check_addressed(obj: JSON, *, name: str, namespace: str | None) -> None:
    """Require, in place, that `obj` is what the URL names. Raises 400."""
    found = objects.metadata(obj)
    sent = found.get("name") or ""
    if not sent:
        raise bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if sent != name:
        raise bad_request(f"the name of the object ({sent}) does not match the name on the URL ({name})")
    _place(found, namespace)


def _place(found: JSON, namespace: str | None) -> None:
    if not namespace:
        found.pop("namespace", None)
    elif found.get("namespace") not in (None, "", namespace):
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    else:
        found["namespace"] = namespace


def replaced(live: JSON, sent: Sent) -> JSON:
    """Return a copy of what a PUT sent, after checking that it means the live object. Raises 409."""
    new = {**sent.obj, "metadata": dict(metadata_of(sent.obj))}
    uid, live_uid = new["metadata"].get("uid"), live["metadata"].get("uid")
    if uid and uid != live_uid:
        raise _other_uid(live, uid, str(live_uid))
    return new


def _other_uid(live: JSON, uid: str, live_uid: str) -> StatusError:
    found = live["metadata"]
    resource = str(live["kind"]).lower() + "s"
    place = "/".join(part for part in (found.get("namespace"), found.get("name")) if part)
    why = (
        f"StorageError: invalid object, Code: 4, Key: /registry/{resource}/{place}, ResourceVersion: 0,"
        f" AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {live_uid}"
    )
    return conflict(resource, found.get("name", ""), why)


def finish(
    strategy: Strategy,
    new: JSON,
    old: JSON,
    sent: Sent,
    now: datetime,
    siblings: Callable[[], Iterable[JSON]],
) -> list[str]:
    """Complete and check `new`, in place, as the successor of `old`; return warnings. Raises 422."""
    new["metadata"]["resourceVersion"] = old["metadata"].get("resourceVersion", "")
    _keep_to_subresource(strategy, new, old, sent)
    if not sent.is_apply:  # before anything is judged or corrected: a sent record never stands as it came
        _track(strategy, old, new, sent, now)
    if not sent.subresource:
        strategy.prepare_for_update(new, old)
    meta.carry_over(new["metadata"], old["metadata"])
    causes = meta.metadata_update_causes(new["metadata"], old["metadata"])
    causes += _subresource_causes(strategy, new, old, sent)
    if not sent.subresource:
        causes = causes or strategy.allocate(new, old, siblings)
    if causes:
        raise invalid(strategy.kind, new["metadata"].get("name", ""), causes, group=strategy.group)
    _count_generation(strategy, new, old)
    return strategy.warnings(new)


def _keep_to_subresource(strategy: Strategy, new: JSON, old: JSON, sent: Sent) -> None:
    """Let the client change, in place, only what the subresource is about; complete a whole object."""
    if sent.subresource == "ephemeralcontainers":
        _keep_all_but(new, old, "ephemeralContainers")
        for container in new["spec"].get("ephemeralContainers") or ():
            default_container(container)
    elif sent.subresource == "finalize":
        _keep_all_but(new, old, "finalizers")
    elif sent.subresource == "resize":
        keep_all_but_resources(new, old)
    elif sent.subresource:
        strategy.prepare_for_status_update(new, old)
    else:
        strategy.default(new)


def _subresource_causes(strategy: Strategy, new: JSON, old: JSON, sent: Sent) -> list[Cause]:
    if sent.subresource == "ephemeralcontainers":
        return list(ephemeral_causes(new["spec"], old["spec"]))
    if sent.subresource == "resize":
        return list(resize_causes(new["spec"], old["spec"]))
    if sent.subresource:
        return strategy.validate_status_update(new, old)
    return strategy.validate_update(new, old)


def _keep_all_but(new: JSON, old: JSON, spec_field: str) -> None:
    """Make `new`, in place, what `old` is but for one field of spec."""
    changed = spec_of(new).get(spec_field)
    version = new["metadata"].get("resourceVersion", "")
    new.clear()
    new.update(old)
    new["metadata"] = {**old["metadata"], "resourceVersion": version}
    new["spec"] = dict(spec_of(old))
    if changed:
        new["spec"][spec_field] = changed
    else:
        new["spec"].pop(spec_field, None)


def _count_generation(strategy: Strategy, new: JSON, old: JSON) -> None:
    if strategy.has_generation and strategy.counts_as_change(new, old):
        new["metadata"]["generation"] = int(old["metadata"].get("generation", 0)) + 1


def track_create(strategy: Strategy, obj: JSON, manager: str, now: datetime) -> None:
    """Record, in place, who set which fields of a new object."""
    _track(strategy, None, obj, Sent(obj, "", manager), now)


def _track(strategy: Strategy, old: JSON | None, new: JSON, sent: Sent, now: datetime) -> None:
    apply.update_managed_fields(
        old,
        new,
        manager=sent.manager,
        now=now,
        subresource=sent.subresource,
        schema=schemas.schema_of(strategy),
        api_version=strategy.api_version,
    )
