"""Annotations and labels under `sparkanywhere.io/`, by what they mean something on: one misspelt does nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.placement import FALLBACK, SPOT_DRIVER, ZONES
from chalicelib.controllers.translation.spark_admission import INJECT, INJECTED
from chalicelib.resources.cluster.marks import PROVIDER_LABEL
from chalicelib.resources.configuration.secrets import DELETE_AT_END
from chalicelib.resources.pods import marks

OURS = "sparkanywhere.io/"
OF_PODS = frozenset(
    {
        *marks.WRITTEN_BY_US,
        *(
            marks.MAX_USD,
            marks.ENDED_BY,
            marks.TTL_ANNOTATION,
            marks.HOME_ZONE,
            marks.PARK,
            marks.WARM,
            marks.KEEP_WARM,
        ),
        *(INJECT, INJECTED, FALLBACK, SPOT_DRIVER, ZONES),
        *(f"{OURS}{name}" for name in ("application", "staged-files", "service")),  # of commands
    }
)
OF_NODES = frozenset({PROVIDER_LABEL, f"{OURS}quotas", f"{OURS}shared-folders"})
BY_RESOURCE: Mapping[str, frozenset[str]] = {"secrets": frozenset({DELETE_AT_END}), "nodes": OF_NODES}
MAKERS_OF_PODS = ("pods", "podtemplates", "jobs", "cronjobs", "deployments", "replicasets", "statefulsets")
OF_ALL = frozenset({f"{OURS}application", f"{OURS}service"})


def mark_warnings(resource: str, obj: JSON) -> list[str]:
    """Return a Warning for each of our names on an object, and on the pods it makes, that means nothing there."""
    known = OF_PODS if resource in MAKERS_OF_PODS else BY_RESOURCE.get(resource, frozenset()) | OF_ALL
    return [
        f"{path}[{key}]: means nothing on {resource}{_instead(key, known)}"
        for path, each in _marked(obj)
        for key in each
        if key.startswith(OURS) and key not in known
    ]


def _instead(key: str, known: frozenset[str]) -> str:
    from difflib import get_close_matches  # lazy: few need it

    close = get_close_matches(
        key.removeprefix(OURS), [each.removeprefix(OURS) for each in known - {*marks.WRITTEN_BY_US}], 1
    )
    return f": did you mean {OURS}{close[0]}?" if close else ""


def _marked(obj: JSON) -> Iterator[tuple[str, JSON]]:
    """Yield the annotations and labels of an object, and of the pod templates in it, each with its path."""
    path = ""
    found: object = obj
    while isinstance(found, dict):
        about = found.get("metadata")
        for name in ("annotations", "labels"):
            marks_of = about.get(name) if isinstance(about, dict) else None
            if isinstance(marks_of, dict):
                yield f"{path}metadata.{name}", marks_of
        inner = found if not path and "template" in found else found.get("spec")  # a PodTemplate has its own on top
        step = next((each for each in ("template", "jobTemplate") if isinstance(inner, dict) and each in inner), "")
        path += f"spec.{step}." if inner is not found else f"{step}."
        found = inner[step] if step and isinstance(inner, dict) else None
