"""Watches of the Java client on Lambda: answered at once, and how soon it is told to come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.verbs.polled_watch import MAX_WATCHES, PAUSE_SECONDS, is_polled
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.api_client import ApiClient, frames
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.world import WORLD, World

PODS = "/api/v1/namespaces/ns/pods"
SPARK_4, SPARK_3_5, SPARK_3_4 = (f"fabric8-kubernetes-client/{each}" for each in ("7.6.1", "6.7.2", "6.4.1"))
DRIVERS = {"labelSelector": "spark-role=executor"}
SUBMITTERS = {"fieldSelector": "metadata.name=driver"}
HOUR = 3600.0


@dataclass
class Fabric8:
    """Does what the Java client does with the answers to its watch; the clock is turned in place of waiting."""

    api: ApiClient
    clock: Clock
    agent: str
    selector: dict[str, str]
    revision: str = ""
    requests: int = 0
    events: list[str] = field(default_factory=list)
    errors: int = 0

    def ask(self) -> float:
        """Ask once; return the seconds that it waits until the next time."""
        query = {"watch": "true", "allowWatchBookmarks": "true", **self.selector}
        query |= {"resourceVersion": self.revision} if self.revision else {}
        answer = self.api.request("GET", PODS, query=query, headers={"user-agent": self.agent})
        self.requests += 1
        assert answer.status == 200
        wait = 1.0
        for frame in frames(answer.raw):
            if frame["type"] == "ERROR":
                self.errors += 1
                is_heard = self.agent != SPARK_3_4
                wait = max(wait, frame["object"]["details"]["retryAfterSeconds"] if is_heard else 0)
            else:
                self.revision = frame["object"]["metadata"]["resourceVersion"]
                self.events += [frame["type"]] if frame["type"] != "BOOKMARK" else []
        return wait + 0.1

    def ask_for(self, seconds: float) -> None:
        """Go on like that."""
        end = self.clock.now.timestamp() + seconds
        while self.clock.now.timestamp() < end:
            self.clock.advance(self.ask())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(SqliteStorage(tmp_path / "db"), host=replace(WORLD, streams=False))
    yield world
    world.plane.close()


def _client(world: World, agent: str, selector: dict[str, str]) -> Fabric8:
    return Fabric8(ApiClient(world.plane), world.clock, agent, selector)


@pytest.mark.parametrize("selector", [DRIVERS, SUBMITTERS], ids=["driver", "submitter"])
@pytest.mark.parametrize(("agent", "most_requests"), [(SPARK_4, 361), (SPARK_3_5, 361), (SPARK_3_4, 3600)])
def test_a_quiet_watch_is_asked_for_seldom(
    world: World, agent: str, most_requests: int, selector: dict[str, str]
) -> None:
    client = _client(world, agent, selector)
    client.ask_for(60)
    before = client.requests

    client.ask_for(HOUR)

    assert client.requests - before <= most_requests
    assert client.errors == 0 or agent != SPARK_3_4


@pytest.mark.parametrize("agent", [SPARK_4, SPARK_3_5, SPARK_3_4])
def test_what_happens_is_told_within_a_pause_and_then_every_second(world: World, agent: str) -> None:
    client = _client(world, agent, DRIVERS)
    client.ask_for(100)
    world.create_pod(metadata={"labels": {"spark-role": "executor"}})
    happened = world.clock.now.timestamp()

    while "ADDED" not in client.events:
        wait = client.ask()
        world.clock.advance(wait)

    assert world.clock.now.timestamp() - happened <= PAUSE_SECONDS + 2
    assert wait < 2


def test_as_many_watches_are_remembered_as_there_is_room_for(world: World) -> None:
    clients = [_client(world, SPARK_4, {"labelSelector": f"n={n}"}) for n in range(MAX_WATCHES + 1)]
    for client in clients:
        client.ask()
    world.clock.advance(60)

    assert clients[-1].ask() > PAUSE_SECONDS
    assert clients[0].ask() < 2


@pytest.mark.parametrize(
    ("agent", "query", "expected"),
    [
        (SPARK_4, {"allowWatchBookmarks": "true"}, True),
        (SPARK_3_4, {"allowWatchBookmarks": "true"}, True),
        (SPARK_4, {}, False),  # an answer without a bookmark might be empty
        (SPARK_4, {"allowWatchBookmarks": "true", "sendInitialEvents": "true"}, False),
        ("kubectl/v1.37.1 (linux/amd64) kubernetes/abc", {"allowWatchBookmarks": "true"}, False),
        ("OpenAPI-Generator/33.1.0/python", {"allowWatchBookmarks": "true"}, False),
    ],
)
def test_who_would_not_come_back_by_itself_is_held(agent: str, query: dict[str, str], expected: bool) -> None:
    values = {name: [value] for name, value in query.items()}

    assert is_polled(RequestInfo("watch", PODS, "GET", query=values, headers={"user-agent": agent})) is expected
