"""The scopes of a ResourceQuota: which objects it counts, and what may be wrong with them.

Compare validateResourceQuotaScopes and validateScopeSelector in kubernetes/pkg/apis/core/validation, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.rules.causes import invalid, required
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON

_COMPUTE = frozenset(("cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"))
_PODS = frozenset(("pods",))
_CLAIMS = frozenset(("persistentvolumeclaims", "requests.storage"))
# What a quota of each scope may count.
SCOPES = {
    "BestEffort": _PODS,
    "CrossNamespacePodAffinity": _PODS | _COMPUTE,
    "NotBestEffort": _PODS | _COMPUTE,
    "NotTerminating": _PODS | _COMPUTE,
    "PriorityClass": _PODS | _COMPUTE,
    "Terminating": _PODS | _COMPUTE,
    "VolumeAttributesClass": _CLAIMS,
}
_MORE_TEXT = (
    "ephemeral-storage requests.ephemeral-storage limits.ephemeral-storage resourcequotas services"
    " replicationcontrollers secrets configmaps services.nodeports services.loadbalancers"
)
_STANDARD = _COMPUTE | _PODS | _CLAIMS | frozenset(_MORE_TEXT.split())
_CONFLICTS = (("BestEffort", "NotBestEffort"), ("NotTerminating", "Terminating"))
_EXISTS_ONLY = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_UNSUPPORTED, _NOT_FOR_IT = "unsupported scope", "unsupported scope applied to resource"


def scopes_causes(spec: JSON) -> Iterator[Cause]:
    """Yield what is wrong with `scopes` and `scopeSelector` of a quota's spec."""
    scopes, hard = spec.get("scopes") or [], spec.get("hard") or {}
    for scope in scopes:
        if scope not in SCOPES:
            yield invalid("spec.scopes", scopes, _UNSUPPORTED)
        for _ in _uncountable(scope, hard):
            yield invalid("spec.scopes", scopes, _NOT_FOR_IT)
    for pair in _CONFLICTS:
        if set(pair) <= set(scopes):
            yield invalid("spec.scopes", scopes, "conflicting scopes")
    selector = spec.get("scopeSelector") or {}
    requirements = selector.get("matchExpressions") or []
    for requirement in requirements:
        yield from _requirement_causes(requirement, selector, hard)
    for pair in _CONFLICTS:
        if set(pair) <= {each.get("scopeName") for each in requirements}:
            yield invalid("spec.scopeSelector.matchExpressions", scopes, "conflicting scopes")


def _uncountable(scope: str, hard: JSON) -> list[str]:
    """Return the resources in `hard` that a quota of this scope cannot count."""
    countable = SCOPES.get(scope, _STANDARD)
    return [name for name in hard if name in _STANDARD and name not in countable]


def _requirement_causes(requirement: JSON, selector: JSON, hard: JSON) -> Iterator[Cause]:
    at, scope = "spec.scopeSelector.matchExpressions", requirement.get("scopeName") or ""
    operator, values = requirement.get("operator") or "", requirement.get("values") or []
    if scope not in SCOPES:
        yield invalid(f"{at}.scopeName", scope, _UNSUPPORTED)
    for _ in _uncountable(scope, hard):
        yield invalid(at, selector, _NOT_FOR_IT)
    if scope in _EXISTS_ONLY and operator != "Exists":
        why = (
            "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating,"
            " ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort,"
            " ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
        )
        yield invalid(f"{at}.operator", operator, why)
    if operator in ("In", "NotIn"):
        if not values:
            why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield required(f"{at}.values", why)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield invalid(f"{at}.values", values, why)
    else:
        yield invalid(f"{at}.operator", operator, "not a valid selector operator")
