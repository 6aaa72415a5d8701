"""The API's own Service, and when a provider is told of which Services."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.service_table import ServiceTable
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

NAME = "web.ns.svc.cluster.local"


class Services:
    """Services that a test looks at: every table that was published."""

    def __init__(self, network: str) -> None:
        self.network = IPv4Network(network)
        self.proxy_addresses: tuple[str, ...] = ()
        self.tables: list[ServiceTable] = []
        self.fails = False

    def problem(self) -> str:
        """Return that there is none."""
        return ""

    def publish(self, table: ServiceTable) -> None:
        """Keep the table. Raises ProviderUnavailable where the test wants it."""
        if self.fails:
            raise ProviderUnavailable("Gone", "no engine")
        self.tables.append(table)

    def names(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the last table."""
        return dict(self.tables[-1].names)


class ServingProvider(FakeProvider):
    """A fake provider whose tasks find services."""

    def __init__(self, network: str = "10.201.8.0/22") -> None:
        super().__init__()
        self.services = Services(network)


@pytest.fixture
def provider() -> ServingProvider:
    return ServingProvider()


@pytest.fixture
def w(provider: ServingProvider) -> World:
    return World(MemoryStorage(), provider=provider)


def create_service(w: World, **spec: object) -> JSON:
    return w.create("services", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}], **spec})


def create_web_pod(w: World, name: str = "a") -> JSON:
    pod = w.create_pod(name, metadata={"labels": {"app": "web"}})
    w.observe_all()
    return pod


def api_objects(w: World) -> tuple[JSON, JSON]:
    service, slice_ = w.get("services", "kubernetes", "default"), w.get("endpointslices", "kubernetes", "default")
    assert service is not None
    assert slice_ is not None
    return service, slice_


def test_the_api_has_a_service_and_its_endpoints(w: World) -> None:
    w.run_chores()

    service, slice_ = api_objects(w)
    assert service["spec"]["clusterIP"] == "10.201.8.1"
    assert service["spec"]["ports"] == [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}]
    assert slice_["addressType"] == "FQDN"
    assert slice_["endpoints"] == [{"addresses": ["plane.example"], "conditions": {"ready": True}}]
    assert [each["port"] for each in slice_["ports"]] == [443]
    assert slice_["metadata"]["labels"] == {"kubernetes.io/service-name": "kubernetes"}


def test_the_apis_service_is_made_again_and_follows_the_network_and_the_server(w: World) -> None:
    w.run_chores()
    uid = api_objects(w)[0]["metadata"]["uid"]
    w.run_chores()
    assert api_objects(w)[0]["metadata"]["uid"] == uid

    other = World(w.storage, provider=ServingProvider("10.202.0.0/24"), first=False)
    other.run_chores()

    assert api_objects(w)[0]["spec"]["clusterIP"] == "10.202.0.1"


def test_services_have_addresses_of_the_providers_network(w: World, provider: ServingProvider) -> None:
    address = create_service(w)["spec"]["clusterIP"]

    assert address in {str(each) for each in provider.services.network}
    assert address != str(provider.services.network[1])


def test_a_service_made_after_its_pods_is_told_at_once(w: World, provider: ServingProvider) -> None:
    create_web_pod(w)
    create_service(w, clusterIP="None")

    (address,) = provider.services.names()[NAME]
    assert address == w.pod()["status"]["podIP"]


def test_pods_that_come_and_go_are_told_at_once(w: World, provider: ServingProvider) -> None:
    create_service(w, clusterIP="None")
    assert provider.services.names()[NAME] == ()

    create_web_pod(w)
    assert provider.services.names()[NAME] != ()

    w.provider.finish(w.handle(), 0)
    w.observe_all()
    assert provider.services.names()[NAME] == ()


def test_pods_of_no_service_make_no_difference(w: World, provider: ServingProvider) -> None:
    create_service(w)
    before = len(provider.services.tables)

    w.create_pod("b", metadata={"labels": {"app": "other"}})
    w.observe_all()

    assert len(provider.services.tables) == before


def test_a_service_that_goes_is_told(w: World, provider: ServingProvider) -> None:
    create_service(w)

    w.delete("services", "web")

    assert NAME not in provider.services.names()


def test_what_another_server_did_is_told_by_a_chore(w: World, provider: ServingProvider) -> None:
    other = World(w.storage, first=False)
    w.run_chores()
    create_service(other)
    assert NAME not in provider.services.names()

    w.controllers.services.catch_up()

    assert NAME in provider.services.names()
    told = len(provider.services.tables)
    w.controllers.services.catch_up()
    assert len(provider.services.tables) == told


def test_an_engine_that_was_away_is_told_later(w: World, provider: ServingProvider) -> None:
    provider.services.fails = True
    create_service(w)
    provider.services.fails = False

    w.controllers.services.catch_up()

    assert NAME in provider.services.names()


def test_pods_are_given_the_apis_address(w: World, provider: ServingProvider) -> None:
    create_web_pod(w)

    env = dict(provider.tasks[0].containers[0].env)

    assert (env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"]) == ("10.201.8.1", "443")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8001", ("127.0.0.1", "8001")),
        ("https://plane.example", ("plane.example", "443")),
        ("https://plane.example/api", None),
    ],
)
def test_without_a_network_pods_are_given_the_urls(url: str, expected: tuple[str, str] | None) -> None:
    w = World(MemoryStorage(), pod_url=url)
    create_web_pod(w)

    env = dict(w.provider.tasks[0].containers[0].env)

    found = (env["KUBERNETES_SERVICE_HOST"], env["KUBERNETES_SERVICE_PORT"]) if env else None
    assert found == expected
