"""Kinds that are stored and shown so that charts and operators install, and that nothing here acts on: a table.

Whoever writes such an object is told so in a Warning. Columns and defaults compare with kubernetes/pkg/printers/
internalversion/printers.go and pkg/apis/{networking,autoscaling,admissionregistration}/*/defaults.go, v1.36.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from chalicelib.apimachinery.accessors import annotations_of, metadata_of, spec_of, status_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import AGE_COLUMN, NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import WRITE_VERBS, StatusStrategy

Cell = tuple[Column, Callable[[JSON], object]]
NONE = "<none>"
SHOWN_HOSTS = 3
DEFAULT_CPU_PERCENT = 80  # of what a HorizontalPodAutoscaler without metrics aims at
WEBHOOK_SECONDS, WEBHOOK_PORT = 10, 443


class InertStrategy(Strategy):
    """A kind of which `why` says what does not happen. `cells` stand between name and age."""

    def __init__(
        self,
        names: tuple[str, str, str],
        why: str,
        *,
        version: str = "v1",
        short_names: tuple[str, ...] = (),
        categories: tuple[str, ...] = (),
        for_users: bool = True,
        cells: Sequence[Cell] = (),
        default: Callable[[JSON], None] | None = None,
    ) -> None:
        """Describe the kind: group, resource and kind; what users (not only administrators) make lies in namespaces."""
        self.group, self.resource, self.kind = names
        self.singular, self.version = self.kind.lower(), version
        self.short_names, self.categories = short_names, categories
        self.namespaced = self.in_view = self.has_generation = for_users
        self.edit_verbs = WRITE_VERBS if for_users else ()
        self.status = StatusStrategy() if for_users else None
        self._why, self._cells, self._default = why, cells, default
        self.columns = (NAME_COLUMN, *(column for column, _ in cells), AGE_COLUMN)

    def default(self, obj: JSON) -> None:
        """Set what the row says."""
        if self._default is not None:
            self._default(obj)

    def warnings(self, obj: JSON) -> Iterator[str]:
        """Yield that the object is only stored."""
        del obj
        yield f"{self.kind} is stored and has no effect here: {self._why}"

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return the row that `kubectl get` shows."""
        metadata = metadata_of(obj)
        between = [read(obj) for _, read in self._cells]
        return [metadata.get("name", ""), *between, meta.age(metadata.get("creationTimestamp"), now)]


def _hosts(ingress: JSON) -> str:
    hosts = [rule["host"] for rule in spec_of(ingress).get("rules") or () if rule.get("host")]
    more = f" + {len(hosts) - SHOWN_HOSTS} more..." if len(hosts) > SHOWN_HOSTS else ""
    return ",".join(hosts[:SHOWN_HOSTS]) + more or "*"


def _parameters(ingress_class: JSON) -> str:
    found = spec_of(ingress_class).get("parameters")
    if not found:
        return NONE
    group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
    return f"{found.get('kind', '')}{group}/{found.get('name', '')}"


def _target(metric: JSON) -> str:
    """Return the name and the aim of an autoscaler's metric; what it is now, nobody measures."""
    kind = metric.get("type") or ""
    source = metric.get(kind[:1].lower() + kind[1:]) or {}
    aim = source.get("target") or {}
    percent = aim.get("averageUtilization")
    goal = f"{percent}%" if percent is not None else aim.get("averageValue") or aim.get("value") or "<auto>"
    return f"{source['name']}: <unknown>/{goal}" if source.get("name") else f"<unknown>/{goal}"


def _scaled(autoscaler: JSON) -> str:
    target = spec_of(autoscaler).get("scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _default_autoscaler(obj: JSON) -> None:
    spec = obj["spec"] = spec_of(obj)
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [_cpu_metric(DEFAULT_CPU_PERCENT)]


class OldAutoscalerStrategy(InertStrategy):
    """autoscaling/v1 horizontalpodautoscalers: those of v2, of whose metrics v1 has one; annotations keep the rest."""

    stored_as = "horizontalpodautoscalers"

    def to_stored(self, obj: JSON) -> JSON:
        """Return the autoscaler in the shape of autoscaling/v2."""
        spec, metadata = dict(spec_of(obj)), dict(metadata_of(obj))
        annotations = dict(metadata.get("annotations") or {})
        percent = spec.pop("targetCPUUtilizationPercentage", None)
        spec["metrics"] = [] if percent is None else [_cpu_metric(percent)]
        for key, empty in _KEPT.items():
            kept = _read_json(annotations.pop(_PREFIX + key, ""), type(empty))
            if kept:
                spec[key] = spec["metrics"] + kept if key == "metrics" else kept
        if annotations:
            metadata["annotations"] = annotations
        else:
            metadata.pop("annotations", None)
        typed = {"apiVersion": "autoscaling/v2"} if "apiVersion" in obj else {}
        return {**obj, **typed, "metadata": metadata, "spec": spec}

    def from_stored(self, obj: JSON) -> JSON:
        """Return the autoscaler in the shape of autoscaling/v1."""
        spec, metadata, status = dict(spec_of(obj)), dict(metadata_of(obj)), status_of(obj)
        metrics = spec.pop("metrics", None) or []
        cpu = next((each for each in metrics if each == _cpu_metric(_percent(each))), None)
        rest = {"metrics": [each for each in metrics if each is not cpu], "behavior": spec.pop("behavior", None)}
        if cpu is not None:
            spec["targetCPUUtilizationPercentage"] = _percent(cpu)
        kept = {_PREFIX + key: json.dumps(value, separators=(",", ":")) for key, value in rest.items() if value}
        if kept:
            metadata["annotations"] = {**annotations_of(obj), **kept}
        counts = {key: status.get(key) or 0 for key in ("currentReplicas", "desiredReplicas")}
        typed = {"apiVersion": "autoscaling/v1"} if "apiVersion" in obj else {}
        return {**obj, **typed, "metadata": metadata, "spec": spec, "status": counts}


_PREFIX = "autoscaling.alpha.kubernetes.io/"
_KEPT: dict[str, list[JSON] | JSON] = {"metrics": [], "behavior": {}}


def _read_json(text: str, kind: type) -> Any:  # Any: what a client has put into an annotation
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, kind) else None


def _cpu_metric(percent: int | None) -> JSON:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _percent(metric: JSON) -> int | None:
    percent: int | None = ((metric.get("resource") or {}).get("target") or {}).get("averageUtilization")
    return percent


def _default_webhooks(obj: JSON) -> None:
    for hook in obj.get("webhooks") or ():
        hook["failurePolicy"] = hook.get("failurePolicy") or "Fail"
        hook["matchPolicy"] = hook.get("matchPolicy") or "Equivalent"
        for key in ("namespaceSelector", "objectSelector"):
            hook[key] = hook.get(key) or {}
        hook.setdefault("timeoutSeconds", WEBHOOK_SECONDS)
        for rule in hook.get("rules") or ():
            rule["scope"] = rule.get("scope") or "*"
        service = (hook.get("clientConfig") or {}).get("service")
        if service:
            service.setdefault("port", WEBHOOK_PORT)


def _default_mutating(obj: JSON) -> None:
    _default_webhooks(obj)
    for hook in obj.get("webhooks") or ():
        hook["reinvocationPolicy"] = hook.get("reinvocationPolicy") or "Never"


HPA = ("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
NO_SCALING = "nothing scales by it; Spark's dynamic allocation scales executors"
AUTOSCALER: tuple[Cell, ...] = (
    (Column("Reference", description="What it is meant to scale."), _scaled),
    (
        Column("Targets", description="What its metrics are, and what it aims at."),
        lambda obj: ", ".join(_target(each) for each in spec_of(obj).get("metrics") or ()) or NONE,
    ),
    (Column("MinPods", description="The least pods."), lambda obj: str(spec_of(obj).get("minReplicas", "<unset>"))),
    (Column("MaxPods", type="integer", description="The most pods."), lambda obj: spec_of(obj).get("maxReplicas") or 0),
    (
        Column("Replicas", type="integer", description="How many pods it has counted."),
        lambda obj: status_of(obj).get("currentReplicas") or 0,
    ),
)
WEBHOOKS: tuple[Cell, ...] = (
    (
        Column("Webhooks", type="integer", description="How many webhooks it has."),
        lambda obj: len(obj.get("webhooks") or ()),
    ),
)
INERT: tuple[InertStrategy, ...] = (
    InertStrategy(
        ("networking.k8s.io", "ingresses", "Ingress"),
        "no ingress controller runs; `kubectl port-forward` reaches a Service from outside",
        short_names=("ing",),
        cells=(
            (
                Column("Class", description="The IngressClass that it names."),
                lambda obj: spec_of(obj).get("ingressClassName") or NONE,
            ),
            (Column("Hosts", description="The hosts of its rules."), _hosts),
            (
                Column("Address", description="Where its load balancer listens."),
                lambda obj: ",".join(
                    each.get("ip") or each.get("hostname") or ""
                    for each in (status_of(obj).get("loadBalancer") or {}).get("ingress") or ()
                ),
            ),
            (
                Column("Ports", description="The ports that it opens."),
                lambda obj: "80, 443" if spec_of(obj).get("tls") else "80",
            ),
        ),
    ),
    InertStrategy(
        ("networking.k8s.io", "ingressclasses", "IngressClass"),
        "no ingress controller runs",
        for_users=False,
        cells=(
            (
                Column("Controller", description="The controller that is meant."),
                lambda obj: spec_of(obj).get("controller") or "",
            ),
            (Column("Parameters", description="The object with the controller's parameters."), _parameters),
        ),
    ),
    InertStrategy(
        HPA,
        NO_SCALING,
        version="v2",
        short_names=("hpa",),
        categories=("all",),
        default=_default_autoscaler,
        cells=AUTOSCALER,
    ),
    OldAutoscalerStrategy(HPA, NO_SCALING, categories=("all",), default=_default_autoscaler, cells=AUTOSCALER),
    InertStrategy(
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
        "no webhook is called, whatever its failurePolicy says",
        for_users=False,
        default=_default_mutating,
        cells=WEBHOOKS,
    ),
    InertStrategy(
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
        "no webhook is called, whatever its failurePolicy says",
        for_users=False,
        default=_default_webhooks,
        cells=WEBHOOKS,
    ),
)
