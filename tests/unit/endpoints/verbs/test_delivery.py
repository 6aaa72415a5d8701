"""Who is sent to the function that streams, and where."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin

import pytest

from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.endpoints.auth.limits import Limits, UserLimits
from chalicelib.endpoints.auth.open_streams import OpenStreams
from chalicelib.endpoints.http import responses
from chalicelib.endpoints.http.representation import Shaper
from chalicelib.endpoints.http.requests import RequestInfo, User
from chalicelib.endpoints.verbs import watching
from chalicelib.endpoints.verbs.delivery import MAX_HOLD_SECONDS, SHORT_STREAM_SECONDS, Delivery
from chalicelib.endpoints.verbs.watching import WatchEndpoint
from chalicelib.registry.options import ListOptions
from chalicelib.registry.registry import Registry
from chalicelib.registry.watch import Watch
from chalicelib.storage.base import StoredObject
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.api_client import ApiClient
from tests.unit.controllers.world import WORLD, World

PODS = "/api/v1/namespaces/ns/pods"
KUBECTL = "kubectl/v1.32.4 (linux/amd64) kubernetes/59526cd"
ANA = RequestInfo(verb="watch", path=PODS, method="GET", user=User("ana"))
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
        (KUBECTL, "kubectl wait", "", True),
        (KUBECTL, "kubectl rollout status", "412", True),  # a reflector that gives up before this answer ends
        (KUBECTL, "kubectl delete", "412", True),
        ("spark-operator/v2.3 (linux/arm64) kubernetes/$Format", "", "412", False),  # asks again by itself
        ("fabric8-kubernetes-client/7.6.1", "", "", False),
        ("OpenAPI-Generator/33.1.0/python", "", "", False),
        ("curl/8.5.0", "", "", False),  # does not follow
        ("", "", "", False),
    ],
)
def test_a_watch_is_sent_on_if_its_client_cannot_do_with_a_buffer(
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


class NotedRegistry(Registry):
    """Notes how long each watch is to last."""

    seconds: list[float]

    def watch(self, namespace: str | None, options: ListOptions, *, seconds: float) -> Watch:
        self.seconds.append(seconds)
        return super().watch(namespace, options, seconds=seconds)


@pytest.mark.parametrize(
    ("longest", "asked", "lasts"), [(870.0, "", 870.0), (870.0, "5", 5.0), (870.0, "900", 870.0), (None, "", 1800.0)]
)
def test_a_stream_ends_before_its_function_must(world: World, longest: float | None, asked: str, lasts: float) -> None:
    pods = world.registries[("", "pods")]
    registry = NotedRegistry(pods.strategy, pods._parts)
    registry.seconds = []
    endpoint = WatchEndpoint(
        Shaper(world.clock),
        Limits(UserLimits()),
        delivery=Delivery(streams=True, longest_seconds=longest),
        clock=world.clock,
        jitter=lambda: 0.0,
    )

    query = {"timeoutSeconds": [asked]} if asked else {}
    endpoint.answer(registry, RequestInfo(verb="watch", path=PODS, method="GET", namespace="ns", query=query))

    assert registry.seconds == [lasts]


def test_a_stream_too_many_is_as_short_as_a_buffer_until_another_ends(world: World) -> None:
    delivery = Delivery(streams=True, longest_seconds=870.0, open_streams=open_streams(world, most=1))
    lasting: list[float | None] = []

    def begin(seconds: float | None) -> Iterator[bytes]:
        lasting.append(seconds)
        return iter([b"a"])

    first = delivery.stream(ANA, begin)
    second = delivery.stream(ANA, begin)
    ended = [list(first), list(second)]
    delivery.stream(ANA, begin)

    assert ended == [[b"a"], [b"a"]]
    assert lasting == [870.0, MAX_HOLD_SECONDS, 870.0]


def test_a_stream_that_could_not_begin_is_not_open(world: World) -> None:
    delivery = Delivery(streams=True, longest_seconds=870.0, open_streams=open_streams(world, most=1))

    def refuses(seconds: float | None) -> Iterator[bytes]:
        raise ValueError(seconds)

    for _ in range(2):
        with pytest.raises(ValueError, match=r"870"):
            delivery.stream(ANA, refuses)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("kubectl wait", SHORT_STREAM_SECONDS),
        ("kubectl rollout status", SHORT_STREAM_SECONDS),
        ("kubectl delete", SHORT_STREAM_SECONDS),
        ("kubectl get", 870.0),
        ("kubectl events", 870.0),
        ("", 870.0),
    ],
)
def test_a_kubectl_that_asks_again_gets_short_streams_and_takes_nobodys_place(
    world: World, command: str, expected: float
) -> None:
    delivery = Delivery(streams=True, longest_seconds=870.0, open_streams=open_streams(world, most=1))
    lasting: list[float | None] = []

    def begin(seconds: float | None) -> Iterator[bytes]:
        lasting.append(seconds)
        return iter([b"a"])

    first = delivery.stream(replace(ANA, headers={"kubectl-command": command}), begin)
    second = delivery.stream(ANA, begin)

    assert [list(first), list(second)] == [[b"a"], [b"a"]]
    assert lasting == [expected, 870.0 if expected < 870.0 else MAX_HOLD_SECONDS]


def test_streams_are_counted_over_processes_and_of_each_user_and_expire(world: World) -> None:
    here, there = open_streams(world, most=3, most_of_user=2), open_streams(world, most=3, most_of_user=2)

    mine = [here.take("ana"), there.take("ana"), here.take("ana")]
    others = [there.take("bob"), here.take("eve")]
    world.pass_time(870.0)
    later = [here.take("ana"), there.take("ana"), here.take("ana")]

    assert [each is not None for each in mine] == [True, True, False]
    assert [each is not None for each in others] == [True, False]
    assert [each is not None for each in later] == [True, True, False]


def test_none_is_open_where_none_may_be(world: World) -> None:
    assert open_streams(world, most=0).take("ana") is None


def test_a_function_that_streams_counts_watches_and_followed_logs_and_its_lists_have_a_limit(tmp_path: Path) -> None:
    world = World(SqliteStorage(tmp_path / "db"), host=replace(WORLD, streams=True, stream_seconds=870.0))
    api = ApiClient(world.plane)
    world.create_pod("a")
    world.provider.say(handle_of(world.pod("a")), "c", b"said\n")
    for name in ("b", "c", "d", "e", "f", "g", "h"):
        world.create("configmaps", name, data={"a": "x" * 1_000_000})

    plain = api.request("GET", f"{PODS}/a/log")
    noted = [world.get("sparkanywhere-streams", "open", namespace=None)]
    answers = []
    for path, query in ((PODS, {"watch": "1", "timeoutSeconds": "1"}), (f"{PODS}/a/log", {"follow": "1"})):
        answers.append(api.request("GET", path, query=query))
        noted.append(world.get("sparkanywhere-streams", "open", namespace=None))
    large = api.request("GET", "/api/v1/namespaces/ns/configmaps")

    assert [each.status for each in (plain, *answers, large)] == [200, 200, 200, 413]
    assert plain.body == answers[1].body == "said\n"
    assert noted[0] is None
    assert [each and each["open"] for each in noted[1:]] == [{}, {}]
    versions = [each["metadata"]["resourceVersion"] for each in noted[1:] if each]
    assert len(set(versions)) == 2
    world.plane.close()


def open_streams(world: World, *, most: int, most_of_user: int = 4) -> OpenStreams:
    """Return what a process of the function that streams has."""
    return OpenStreams(
        world.storage,
        most=most,
        most_of_user=most_of_user,
        seconds=870.0,
        clock=world.clock,
        new_uid=lambda: str(uuid.uuid4()),
    )


def test_an_event_is_written_once_for_all_who_hear_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(SqliteStorage(tmp_path / "db"), host=replace(WORLD, streams=True))
    written: list[str] = []
    typed = responses.typed_text

    def noting(registry: Registry, stored: StoredObject) -> str:
        written.append(stored.key)
        return typed(registry, stored)

    monkeypatch.setattr(watching, "typed_text", noting)
    api, since = ApiClient(world.plane), world.storage.revision()
    watches = [api.watch(PODS, resourceVersion=str(since), timeoutSeconds="10") for _ in range(3)]
    world.create_pod("a")

    frames = [next(each) for each in watches]
    for each in watches:
        each.close()
    world.plane.close()

    assert [frame["object"]["metadata"]["name"] for frame in frames] == ["a"] * 3
    assert len(written) == 1
