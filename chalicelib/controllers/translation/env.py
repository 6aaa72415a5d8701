"""A container's environment, resolved in a kubelet's order.

envFrom first, then env on top, each value expanded with what came before it. Compare
makeEnvironmentVariables in kubernetes/pkg/kubelet/kubelet_pods.go and, for `$(VAR)` references,
kubernetes/third_party/forked/golang/expansion (v1.36).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.references import CONFIG, Missing, References, key_owner, kind_word
from chalicelib.controllers.podmodel.resources import NodeSize, resource_field
from chalicelib.providers.base import ADDRESS

_SOURCES = (("configMapRef", "configmaps"), ("secretRef", "secrets"))
_KEY_SOURCES = (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets"))


_TOKEN = re.compile(r"\$(?:(\$)|\(([^)]*)\))")
_DOLLARS = re.compile(r"\$\$")


_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


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
        data = view.references.texts(resource, name)
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
            return pod_field(view.pod, path, node_name=view.node_name)
        if source.get("resourceFieldRef"):
            name = container.get("name", "")
            reference = source["resourceFieldRef"]
            return resource_field(view.spec, reference, container_name=name, node=view.node)
    except LookupError as error:
        _note(view, container, "pods", "", str(error))
        return None
    for field, resource in _KEY_SOURCES:
        if source.get(field):
            reference, name = source[field], source[field].get("name", "")
            key, data = reference.get("key", ""), view.references.texts(resource, name)
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


def expand(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with each `$(NAME)` replaced by its value; values are not expanded again.

    An unknown name stays as it is, `$$` stands for `$`, and a lone `$` is itself.
    """
    end = text.rfind(")") + 1  # an open parenthesis behind it would be looked for to the end of the text, each time

    def replaced(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        return values.get(match[2], match[0])

    return _TOKEN.sub(replaced, text[:end]) + _DOLLARS.sub("$", text[end:])


def pod_field(pod: JSON, path: str, *, node_name: str) -> str:
    """Return the value of a fieldRef. Raises LookupError for a path that Kubernetes does not know."""
    metadata, spec = metadata_of(pod), spec_of(pod)
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((metadata.get(subscript[1]) or {}).get(subscript[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = sorted((metadata.get(path.partition(".")[2]) or {}).items())
        # one `key="value"` a line, values quoted as Go's %q does for usual text
        return "\n".join(f"{key}={json.dumps(str(value), ensure_ascii=False)}" for key, value in entries)
    values = {
        "metadata.name": metadata.get("name", ""),
        "metadata.namespace": metadata.get("namespace", ""),
        "metadata.uid": metadata.get("uid", ""),
        "spec.nodeName": spec.get("nodeName") or node_name,
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.podIP": ADDRESS,
        "status.podIPs": ADDRESS,
        "status.hostIP": ADDRESS,
        "status.hostIPs": ADDRESS,
    }
    if path not in values:
        raise LookupError(f"unsupported fieldPath: {path}")
    return str(values[path])
