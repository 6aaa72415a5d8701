"""The variables by which pods find the API and Services. Compare kubernetes/pkg/kubelet/envvars."""

from __future__ import annotations

from ipaddress import IPv4Network

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.translation.network import ApiAddress, service_env
from tests.unit.controllers.builders import pod
from tests.unit.controllers.translation.builders import Objects

NETWORK = IPv4Network("10.201.8.0/22")
API = ApiAddress("10.201.8.1", 443)
API_VARIABLES = {
    "KUBERNETES_SERVICE_HOST": "10.201.8.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "KUBERNETES_SERVICE_PORT_HTTPS": "443",
    "KUBERNETES_PORT": "tcp://10.201.8.1:443",
    "KUBERNETES_PORT_443_TCP": "tcp://10.201.8.1:443",
    "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
    "KUBERNETES_PORT_443_TCP_PORT": "443",
    "KUBERNETES_PORT_443_TCP_ADDR": "10.201.8.1",
}


def service(name: str, address: str, *ports: JSON) -> tuple[tuple[str, str], JSON]:
    spec = {"clusterIP": address, "ports": list(ports)}
    return ("services", name), {"metadata": {"name": name, "namespace": "ns"}, "spec": spec}


LOOKUP = Objects(
    dict(
        [
            service("my-db", "10.201.9.9", {"name": "sql-tls", "port": 5433}, {"port": 53, "protocol": "UDP"}),
            service("headless", "None", {"port": 1}),
            service("from-before", "10.96.1.1", {"port": 1}),
            service("elsewhere", "", {"port": 1}),
        ]
    )
)


def test_each_service_with_an_address_has_its_variables() -> None:
    found = dict(service_env(pod(), LOOKUP, api=API, network=NETWORK))

    assert found == API_VARIABLES | {
        "MY_DB_SERVICE_HOST": "10.201.9.9",
        "MY_DB_SERVICE_PORT": "5433",
        "MY_DB_SERVICE_PORT_SQL_TLS": "5433",
        "MY_DB_PORT": "tcp://10.201.9.9:5433",
        "MY_DB_PORT_5433_TCP": "tcp://10.201.9.9:5433",
        "MY_DB_PORT_5433_TCP_PROTO": "tcp",
        "MY_DB_PORT_5433_TCP_PORT": "5433",
        "MY_DB_PORT_5433_TCP_ADDR": "10.201.9.9",
        "MY_DB_PORT_53_UDP": "udp://10.201.9.9:53",
        "MY_DB_PORT_53_UDP_PROTO": "udp",
        "MY_DB_PORT_53_UDP_PORT": "53",
        "MY_DB_PORT_53_UDP_ADDR": "10.201.9.9",
    }


def test_without_service_links_the_api_alone_is_named() -> None:
    assert dict(service_env(pod(enableServiceLinks=False), LOOKUP, api=API, network=NETWORK)) == API_VARIABLES


def test_where_services_have_no_addresses_there_is_nothing_to_name() -> None:
    assert service_env(pod(), LOOKUP, api=None, network=None) == ()
