"""LimitRanges: defaults and bounds for what pods and claims ask for. Pure.

Compare kubernetes/plugin/pkg/admission/limitranger/admission.go, v1.36, also in what it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chalicelib.apimachinery.accessors import annotations_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.resources import all_containers, claimed_storage, pod_totals
from chalicelib.resources.pods.totals import amounts
from chalicelib.resources.shared.formats import nanos

ANNOTATION = "kubernetes.io/limit-ranger"

Texts = dict[str, str]


def fill_in(pod: JSON, ranges: Iterable[JSON]) -> None:
    """Give, in place, the containers of a pod the requests and limits that they leave out; an annotation says so."""
    requests: Texts = {}
    limits: Texts = {}
    for item in _items_of(ranges, "Container"):
        requests |= item.get("defaultRequest") or {}
        limits |= item.get("default") or {}
    done: list[str] = []
    for group, word in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(group) or ():
            done += _fill_container(container, requests, limits, word)
    if done:
        said = f"LimitRanger plugin set: {'; '.join(done)}"
        pod["metadata"]["annotations"] = {**annotations_of(pod), ANNOTATION: said}


def _fill_container(container: JSON, requests: Texts, limits: Texts, word: str) -> Iterator[str]:
    resources = container.get("resources") or {}
    asked, bound = dict(resources.get("requests") or {}), dict(resources.get("limits") or {})
    # a limit that the client gave is its request too, before any default is
    new_limits = sorted(limits.keys() - bound.keys())
    new_requests = sorted(requests.keys() - asked.keys() - bound.keys())
    if not new_limits and not new_requests:
        return
    bound |= {name: str(limits[name]) for name in new_limits}
    asked |= {name: str(requests[name]) for name in new_requests}
    made = {**resources, "requests": asked, "limits": bound}
    container["resources"] = {kind: value for kind, value in made.items() if value}
    for names, what in ((new_requests, "request"), (new_limits, "limit")):
        if names:
            yield f"{', '.join(names)} {what} for {word} {container.get('name', '')}"


def bounded(resource: str, obj: JSON) -> list[JSON | None]:
    """Return what LimitRanges bound of an object: the resources of a pod, its containers and a claim; else nothing."""
    if resource == "persistentvolumeclaims":
        return [spec_of(obj).get("resources")]
    if resource != "pods":
        return []
    return [each.get("resources") for each in (spec_of(obj), *all_containers(spec_of(obj)))]


def problems(resource: str, obj: JSON, ranges: list[JSON]) -> list[str]:
    """Return what of a pod or a PersistentVolumeClaim is out of bounds, a sentence each."""
    found: list[str] = []
    if resource == "persistentvolumeclaims":
        storage = claimed_storage(obj)
        for item in _items_of(ranges, "PersistentVolumeClaim"):
            asked = {"storage": storage} if storage else {}
            found += _bound_problems(item, asked, asked, upper="request")
        return list(dict.fromkeys(found))
    for item in _items_of(ranges, "Container"):
        for container in all_containers(obj["spec"]):
            found += _bound_problems(item, amounts(container, "requests"), amounts(container, "limits"))
    for item in _items_of(ranges, "Pod"):
        requests, limits = (
            {name: str(amount) for name, amount in pod_totals(obj["spec"], kind).items()}
            for kind in ("requests", "limits")
        )
        found += _bound_problems(item, requests, limits)
    return list(dict.fromkeys(found))


def _items_of(ranges: Iterable[JSON], kind: str) -> Iterator[JSON]:
    return (item for each in ranges for item in spec_of(each).get("limits") or () if item.get("type") == kind)


def _bound_problems(item: JSON, requests: Texts, limits: Texts, *, upper: str = "limit") -> Iterator[str]:
    """Yield how amounts break an item's bounds; `upper` is what its maximum is compared with, in words."""
    kind = item["type"]
    for name, low in (item.get("min") or {}).items():
        head, asked, bound = f"minimum {name} usage per {kind} is {low}", requests.get(name), limits.get(name)
        if asked is None:
            yield f"{head}.  No request is specified"
        elif nanos(asked) < nanos(low):
            yield f"{head}, but request is {asked}"
        elif bound is not None and nanos(low) > nanos(bound):
            yield f"{head}, but limit is {bound}"
    for name, high in (item.get("max") or {}).items():
        head, asked, bound = (f"maximum {name} usage per {kind} is {high}", requests.get(name), limits.get(name))
        if bound is None:
            yield f"{head}.  No {upper} is specified"
        elif nanos(bound) > nanos(high):
            yield f"{head}, but {upper} is {bound}"
        elif asked is not None and nanos(asked) > nanos(high):
            yield f"{head}, but request is {asked}"
    for name, ratio in (item.get("maxLimitRequestRatio") or {}).items():
        request, limit = nanos(requests.get(name, 0)), nanos(limits.get(name, 0))
        head = f"{name} max limit to request ratio per {kind} is {ratio}"
        if not request or not limit:
            what = "limit" if request else "request"
            yield f"{head}, but no {what} is specified or {what} is 0"
        elif limit * 10**9 > nanos(ratio) * request:
            yield f"{head}, but provided ratio is {limit / request:f}"
