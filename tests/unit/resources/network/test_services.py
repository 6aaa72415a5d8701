"""Services: addresses, ports, and what an update may leave out."""

from __future__ import annotations

import copy
import ipaddress
from datetime import UTC, datetime

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.network.service_addresses import NODE_PORTS, SERVICE_NETWORK
from tests.unit.registry.bodies import made, strategy

PORT: JSON = {"port": 80}
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _never() -> list[JSON]:
    raise AssertionError("nothing had to be given, so nobody need be asked")


def _allocated(spec: JSON, *others: JSON) -> tuple[JSON, list[str]]:
    each, obj = made("Service", {"spec": spec})
    causes = each.allocate(obj, None, lambda: others)
    return obj["spec"], [f"{cause.field}: {cause.message}" for cause in causes]


def _other(**spec: object) -> JSON:
    return {"metadata": {"uid": "another"}, "spec": spec}


def test_a_service_is_given_an_address_of_the_range() -> None:
    spec, causes = _allocated({"ports": [PORT]})

    assert causes == []
    assert ipaddress.ip_address(spec["clusterIP"]) in SERVICE_NETWORK
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")


def test_a_taken_address_is_not_given_again() -> None:
    first, _ = _allocated({"ports": [PORT]})

    second, _ = _allocated({"ports": [PORT]}, _other(clusterIPs=first["clusterIPs"]))

    assert second["clusterIP"] != first["clusterIP"]


def test_a_taken_address_can_not_be_asked_for() -> None:
    _, causes = _allocated({"clusterIP": "10.96.0.9", "ports": [PORT]}, _other(clusterIPs=["10.96.0.9"]))

    why = "failed to allocate IP 10.96.0.9: provided IP is already allocated"
    assert causes == [f'spec.clusterIPs: Invalid value: ["10.96.0.9"]: {why}']


def test_a_headless_service_asks_nobody() -> None:
    each, obj = made("Service", {"spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [PORT]}})

    assert each.allocate(obj, None, _never) == []
    assert obj["spec"]["clusterIPs"] == ["None"]


def test_a_headless_service_without_a_selector_may_have_either_family() -> None:
    _, obj = made("Service", {"spec": {"clusterIP": "None"}})

    assert obj["spec"]["ipFamilyPolicy"] == "RequireDualStack"
    assert obj["spec"]["ipFamilies"] == ["IPv4", "IPv6"]


def test_every_port_of_a_node_port_service_gets_a_number() -> None:
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]

    spec, causes = _allocated({"type": "NodePort", "ports": ports})

    numbers = {port["nodePort"] for port in spec["ports"]}
    assert causes == []
    assert len(numbers) == 2
    assert numbers < set(NODE_PORTS)


ASKED = [
    (30100, "provided port is already allocated"),
    (80, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
]


@pytest.mark.parametrize(("number", "why"), ASKED)
def test_a_node_port_must_be_free_and_in_range(number: int, why: str) -> None:
    spec = {"type": "NodePort", "ports": [{"port": 1, "nodePort": number}]}

    _, causes = _allocated(spec, _other(ports=[{"nodePort": 30100}]))

    assert causes == [f"spec.ports[0].nodePort: Invalid value: {number}: {why}"]


def _updated(old_spec: JSON, new_spec: JSON) -> JSON:
    each, old = made("Service", {"spec": old_spec})
    assert each.allocate(old, None, list) == []
    new = {"metadata": dict(old["metadata"]), "spec": copy.deepcopy(new_spec)}
    each.default(new)
    each.prepare_for_update(new, old)
    assert list(each.validate_update(new, old)) == []
    assert each.allocate(new, old, lambda: [old]) == []
    before: JSON = old["spec"]
    return {"old": before, "new": new["spec"]}


def test_an_update_keeps_the_address_and_ports_it_does_not_mention() -> None:
    spec = {"type": "NodePort", "ports": [PORT]}

    both = _updated(spec, spec)

    assert both["new"] == both["old"]


def test_a_service_that_is_no_longer_exposed_lets_go_of_its_ports() -> None:
    both = _updated({"type": "NodePort", "ports": [PORT]}, {"ports": [PORT]})

    assert both["new"]["clusterIP"] == both["old"]["clusterIP"]
    assert both["new"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert "externalTrafficPolicy" not in both["new"]


def test_an_alias_has_no_address() -> None:
    both = _updated({"ports": [PORT]}, {"type": "ExternalName", "externalName": "a.example"})

    assert not {"clusterIP", "clusterIPs", "ipFamilies"} & both["new"].keys()


def test_a_service_that_was_an_alias_is_given_an_address() -> None:
    both = _updated({"type": "ExternalName", "externalName": "a.example"}, {"ports": [PORT]})

    assert both["new"]["clusterIP"]


EXTERNAL = [
    ({"type": "ClusterIP"}, {}, "<none>"),
    ({"type": "NodePort", "externalIPs": ["1.2.3.4"]}, {}, "1.2.3.4"),
    ({"type": "LoadBalancer"}, {}, "<pending>"),
    ({"type": "LoadBalancer"}, {"loadBalancer": {"ingress": [{"hostname": "h"}]}}, "h"),
    ({"type": "ExternalName", "externalName": "x.example"}, {}, "x.example"),
]


@pytest.mark.parametrize(("spec", "status", "shown"), EXTERNAL)
def test_the_external_address_shown_follows_the_type(spec: JSON, status: JSON, shown: str) -> None:
    each, obj = made("Service", {})

    row = each.cells({**obj, "spec": spec, "status": status}, _NOW)

    assert row[3] == shown


def test_ports_and_selector_are_shown_in_short() -> None:
    ports = [{"port": 80, "nodePort": 30001, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]

    row = strategy("Service").cells({"spec": {"ports": ports, "selector": {"b": "c", "a": "b"}}}, _NOW)

    assert row[4] == "80:30001/TCP,53/UDP"
    assert row[6] == "a=b,b=c"
