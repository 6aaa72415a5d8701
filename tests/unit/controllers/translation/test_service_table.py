"""Services as tables of names and forwards, and what is said of what a provider does not give."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.translation.service_table import service_table
from chalicelib.controllers.translation.service_warnings import service_warnings
from chalicelib.providers.service_table import Forward, ServiceTable

NETWORK = IPv4Network("10.201.8.0/22")
ADDRESS = "10.201.9.9"
NAME = "web.ns.svc.cluster.local"


def service(name: str = "web", **spec: Any) -> JSON:  # Any: fields of a Service's spec
    whole = {"type": "ClusterIP", "clusterIP": ADDRESS, "selector": {"app": "web"}, "ports": [{"port": 80}]}
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": whole | spec}


def member(address: str, *, ready: bool = True, namespace: str = "ns", app: str = "web", **spec: Any) -> JSON:
    return {
        "metadata": {"name": f"pod-{address}", "namespace": namespace, "labels": {"app": app, "x": "y"}},
        "spec": spec,
        "status": {"podIP": address, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def table(*services: JSON, pods: list[JSON], slices: tuple[JSON, ...] = (), network: Any = NETWORK) -> ServiceTable:
    return service_table(services, pods, slices, network=network, revision=7)


def test_a_name_leads_to_the_address_and_the_address_to_the_pods() -> None:
    others = [member("10.0.0.3", app="db"), member("10.0.0.4", namespace="other"), member("10.0.0.5", ready=False)]

    found = table(service(), pods=[member("10.0.0.2"), member("10.0.0.1"), *others])

    forward = Forward(ADDRESS, 80, (("10.0.0.1", 80), ("10.0.0.2", 80)))
    assert found == ServiceTable(7, names=((NAME, (ADDRESS,)),), forwards=(forward,))


def test_a_pod_that_goes_is_behind_nothing() -> None:
    going = member("10.0.0.1")
    going["metadata"]["deletionTimestamp"] = "2026-11-29T00:00:00Z"

    assert table(service(), pods=[going]).forwards == (Forward(ADDRESS, 80, ()),)


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"port": 80, "targetPort": 8080}, 8080),
        ({"port": 80, "targetPort": "8080"}, 8080),
        ({"port": 80, "targetPort": "http"}, 8000),
        ({"port": 80, "targetPort": "dns"}, None),
        ({"port": 80, "targetPort": "none"}, None),
    ],
)
def test_connections_go_to_the_target_port(port: JSON, expected: int | None) -> None:
    ports = [{"name": "http", "containerPort": 8000}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]
    pod = member("10.0.0.1", containers=[{"ports": ports}])

    (forward,) = table(service(ports=[port]), pods=[pod]).forwards

    assert forward.backends == ((("10.0.0.1", expected),) if expected else ())


def test_datagrams_are_not_forwarded() -> None:
    assert table(service(ports=[{"port": 53, "protocol": "UDP"}]), pods=[member("10.0.0.1")]).forwards == ()


def test_affinity_of_clients_is_kept() -> None:
    assert table(service(sessionAffinity="ClientIP"), pods=[member("10.0.0.1")]).forwards[0].sticky


@pytest.mark.parametrize(("network", "address"), [(NETWORK, "None"), (None, ADDRESS), (NETWORK, "10.96.0.7")])
def test_without_an_address_the_name_leads_to_the_pods(network: IPv4Network | None, address: str) -> None:
    pods = [
        member("10.0.0.2", hostname="web-1", subdomain="web"),
        member("10.0.0.1", hostname="web-0", subdomain="other"),
        member("10.0.0.3", ready=False, hostname="web-2", subdomain="web"),
    ]

    found = table(service(clusterIP=address), pods=pods, network=network)

    assert dict(found.names) == {NAME: ("10.0.0.1", "10.0.0.2"), f"web-1.{NAME}": ("10.0.0.2",)}
    assert found.forwards == ()


def test_unready_pods_are_published_where_asked_for() -> None:
    found = table(service(clusterIP="None", publishNotReadyAddresses=True), pods=[member("10.0.0.1", ready=False)])

    assert dict(found.names) == {NAME: ("10.0.0.1",)}


def test_a_service_without_a_selector_has_its_slices() -> None:
    ends = [{"addresses": ["192.0.2.1"]}, {"addresses": ["192.0.2.2"], "conditions": {"ready": False}}]
    labels = {"kubernetes.io/service-name": "web"}
    slice_ = {
        "metadata": {"name": "s", "namespace": "ns", "labels": labels},
        "endpoints": ends,
        "ports": [{"name": "https", "port": 8001}],
    }
    ports = [{"name": "https", "port": 443}, {"name": "other", "port": 1}]

    found = table(service(selector=None, ports=ports), pods=[], slices=(slice_,))

    assert found.forwards == (Forward(ADDRESS, 443, (("192.0.2.1", 8001),)), Forward(ADDRESS, 1, ()))
    assert table(service(), pods=[], slices=(slice_,)).forwards == (Forward(ADDRESS, 80, ()),)


def test_an_external_name_stands_for_another() -> None:
    found = table(service(type="ExternalName", externalName="DB.example.com."), pods=[])

    assert (found.canonical, found.names) == (((NAME, "db.example.com"),), ())


class Serving:
    """Services of a provider, as far as warnings look at them."""

    def __init__(self, network: IPv4Network | None = NETWORK, problem: str = "") -> None:
        self.network = network
        self.proxy_addresses: tuple[str, ...] = ()
        self._problem = problem

    def problem(self) -> str:
        """Return why there are none."""
        return self._problem

    def publish(self, table: ServiceTable) -> None:
        """Do nothing."""


HEADLESS = {"clusterIP": "None"}
OTHER_TARGET = {"ports": [{"port": 80, "targetPort": 8080}]}


@pytest.mark.parametrize(
    ("serving", "spec", "words"),
    [
        (None, {}, ["its name does not resolve in pods and its clusterIP leads nowhere: provider p serves no names"]),
        (Serving(problem="no image"), HEADLESS, ["leads nowhere: no image"]),
        (Serving(), {}, []),
        (Serving(), OTHER_TARGET, []),
        (Serving(), HEADLESS, []),
        (Serving(), {"type": "NodePort"}, ["spec.type: NodePort is not reachable from outside"]),
        (Serving(), {"ports": [{"port": 53, "protocol": "UDP"}]}, ["spec.ports[0].protocol: UDP is not forwarded"]),
        (Serving(None), {}, ["spec.clusterIP: leads nowhere"]),
        (Serving(None), OTHER_TARGET, ["spec.ports[0].targetPort: not honoured by provider p", "spec.clusterIP"]),
        (Serving(None), HEADLESS | OTHER_TARGET, []),
        (Serving(), {"type": "ExternalName"}, []),
        (Serving(None), {"type": "ExternalName"}, ["spec.externalName: does not resolve"]),
    ],
)
def test_what_does_not_work_is_said(serving: Serving | None, spec: JSON, words: list[str]) -> None:
    said = service_warnings(service(**spec), serving, "p")

    assert len(said) == len(words)
    assert all(each in sentence for each, sentence in zip(words, said, strict=True))


def test_of_a_drivers_own_service_nothing_is_said() -> None:
    own = service()
    own["metadata"]["ownerReferences"] = [{"kind": "Pod", "name": "driver"}]

    assert service_warnings(own, None, "p") == []
