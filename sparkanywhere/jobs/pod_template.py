"""Pod templates: a pod of the user's own, with what Spark needs laid over it.

Compare Spark 4.3, Running on Kubernetes, "Pod Template": what Spark sets wins, lists are joined.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.types import JSON
from sparkanywhere.jobs.spec import SpecError

JOINED = ("env", "volumeMounts", "ports", "envFrom")  # lists of a container that are joined


def read(path: str, option: str) -> JSON:
    """Return the pod that a template file holds. Raises SpecError."""
    try:
        found: Any = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"{option} {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or found.get("kind", "Pod") != "Pod":
        raise SpecError(f"{option} {path} holds no Pod.")
    spec = spec_of(found)
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if containers is not None and not all(isinstance(each, dict) for each in containers):
        raise SpecError(f"{option} {path}: spec.containers is a list of containers.")
    return found


def laid_over(template: JSON, pod: JSON, *, container_name: str = "") -> JSON:
    """Return `pod` with what the template has beside it. Neither is changed."""
    base = copy.deepcopy(template)
    metadata, spec = metadata_of(base), spec_of(base)
    merged = {**metadata, **pod["metadata"]}
    for key in ("labels", "annotations"):
        both = {**(metadata.get(key) or {}), **(pod["metadata"].get(key) or {})}
        if both:
            merged[key] = both
    ours = pod["spec"]
    whole = {**spec, **ours, "containers": _containers(spec.get("containers") or [], ours, container_name)}
    for key in ("volumes", "initContainers"):
        joined = [*(spec.get(key) or []), *(ours.get(key) or [])]
        if joined:
            whole[key] = joined
    selector = {**(spec.get("nodeSelector") or {}), **(ours.get("nodeSelector") or {})}
    if selector:
        whole["nodeSelector"] = selector
    return {**pod, "metadata": merged, "spec": whole}


def _containers(templates: list[JSON], ours: JSON, name: str) -> list[JSON]:
    (main,) = ours["containers"]
    chosen = next((each for each in templates if each.get("name") == name), None) if name else None
    base = chosen or (templates[0] if templates else {})
    merged = {**base, **main}
    for key in JOINED:
        joined = [*(base.get(key) or []), *(main.get(key) or [])]
        if joined:
            merged[key] = joined
    resources = base.get("resources") or {}
    merged["resources"] = {
        kind: {**(resources.get(kind) or {}), **(main["resources"].get(kind) or {})}
        for kind in ("limits", "requests")
    }
    return [merged, *(each for each in templates if each is not base)]
