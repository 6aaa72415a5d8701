"""Addresses behind Services, and the node that stands for the provider."""

from __future__ import annotations

from chalicelib.apimachinery.types import JSON
from tests.unit.controllers.world import World

PORTS: list[JSON] = [{"name": "http", "port": 80, "targetPort": "web"}]


def _service(w: World) -> None:
    w.create("services", "svc", spec={"clusterIP": "None", "selector": {"app": "x"}, "ports": PORTS})


def _pod(w: World) -> None:
    container = {"name": "c", "image": "i", "ports": [{"name": "web", "containerPort": 8080}]}
    w.create_pod("a", metadata={"labels": {"app": "x"}}, containers=[container])
    w.create_pod("other", metadata={"labels": {"app": "y"}})
    w.observe_all()


def test_a_service_shows_the_ready_pods_behind_it(w: World) -> None:
    _service(w)
    _pod(w)

    endpoints = w.get("endpoints", "svc")
    assert endpoints is not None
    (subset,) = endpoints["subsets"]
    assert [each["targetRef"]["name"] for each in subset["addresses"]] == ["a"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    slices = [item.object() for item in w.storage.list("/registry/endpointslices/ns/").items]
    assert [len(each["endpoints"]) for each in slices] == [1]
    assert slices[0]["metadata"]["labels"]["kubernetes.io/service-name"] == "svc"


def test_a_pod_that_ends_leaves_its_services(w: World) -> None:
    _pod(w)
    _service(w)

    w.provider.finish(w.handle("a"), 0)
    w.observe_all()

    endpoints = w.get("endpoints", "svc")
    assert endpoints is not None
    assert "subsets" not in endpoints


def test_addresses_go_with_their_service(w: World) -> None:
    _service(w)
    _pod(w)

    w.delete("services", "svc")

    assert w.get("endpoints", "svc") is None
    assert w.storage.list("/registry/endpointslices/ns/").items == []


def test_a_node_stands_for_the_provider(w: World) -> None:
    w.controllers.run_all()

    node = w.get("nodes", w.provider.name, namespace=None)

    assert node is not None
    assert node["status"]["capacity"]["memory"] == "16Gi"
    assert not node["spec"].get("taints")
    assert {"type": "Ready", "status": "True"}.items() <= node["status"]["conditions"][-1].items()
