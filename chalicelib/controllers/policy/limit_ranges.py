"""LimitRanges: defaults and bounds for what pods and claims ask for. Pure.

Compare kubernetes/plugin/pkg/admission/limitranger/admission.go, v1.36, also in what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from chalicelib.apimachinery.accessors import annotations_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.policy.quota_usage import pod_totals
from chalicelib.resources.shared.amounts import nanos

ANNOTATION = "kubernetes.io/limit-ranger"

Amounts = dict[str, str]


def items_of(ranges: Iterable[JSON], kind: str) -> Iterator[JSON]:
    """Yield the limits for one type: Container, Pod, PersistentVolumeClaim."""
    for each in ranges:
        for item in spec_of(each).get("limits") or ():
            if item.get("type") == kind:
                yield item


def fill_in(pod: JSON, ranges: Iterable[JSON]) -> None:
    """Give, in place, the containers of a pod the requests and limits that they leave out; an annotation says so."""
    requests: Amounts = {}
    limits: Amounts = {}
    for item in items_of(ranges, "Container"):
        requests |= {name: str(amount) for name, amount in (item.get("defaultRequest") or {}).items()}
        limits |= {name: str(amount) for name, amount in (item.get("default") or {}).items()}
    done: list[str] = []
    for group, word in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(group) or ():
            done += _fill_container(container, requests, limits, word)
    if done:
        annotations = annotations_of(pod)
        pod["metadata"]["annotations"] = {
            **annotations,
            ANNOTATION: f"LimitRanger plugin set: {'; '.join(done)}",
        }


def _fill_container(container: JSON, requests: Amounts, limits: Amounts, word: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    asked, bound = dict(resources.get("requests") or {}), dict(resources.get("limits") or {})
    # a limit that the client gave is its request too, before any default is
    new_limits = sorted(limits.keys() - bound.keys())
    new_requests = sorted(requests.keys() - asked.keys() - bound.keys())
    bound |= {name: limits[name] for name in new_limits}
    asked |= {name: requests[name] for name in new_requests}
    made = {**resources, **({"requests": asked} if asked else {}), **({"limits": bound} if bound else {})}
    if new_limits or new_requests:
        container["resources"] = made
    for names, what in ((new_requests, "request"), (new_limits, "limit")):
        if names:
            yield f"{', '.join(names)} {what} for {word} {container.get('name', '')}"


def pod_problems(pod: JSON, ranges: list[JSON]) -> list[str]:
    """Return what of a pod is out of bounds, a sentence each."""
    found: list[str] = []
    for item in items_of(ranges, "Container"):
        for group in ("containers", "initContainers"):
            for container in pod["spec"].get(group) or ():
                resources = container.get("resources") or {}
                limits = resources.get("limits") or {}
                requests = {**limits, **(resources.get("requests") or {})}
                found += _problems(item, "Container", requests, limits)
    for item in items_of(ranges, "Pod"):
        totals = pod_totals(pod["spec"])
        requests = {name: str(amount) for name, amount in totals.requests.items()}
        found += _problems(item, "Pod", requests, {name: str(each) for name, each in totals.limits.items()})
    return found


def claim_problems(claim: JSON, ranges: list[JSON]) -> list[str]:
    """Return what of a PersistentVolumeClaim is out of bounds, a sentence each."""
    requests = ((claim["spec"].get("resources") or {}).get("requests")) or {}
    kind = "PersistentVolumeClaim"
    found: list[str] = []
    for item in items_of(ranges, kind):
        for name, low in (item.get("min") or {}).items():
            found += _one("minimum", name, kind, low, requests.get(name), "request", lambda a, b: a < b)
        for name, high in (item.get("max") or {}).items():
            found += _one("maximum", name, kind, high, requests.get(name), "request", lambda a, b: a > b)
    return found


def _problems(item: JSON, kind: str, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, low in (item.get("min") or {}).items():
        asked, bound = requests.get(name), limits.get(name)
        yield from _one("minimum", name, kind, low, asked, "request", lambda a, b: a < b)
        if asked is not None and bound is not None and nanos(asked) >= nanos(low) > nanos(bound):
            yield f"minimum {name} usage per {kind} is {low}, but limit is {bound}"
    for name, high in (item.get("max") or {}).items():
        asked, bound = requests.get(name), limits.get(name)
        yield from _one("maximum", name, kind, high, bound, "limit", lambda a, b: a > b)
        if asked is not None and bound is not None and nanos(bound) <= nanos(high) < nanos(asked):
            yield f"maximum {name} usage per {kind} is {high}, but request is {asked}"
    for name, ratio in (item.get("maxLimitRequestRatio") or {}).items():
        yield from _ratio_problem(name, kind, ratio, requests.get(name), limits.get(name))


def _one(
    bound: str,
    name: str,
    kind: str,
    enforced: str,
    actual: str | None,
    what: str,
    is_beyond: Callable[[int, int], bool],
) -> Iterator[str]:
    head = f"{bound} {name} usage per {kind} is {enforced}"
    if actual is None:
        yield f"{head}.  No {what} is specified"
    elif is_beyond(nanos(actual), nanos(enforced)):
        yield f"{head}, but {what} is {actual}"


def _ratio_problem(name: str, kind: str, ratio: str, asked: str | None, bound: str | None) -> Iterator[str]:
    head = f"{name} max limit to request ratio per {kind} is {ratio}"
    if not asked or not nanos(asked):
        yield f"{head}, but no request is specified or request is 0"
    elif not bound or not nanos(bound):
        yield f"{head}, but no limit is specified or limit is 0"
    elif nanos(bound) * 10**9 > nanos(ratio) * nanos(asked):
        yield f"{head}, but provided ratio is {nanos(bound) / nanos(asked):f}"
