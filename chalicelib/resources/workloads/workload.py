"""What controllers of pods have in common: a selector that matches its template, and columns.

Compare kubernetes/pkg/apis/apps/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.accessors import labels_of, spec_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.causes import forbidden, invalid, not_supported, required
from chalicelib.apimachinery.rules.selectors import label_selector_causes, label_selector_of
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import Column
from chalicelib.resources.pods.defaults import default_template
from chalicelib.resources.pods.validation import template_causes

MISMATCH = "`selector` does not match template `labels`"
CONTAINERS_COLUMN = Column("Containers", description="Names of each container in the template.", priority=1)
IMAGES_COLUMN = Column("Images", description="Images referenced by each container in the template.", priority=1)


def default_workload(obj: JSON) -> JSON:
    """Fill in, in place, replicas and template; return the spec."""
    spec: JSON = spec_of(obj)
    obj["spec"] = spec
    spec.setdefault("replicas", 1)
    spec["template"] = spec.get("template") or {}
    default_template(spec["template"])
    if not spec.get("minReadySeconds"):
        spec.pop("minReadySeconds", None)
    return spec


def workload_causes(spec: JSON, kind: str) -> Iterator[Cause]:
    """Yield what is wrong with selector and template of a kind whose pods always restart."""
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
    elif not selector:
        yield invalid("spec.selector", selector, f"empty selector is invalid for {kind}")
    wrong = label_selector_causes(selector, "spec.selector")
    yield from wrong
    template = spec["template"]
    labels = labels_of(template)
    if selector != {} and not wrong and not label_selector_of(selector).matches(labels):
        yield invalid("spec.template.metadata.labels", labels, MISMATCH)
    if kind == "statefulset":
        # As kube-apiserver did until v1.35: its controller gives each pod a hostname of its own, and the template of
        # Spark's allocator has one that no pod may have ("...-exec-EXECID"). The pods themselves are validated.
        yield from meta.labels_causes(labels, "spec.template.labels")
    else:
        yield from template_causes(template, "spec.template")
    policy = template["spec"]["restartPolicy"]
    if policy != "Always":
        yield not_supported("spec.template.spec.restartPolicy", policy, ("Always",))
    if template["spec"].get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {_OWNERS.get(kind, 'ReplicaSet')} is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", why)


_OWNERS = {"statefulset": "StatefulSet"}
