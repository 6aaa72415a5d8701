"""What may be wrong in a pod's wishes of where to run: affinity, tolerations, spread, and its name resolution.

Compare validateAffinity and its neighbours in kubernetes/pkg/apis/core/validation/validation.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.apimachinery.rules import names
from chalicelib.apimachinery.rules.causes import duplicate, forbidden, invalid, not_supported, required
from chalicelib.apimachinery.rules.selectors import label_selector_causes
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.shared.formats import NOT_AN_IP, is_ip

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
SPREAD_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
MAX_NAMESERVERS = 3  # what a resolver of the C library reads
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def affinity_causes(affinity: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with node affinity, pod affinity and pod anti-affinity."""
    nodes = affinity.get("nodeAffinity") or {}
    if nodes.get(_REQUIRED) is not None:
        here = f"{at}.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
        terms = nodes[_REQUIRED].get("nodeSelectorTerms") or []
        if not terms:
            yield required(here, "must have at least one node selector term")
        for index, term in enumerate(terms):
            yield from _node_term_causes(term, f"{here}[{index}]")
    for index, wish in enumerate(nodes.get(_PREFERRED) or ()):
        here = f"{at}.nodeAffinity.{_PREFERRED}[{index}]"
        yield from _weight_causes(wish, here)
        yield from _node_term_causes(wish.get("preference") or {}, f"{here}.preference")
    for kind in ("podAffinity", "podAntiAffinity"):
        wishes = affinity.get(kind) or {}
        for index, term in enumerate(wishes.get(_REQUIRED) or ()):
            yield from _pod_term_causes(term, f"{at}.{kind}.{_REQUIRED}[{index}]")
        for index, wish in enumerate(wishes.get(_PREFERRED) or ()):
            here = f"{at}.{kind}.{_PREFERRED}[{index}]"
            yield from _weight_causes(wish, here)
            yield from _pod_term_causes(wish.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm")


def _weight_causes(wish: JSON, at: str) -> Iterator[Cause]:
    weight = wish.get("weight") or 0
    if not 1 <= weight <= 100:
        yield invalid(f"{at}.weight", weight, "must be in the range 1-100")


def _node_term_causes(term: JSON, at: str) -> Iterator[Cause]:
    for index, rule in enumerate(term.get("matchExpressions") or ()):
        here, operator = f"{at}.matchExpressions[{index}]", rule.get("operator") or ""
        values, key = rule.get("values") or [], rule.get("key") or ""
        if operator in ("In", "NotIn"):
            if not values:
                yield required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield forbidden(f"{here}.values", why)
        elif operator in ("Gt", "Lt"):
            if len(values) != 1:
                why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
                yield required(f"{here}.values", why)
        else:
            yield invalid(f"{here}.operator", operator, "not a valid selector operator")
        for error in names.qualified_name_errors(key):
            yield invalid(f"{here}.key", key, error)


def _pod_term_causes(term: JSON, at: str) -> Iterator[Cause]:
    for key in ("labelSelector", "namespaceSelector"):
        yield from label_selector_causes(term.get(key), f"{at}.{key}")
    for namespace in term.get("namespaces") or ():
        for error in names.dns_label_errors(namespace):
            yield invalid(f"{at}.namespace", namespace, error)
    yield from _topology_key_causes(term, at)


def _topology_key_causes(holder: JSON, at: str) -> Iterator[Cause]:
    key = holder.get("topologyKey") or ""
    if not key:
        yield required(f"{at}.topologyKey", "can not be empty")
        return
    for error in names.qualified_name_errors(key):
        yield invalid(f"{at}.topologyKey", key, error)


def spread_causes(constraints: list[JSON], path: str) -> Iterator[Cause]:
    """Yield what is wrong with topologySpreadConstraints."""
    seen = set()
    for index, constraint in enumerate(constraints):
        at, action = f"{path}[{index}]", constraint.get("whenUnsatisfiable") or ""
        for key in ("maxSkew", "minDomains"):
            number = constraint.get(key, 0 if key == "maxSkew" else 1)
            if number <= 0:
                yield invalid(f"{at}.{key}", number, "must be greater than zero")
        yield from _topology_key_causes(constraint, at)
        if action not in SPREAD_ACTIONS:
            yield not_supported(f"{at}.whenUnsatisfiable", action, SPREAD_ACTIONS)
        pair = f"{{{constraint.get('topologyKey') or ''}, {action}}}"
        if pair in seen:
            yield duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", pair)
        seen.add(pair)
        yield from label_selector_causes(constraint.get("labelSelector"), f"{at}.labelSelector")


def toleration_causes(toleration: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with a toleration."""
    key, operator = toleration.get("key") or "", toleration.get("operator") or ""
    effect, value = toleration.get("effect") or "", toleration.get("value") or ""
    if key:
        for error in names.qualified_name_errors(key):
            yield invalid(f"{at}.key", key, error)
    elif operator != "Exists":
        why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield invalid(f"{at}.operator", operator, why)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        yield invalid(f"{at}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
    if operator in ("", "Equal"):
        for error in names.label_value_errors(value):
            yield invalid(f"{at}.operator", value, error)
    elif operator == "Exists":
        if value:
            yield invalid(f"{at}.operator", toleration, "value must be empty when `operator` is 'Exists'")
    else:
        yield not_supported(f"{at}.operator", operator, ("Equal", "Exists"))
    if effect and effect not in EFFECTS:
        yield not_supported(f"{at}.effect", effect, EFFECTS)


def dns_causes(spec: JSON, at: str) -> Iterator[Cause]:
    """Yield what is wrong with dnsConfig, which dnsPolicy None needs."""
    config, is_needed = spec.get("dnsConfig"), spec.get("dnsPolicy") == "None"
    if config is None:
        if is_needed:
            yield required(at, "must provide `dnsConfig` when `dnsPolicy` is None")
        return
    servers = config.get("nameservers") or []
    if is_needed and not servers:
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required(f"{at}.nameservers", why)
    if len(servers) > MAX_NAMESERVERS:
        yield invalid(f"{at}.nameservers", servers, f"must not have more than {MAX_NAMESERVERS} nameservers")
    for index, server in enumerate(servers):
        if not is_ip(server):
            yield invalid(f"{at}.nameservers[{index}]", server, NOT_AN_IP)
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield required(f"{at}.options[{index}]", "must not be empty")
