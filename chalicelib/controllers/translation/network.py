"""The names by which pods find one another, for providers without a cluster's DNS.

Compare "DNS for Services and Pods" in the Kubernetes docs (v1.36). Services have no virtual address
here: a name leads to the pods that the Service selects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from chalicelib.apimachinery.accessors import labels_of, spec_of, status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.objects import Lookup

CLUSTER_DOMAIN = "cluster.local"
HOSTNAME_LIMIT = 63  # characters of a DNS label

_NAME = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"  # of a Service or a namespace; each look goes only so far
_SERVICE_NAME = re.compile(rf"\b({_NAME})\.({_NAME})\.svc\b")


def hostname(pod: JSON) -> str:
    """Return what the pod calls itself: spec.hostname, else its name cut to a DNS label."""
    given = spec_of(pod).get("hostname")
    return str(given) if given else str(pod["metadata"]["name"])[:HOSTNAME_LIMIT].rstrip("-.")


def service_names(name: str, namespace: str) -> tuple[str, ...]:
    """Return the names that lead to a Service from its own namespace, shortest first."""
    long = f"{name}.{namespace}.svc"
    return (name, f"{name}.{namespace}", long, f"{long}.{CLUSTER_DOMAIN}")


def selects(service: JSON, pod: JSON) -> bool:
    """Return whether a Service leads to the pod."""
    spec = spec_of(service)
    selector = spec.get("selector") or {}
    labels = labels_of(pod)
    by_name = spec.get("type") != "ExternalName"
    return by_name and bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def aliases(pod: JSON, lookup: Lookup) -> tuple[str, ...]:
    """Return the names that should lead to this pod: of Services that select it, and its subdomain's."""
    metadata, spec = pod["metadata"], spec_of(pod)
    namespace = metadata.get("namespace", "")
    values = [f'"{value}"' for value in (metadata.get("labels") or {}).values()]
    services = lookup.mentioning("services", namespace, values)
    found: list[str] = []
    for service in services:
        if selects(service, pod):
            found.extend(service_names(service["metadata"]["name"], namespace))
    if spec.get("subdomain"):
        found.extend(service_names(f"{hostname(pod)}.{spec['subdomain']}", namespace)[1:])
    return tuple(dict.fromkeys(found))


def host_entries(pod: JSON, lookup: Lookup, texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return (address, name) pairs: the pod's hostAliases, and the Services that `texts` mention.

    Only Services spelled `<name>.<namespace>.svc` count, and only pods that have an address by now.
    """
    entries = [
        (alias.get("ip", ""), name)
        for alias in spec_of(pod).get("hostAliases") or ()
        for name in alias.get("hostnames") or ()
    ]
    likely = [text for text in texts if ".svc" in text]  # a pattern alone would cost more than all the rest
    mentioned = dict.fromkeys(match.groups() for text in likely for match in _SERVICE_NAME.finditer(text))
    for name, namespace in mentioned:
        service = lookup.find("services", namespace, name)
        if service is None or selects(service, pod):
            continue
        behind = (each for each in _candidates(service, namespace, pod, lookup) if selects(service, each))
        address = next((str(found) for each in behind if (found := status_of(each).get("podIP"))), "")
        if address:
            own = namespace == pod["metadata"].get("namespace", "")
            entries += [(address, each) for each in service_names(name, namespace)[0 if own else 1 :]]
    return tuple(dict.fromkeys(entries))


def _candidates(service: JSON, namespace: str, pod: JSON, lookup: Lookup) -> Iterator[JSON]:
    """Yield pods that may be behind a Service: owners first, since reading all pods costs the most."""
    for holder in (service, pod):
        for owner in holder["metadata"].get("ownerReferences") or ():
            is_pod = owner.get("kind") == "Pod"
            found = lookup.find("pods", namespace, owner.get("name", "")) if is_pod else None
            if found:
                yield found
    values = list((spec_of(service).get("selector") or {}).values())
    yield from lookup.mentioning("pods", namespace, [f'"{value}"' for value in values[:1]])
