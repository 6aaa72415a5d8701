"""What a new Service asks for and the provider does not give, in sentences for Warning headers. Pure."""

from __future__ import annotations

from chalicelib.apimachinery.accessors import owners_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers.service_table import Services


def service_warnings(service: JSON, services: Services | None, name: str) -> list[str]:
    """Return one sentence for each thing that a new Service asks for and provider `name` does not give."""
    spec = spec_of(service)
    if any(owner.get("kind") == "Pod" for owner in owners_of(service)):
        return []  # a driver's own, which Spark needs on other clusters: here executors are given an address
    problem = services.problem() if services else f"provider {name} serves no names"
    if services is None or problem:
        return [f"spec: its name does not resolve in pods and its clusterIP leads nowhere: {problem}"]
    found = []
    kind = spec.get("type") or "ClusterIP"
    if kind in ("NodePort", "LoadBalancer"):
        found.append(f"spec.type: {kind} is not reachable from outside the pods' network; kubectl port-forward is")
    if kind == "ExternalName" and services.network is None:
        found.append(f"spec.externalName: does not resolve with provider {name}")
    if kind == "ExternalName" or spec.get("clusterIP") == "None":
        return found
    for index, port in enumerate(spec.get("ports") or ()):
        where, target = f"spec.ports[{index}]", port.get("targetPort") or port.get("port")
        if services.network is None and target != port.get("port"):
            found.append(
                f"{where}.targetPort: not honoured by provider {name}, where a name leads to the pods themselves:"
                f" they are asked for port {port.get('port')}"
            )
        elif services.network is not None and (port.get("protocol") or "TCP") != "TCP":
            found.append(f"{where}.protocol: {port['protocol']} is not forwarded by provider {name}; headless works")
    if services.network is None:
        found.append("spec.clusterIP: leads nowhere; the Service's name leads to its pods")
    return found
