"""Where a pod wants to run, as hints to a provider: architecture, zone, capacity type.

What clusters call by several names has one name here. A selector that no provider knows is not a
reason to wait forever, as it would be in a cluster without such a node: it is named among the
unsupported fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from chalicelib.apimachinery.accessors import annotations_of, labels_of, metadata_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.parked import EXECUTOR_ROLE, PARKED_ROLE, is_parked
from chalicelib.resources.cluster.marks import PROVIDER_LABEL
from chalicelib.resources.pods.marks import ANY_ZONE, HOME_ZONE, ZONE

ROLE = "sparkanywhere.io/role"
CAPACITY_TYPE = "sparkanywhere.io/capacity-type"  # spot | on-demand
CAPACITY_PROVIDER = "sparkanywhere.io/capacity-provider"  # node selector: one of the provider's own, by its name
FALLBACK = "sparkanywhere.io/fallback"  # annotation: on what to run, in order: fargate-spot, fargate
SPOT_DRIVER = "sparkanywhere.io/spot-driver"  # annotation of a driver that may be interrupted: true
ZONES = "sparkanywhere.io/zones"  # annotation of a driver or an executor: `all`, not its driver's alone
# As on EKS: docs.aws.amazon.com/eks, "Assign IAM roles to Kubernetes service accounts" (2025).
IAM_ROLE = "eks.amazonaws.com/role-arn"

_KNOWN = {
    "kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "kubernetes.io/os": "kubernetes.io/os",
    "topology.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region": "topology.kubernetes.io/region",
    CAPACITY_TYPE: CAPACITY_TYPE,
    CAPACITY_PROVIDER: CAPACITY_PROVIDER,
    "karpenter.sh/capacity-type": CAPACITY_TYPE,
    "eks.amazonaws.com/capacityType": CAPACITY_TYPE,
    "eks.amazonaws.com/compute-type": "eks.amazonaws.com/compute-type",
}
# What is meant for one provider alone, in its own words: slurm.sparkanywhere.io/partition
_OF_A_PROVIDER = re.compile(r"[a-z0-9-]+\.sparkanywhere\.io/.+")
# Labels that all nodes carry with one value: the scheduler honours every operator on them
_OF_ALL_NODES = ("kubernetes.io/os", PROVIDER_LABEL)


def placement(pod: JSON) -> tuple[tuple[str, str], ...]:
    """Return the hints by their well-known keys, sorted; several allowed values are joined by commas."""
    spec = spec_of(pod)
    hints: dict[str, str] = {}
    for expression in [*_preferred(spec), *_required(spec)]:
        if _is_hint(expression):
            key = expression["key"]
            hints[_name(key)] = ",".join(_value(key, value) for value in expression["values"])
    for key, value in (spec.get("nodeSelector") or {}).items():
        if _is_known(key):
            hints[_name(key)] = _value(key, value)
    hints |= {key: text for key, text in annotations_of(pod).items() if _OF_A_PROVIDER.fullmatch(key)}
    role = labels_of(pod).get("spark-role")
    if role:
        hints[ROLE] = EXECUTOR_ROLE if role == PARKED_ROLE and is_parked(pod) else str(role)
    if text := annotations_of(pod).get(FALLBACK):
        hints[FALLBACK] = ",".join(each.strip() for each in text.split(","))
    if not _may_be_interrupted(pod):
        for key in {CAPACITY_TYPE, FALLBACK} & set(hints):
            lasting = [each for each in hints[key].split(",") if not each.lower().endswith("spot")]
            hints[key] = ",".join(lasting) or "on-demand"
    if home := annotations_of(pod).get(HOME_ZONE):
        hints[HOME_ZONE] = home
    return tuple(sorted(hints.items()))


def first_choice(pod: JSON) -> str:
    """Return what a pod wants to run on before all else, "" if it says nothing; several types begin with spot."""
    hints = dict(placement(pod))
    types = hints.get(CAPACITY_TYPE, "").split(",")
    in_order = hints.get(FALLBACK) or hints.get(CAPACITY_PROVIDER) or ("spot" if "spot" in types else types[0])
    return in_order.split(",")[0]


def home_zone(pod: JSON, heads: Sequence[JSON]) -> str:
    """Return the zone that a new pod is to run in, that of the pod above it; `any` to be spread, "" if unknown."""
    if any(annotations_of(each).get(ZONES) == "all" for each in (pod, *heads)):
        return ANY_ZONE
    return next(filter(None, (annotations_of(head).get(ZONE) for head in heads)), "")


def iam_role(service_account: JSON | None) -> tuple[tuple[str, str], ...]:
    """Return the hint of whose permissions a pod of this service account has, empty for the provider's choice."""
    annotations = annotations_of(service_account or {})
    return ((IAM_ROLE, annotations[IAM_ROLE]),) if annotations.get(IAM_ROLE) else ()


def _may_be_interrupted(pod: JSON) -> bool:
    """Return whether a pod may run on Spot: a driver, whose end is the job's, only where an annotation says so.

    spark.kubernetes.node.selector puts its selectors on the driver as well as on its executors.
    """
    metadata = metadata_of(pod)
    is_driver = (metadata.get("labels") or {}).get("spark-role") == "driver"
    return not is_driver or (metadata.get("annotations") or {}).get(SPOT_DRIVER) == "true"


def kept_off_spot(pod: JSON) -> Iterator[str]:
    """Yield the paths of a driver's selectors for Spot, which it does not get."""
    selectors = spec_of(pod).get("nodeSelector") or {}
    for key, value in selectors.items():
        if _KNOWN.get(key) == CAPACITY_TYPE and _value(key, value) == "spot" and not _may_be_interrupted(pod):
            yield f"spec.nodeSelector[{key}]"


def unsupported(spec: JSON) -> Iterator[str]:
    """Yield the paths of selectors and affinities that say nothing to any provider."""
    selectors = spec.get("nodeSelector") or {}
    yield from (f"spec.nodeSelector[{key}]" for key in selectors if not (_is_known(key) or key in _OF_ALL_NODES))
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        if affinity.get(kind):
            yield f"spec.affinity.{kind}"
    expressions = [*_preferred(spec), *_required(spec)]
    if not all(each.get("key") in _OF_ALL_NODES or _is_hint(each) for each in expressions):
        yield "spec.affinity.nodeAffinity"


def _is_hint(expression: JSON) -> bool:
    known = _is_known(str(expression.get("key")))
    return known and expression.get("operator") == "In" and bool(expression.get("values"))


def _is_known(key: str) -> bool:
    return key in _KNOWN or bool(_OF_A_PROVIDER.fullmatch(key))


def _name(key: str) -> str:
    return _KNOWN.get(key, key)


def _value(key: str, value: str) -> str:
    return value.lower().replace("_", "-") if _name(key) == CAPACITY_TYPE else value


def _required(spec: JSON) -> list[JSON]:
    """Return the expressions of the first required term: terms are alternatives, so one is enough."""
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = (node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or []
    return _expressions(terms[0]) if terms else []


def _preferred(spec: JSON) -> list[JSON]:
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = node.get("preferredDuringSchedulingIgnoredDuringExecution") or []
    terms = sorted(terms, key=lambda term: int(term.get("weight", 0)))  # the heaviest has the last word
    return [expression for term in terms for expression in _expressions(term.get("preference") or {})]


def _expressions(term: JSON) -> list[JSON]:
    return [*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ())]
