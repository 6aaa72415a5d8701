"""Who is sent to the function that streams, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin

import pytest

from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.verbs.delivery import Delivery
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.api_client import ApiClient
from tests.unit.controllers.world import WORLD, World

PODS = "/api/v1/namespaces/ns/pods"
KUBECTL = "kubectl/v1.32.4 (linux/amd64) kubernetes/59526cd"
REDIRECTS = Delivery(streams=False, redirects=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(SqliteStorage(tmp_path / "db"), host=replace(WORLD, streams=False, redirects=True))
    yield world
    world.plane.close()


@pytest.mark.parametrize(
    ("agent", "command", "timeout", "is_sent_on"),
    [
        (KUBECTL, "kubectl get", "", True),
        (KUBECTL, "kubectl events", "", True),
        (KUBECTL, "", "", True),
        ("my-tool/v0.0.0 (darwin/arm64) kubernetes/$Format", "", "", True),
        (KUBECTL, "kubectl wait", "", False),  # asks again by itself
        ("spark-operator/v2.3 (linux/arm64) kubernetes/$Format", "", "412", False),  # so does a reflector
        ("fabric8-kubernetes-client/7.6.1", "", "", False),
        ("OpenAPI-Generator/33.1.0/python", "", "", False),
        ("curl/8.5.0", "", "", False),  # does not follow
        ("", "", "", False),
    ],
)
def test_a_watch_is_sent_on_if_its_client_would_end_with_a_buffer(
    agent: str, command: str, timeout: str, is_sent_on: bool
) -> None:
    query = {"watch": ["1"], "timeoutSeconds": [timeout]}
    headers = {"user-agent": agent, "kubectl-command": command}

    found = REDIRECTS.redirect(RequestInfo(verb="watch", path=PODS, method="GET", query=query, headers=headers))

    assert (found is not None) is is_sent_on


@pytest.mark.parametrize("delivery", [Delivery(streams=True), Delivery(streams=False)])
def test_nobody_is_sent_on_by_a_host_without_such_a_function(delivery: Delivery) -> None:
    asked = RequestInfo(verb="watch", path=PODS, method="GET", headers={"user-agent": KUBECTL})

    assert delivery.redirect(asked) is None


@pytest.mark.parametrize("base", ["https://id.execute-api.eu-west-1.amazonaws.com/api", "https://own.example", ""])
@pytest.mark.parametrize("path", [PODS, "/api/v1/pods", f"{PODS}/a/log", "/apis/batch/v1/namespaces/x y/jobs"])
def test_the_place_holds_behind_any_domain_and_keeps_the_query(base: str, path: str) -> None:
    query = {"labelSelector": ["a in (b,c)", "d=é&f"], "watch": ["1"]}
    asked = RequestInfo(verb="watch", path=path, method="GET", query=query, headers={"user-agent": KUBECTL})

    found = REDIRECTS.redirect(asked)

    assert found is not None
    assert (found.status_code, found.body) == (307, "")
    place = urljoin(f"{base}{path}?watch=1", str(found.headers["Location"]))
    assert place == (
        f"{base}/stream{path.replace(' ', '%20')}?labelSelector=a+in+%28b%2Cc%29&labelSelector=d%3D%C3%A9%26f&watch=1"
    )


def test_a_log_that_is_followed_is_sent_on_once_it_is_known_to_be_there(world: World) -> None:
    api = ApiClient(world.plane)
    world.create_pod("a")

    def ask(name: str, **query: str) -> tuple[int, str | None]:
        answer = api.request("GET", f"{PODS}/{name}/log", query=query, headers={"user-agent": KUBECTL})
        return answer.status, answer.headers.get("location")

    assert ask("a", follow="true") == (307, f"../../../../../../stream{PODS}/a/log?follow=true")
    assert ask("a")[0] == 200
    assert ask("gone", follow="true") == (404, None)
    assert ask("a", follow="true", container="other") == (400, None)


def test_a_stream_of_a_function_ends_before_the_function_must(tmp_path: Path) -> None:
    host = replace(WORLD, streams=True, stream_seconds=0.5)
    world = World(SqliteStorage(tmp_path / "db"), host=host)

    answer = ApiClient(world.plane).request("GET", PODS, query={"watch": "1"})  # without an end of its own

    assert answer.status == 200
    world.plane.close()
