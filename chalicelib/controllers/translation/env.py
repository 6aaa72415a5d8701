"""A container's environment, resolved in a kubelet's order.

envFrom first, then env on top, each value expanded with what came before it. Compare
makeEnvironmentVariables in kubernetes/pkg/kubelet/kubelet_pods.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import resources as pod_resources
from chalicelib.controllers.podmodel.references import CONFIG, Missing, References, key_owner, kind_word
from chalicelib.controllers.podmodel.resources import NodeSize
from chalicelib.controllers.runtime.expansion import expand
from chalicelib.controllers.translation import fields as pod_fields

_SOURCES = (("configMapRef", "configmaps"), ("secretRef", "secrets"))
_KEY_SOURCES = (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets"))


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod and what surrounds it, as its containers' translation needs them."""

    pod: JSON
    references: References
    node_name: str
    node: NodeSize
    base_env: tuple[tuple[str, str], ...] = ()

    @property
    def spec(self) -> JSON:
        """Return the pod's spec."""
        spec: JSON = spec_of(self.pod)
        return spec


def container_env(view: PodView, container: JSON) -> dict[str, str]:
    """Return the container's variables in order; what is missing is noted in view.references."""
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        values.update(_from_source(view, container, source))
    base = dict(view.base_env)
    for variable in container.get("env") or ():
        text = variable.get("value") or ""
        if text or not variable.get("valueFrom"):
            values[variable["name"]] = expand(text, {**base, **values}) if "$" in text else text
            continue
        found = _value_from(view, container, variable["valueFrom"])
        if found is not None:
            values[variable["name"]] = found
    return {**base, **values}


def expanded(texts: list[str] | None, values: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return command or args with their `$(VAR)`s expanded; None where the image's own apply."""
    return tuple(expand(text, values) for text in texts) if texts else None


def _from_source(view: PodView, container: JSON, source: JSON) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    found: dict[str, str] = {}
    for field, resource in _SOURCES:
        reference = source.get(field)
        if reference is None:
            continue
        name = reference.get("name", "")
        data = view.references.data(resource, name)
        if data is None:
            _note_absent(view, container, resource, reference)
            continue
        # A variable's name may not hold `=` or be empty; a kubelet leaves such keys out too.
        usable = {key: value for key, value in data.items() if prefix + key and "=" not in prefix + key}
        found.update({prefix + key: _text(value) for key, value in usable.items()})
    return found


def _value_from(view: PodView, container: JSON, source: JSON) -> str | None:
    """Return the value of a valueFrom, None if it is optional and absent, or missing (and noted)."""
    try:
        if source.get("fieldRef"):
            path = source["fieldRef"].get("fieldPath", "")
            return pod_fields.field_value(view.pod, path, node_name=view.node_name)
        if source.get("resourceFieldRef"):
            name = container.get("name", "")
            reference = source["resourceFieldRef"]
            return pod_resources.field_value(view.spec, reference, container_name=name, node=view.node)
    except LookupError as error:
        _note(view, container, "pods", "", str(error))
        return None
    for field, resource in _KEY_SOURCES:
        if source.get(field):
            reference, name = source[field], source[field].get("name", "")
            key, data = reference.get("key", ""), view.references.data(resource, name)
            if data is None:
                _note_absent(view, container, resource, reference)
            elif key in data:
                return _text(data[key])
            elif not reference.get("optional"):
                where = f"{key_owner(resource)} {view.references.namespace}/{name}"
                _note(view, container, resource, name, f"couldn't find key {key} in {where}")
            return None
    return None


def _note_absent(view: PodView, container: JSON, resource: str, reference: JSON) -> None:
    if not reference.get("optional"):
        name = reference.get("name", "")
        _note(view, container, resource, name, f'{kind_word(resource)} "{name}" not found')


def _note(view: PodView, container: JSON, resource: str, name: str, message: str) -> None:
    missing = Missing(CONFIG, message, resource, name, container=container.get("name", ""))
    if missing not in view.references.missing:
        view.references.missing.append(missing)


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="surrogateescape")
