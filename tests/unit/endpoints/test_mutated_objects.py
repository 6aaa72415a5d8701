"""Requests that were right until a part of them was changed, left out or put elsewhere: never a 5xx, never a stall.

Drawn by seeds, so that each run sends the same requests; `make soak` draws others for as long as one likes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.registry.strategy import Strategy
from chalicelib.resources.catalogue import ALL
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.api_client import ApiClient
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.requests import Drawn, Requests
from tests.fuzz.widget import WIDGET
from tests.unit.controllers.world import World

REQUESTS = 40  # per kind
SECONDS = 5.0  # for requests to any route
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
WIDGETS = "/apis/example.com/v1/namespaces/ns/widgets"
DIGITS = "9" * 5000  # more than Python turns into a number


def open_world(folder: Path) -> World:
    """Return a world without limits, its store under a folder, which writes no audit log."""
    return World(SqliteStorage(folder / "objects.sqlite"), user_requests_per_second=0, namespace_objects=0)


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    """Yield what sends requests to an API with controllers behind it."""
    world = open_world(tmp_path_factory.mktemp("plane"))
    logging.disable(logging.INFO)
    yield Fuzzer(world)
    logging.disable(logging.NOTSET)
    world.plane.close()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Yield a client of a fresh API."""
    world = open_world(tmp_path)
    yield Fuzzer(world).api
    world.plane.close()


@pytest.mark.parametrize("strategy", ALL, ids=lambda each: f"{each.group}-{each.kind}")
def test_no_changed_object_makes_the_server_stumble(fuzzer: Fuzzer, strategy: Strategy) -> None:
    requests = Requests(strategy.kind)
    for _ in range(REQUESTS):
        fuzzer.send(requests.of_kind(strategy))

    group = f"apis/{strategy.group}" if strategy.group else "api"
    for accept in ("application/json", TABLE, "application/yaml"):
        url = f"/{group}/{strategy.version}/{strategy.resource}"

        assert fuzzer.send(Drawn("GET", url, b"", "", accept)) == 200


def test_no_request_to_any_route_makes_the_server_stumble(fuzzer: Fuzzer) -> None:
    requests, end = Requests("any route"), time.monotonic() + SECONDS

    while time.monotonic() < end:
        fuzzer.send(requests.any())

    assert fuzzer.sent > 100


@pytest.mark.parametrize("name", ["limit", "timeoutSeconds", "gracePeriodSeconds"])
@pytest.mark.parametrize("number", [DIGITS, f"-{DIGITS}", "²", "1_0"])
def test_a_number_that_is_none_is_refused(api: ApiClient, name: str, number: str) -> None:
    method = "DELETE" if name.startswith("grace") else "GET"

    answer = api.request(method, WIDGETS, query={name: number})

    assert answer.status == 400, answer.body


def test_a_patch_that_leaves_no_object_is_refused(api: ApiClient) -> None:
    api.create(WIDGETS, WIDGET)
    patch = [{"op": "add", "path": "", "value": "text"}]

    answer = api.request("PATCH", f"{WIDGETS}/a", patch, content_type="application/json-patch+json")

    assert answer.status == 400, answer.body


@pytest.mark.parametrize("patch", [{"spec": "1e999999"}, {"spec": {"replicas": [1]}}, {"metadata": 5}])
def test_a_patch_that_leaves_no_scale_is_refused(api: ApiClient, patch: object) -> None:
    api.create(WIDGETS, WIDGET)
    replica_sets = "/apis/apps/v1/namespaces/ns/replicasets"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template, "replicas": 0}
    api.create(replica_sets, {"metadata": {"name": "a"}, "spec": spec})

    for url in (f"{replica_sets}/a/scale", f"{WIDGETS}/a/scale"):
        answer = api.request("PATCH", url, patch, content_type="application/merge-patch+json")

        assert answer.status == 422, answer.body


@pytest.mark.parametrize("missing", ["name", "type", "jsonPath"])
def test_a_column_without_its_parts_is_refused(api: ApiClient, missing: str) -> None:
    """One that was stored would fail every request to any custom resource."""
    definition = api.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com")
    del definition["spec"]["versions"][0]["additionalPrinterColumns"][0][missing]

    answer = api.request(
        "PUT", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com", definition
    )

    assert answer.status == 422, answer.body


def test_a_column_whose_path_has_a_number_that_is_none_is_refused(api: ApiClient) -> None:
    definition = api.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com")
    definition["spec"]["versions"][0]["additionalPrinterColumns"][0]["jsonPath"] = f".spec.items[{DIGITS}].n"

    answer = api.request(
        "PUT", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com", definition
    )

    assert answer.status == 422, answer.body


@pytest.mark.parametrize("port", ["00008099999", f"80{DIGITS}", "0", "65536", "²"])
def test_a_port_that_is_none_is_refused(api: ApiClient, port: str) -> None:
    pods = "/api/v1/namespaces/ns/pods"
    container = {"name": "c", "image": "i"}
    api.create(pods, {"metadata": {"name": "ported"}, "spec": {"containers": [container]}})
    upgrade = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-key": "eA=="}

    answer = api.request("GET", f"{pods}/ported/portforward", query={"ports": port}, headers=upgrade)

    assert answer.status == 400, answer.body
