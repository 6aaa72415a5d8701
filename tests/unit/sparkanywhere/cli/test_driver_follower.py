"""What comes from a driver: all of its output once, whatever breaks, and Spark's word for as long as it runs."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli.driver_follower import DriverFollower, Output, SparkSaid
from sparkanywhere.client.kube_client import Access, ApiError, ApiUnreachable, KubeClient

WAIT_SECONDS = 20.0
COUNTS = ("activeTasks", "failedTasks", "completedTasks", "totalShuffleWrite")
EXECUTOR = {"id": "1", "isActive": True, **dict.fromkeys(COUNTS, 0)}


def pod(node: str) -> JSON:
    metadata = {"name": "d", "namespace": "n", "labels": {"spark-app-selector": "a"}}
    return {"metadata": metadata, "spec": {"nodeName": node}}


class Plane(KubeClient):
    """A control plane with one driver: each opening of its log takes the next of `openings`, the last one again."""

    def __init__(self, openings: list[list[bytes] | Exception], *, ui: str = "[]", ends: bool = True) -> None:
        super().__init__(Access(url="http://127.0.0.1:1"))
        self.openings = openings
        self.ui = ui
        self.ends = ends
        self.asked: list[str] = []
        self.ended = threading.Event()

    def raw_log(self, path: str, *, follow_seconds: float = 0, **query: str) -> Iterator[bytes]:
        del path, follow_seconds
        self.asked.append(query.get("stream", ""))
        opening = self.openings.pop(0) if len(self.openings) > 1 else self.openings[0]
        if self.ends and not self.openings[1:]:
            self.ended.set()
        if isinstance(opening, Exception):
            raise opening
        yield from opening

    def text(self, path: str, **query: str) -> str:
        del query
        if self.ui == "refused":
            self.asked.append("ui")
            raise ApiError(400, "a proxy to a pod needs a provider that this server can reach pods of")
        if path.endswith("/applications"):
            return self.ui
        return json.dumps([EXECUTOR] if path.endswith("executors") else [])


def followed(plane: Plane, node: str, *, ui_port: int = 0) -> tuple[list[str], Iterator[Any]]:  # Any: an event
    """Follow a driver; return its streams, and what comes until they have ended."""
    events: queue.Queue[Output | SparkSaid] = queue.Queue()
    follower = DriverFollower(
        plane,
        events.put,
        lambda _pod: plane.ended.is_set(),
        threading.Event(),
        ui_port=ui_port,
        ui_link=lambda _pod, port: f"http://ui:{port}",
        first_ask_seconds=0.0,
    )
    streams = list(follower.follow(pod(node)))

    def come() -> Iterator[Output | SparkSaid]:
        while True:
            yield events.get(timeout=WAIT_SECONDS)

    return streams, come()


def output_of(events: Iterator[Any], stream: str) -> bytes:
    """Return all of a stream."""
    pieces: list[bytes] = []
    for event in events:
        if isinstance(event, Output) and event.stream == stream:
            if event.piece is None:
                return b"".join(pieces)
            pieces.append(event.piece)
    raise AssertionError("never")


@pytest.mark.parametrize(
    "openings",
    [
        [[b"one\n", b"two\n", b"open"]],
        [[b"one\n"], [b"one\n", b"two\n", b"open"]],
        [[b"one\n", b"tw"], ApiUnreachable("gone"), [b"on", b"e\ntwo\nop", b"en"]],
        [ApiError(400, "waiting to start"), [b"one\n"], [b"one\n", b"two\n", b"open"]],
        [[b"one\n"], ApiUnreachable("at its very end"), [b"one\n", b"two\n", b"open"]],
    ],
)
def test_output_comes_once_however_often_its_stream_breaks(openings: list[list[bytes] | Exception]) -> None:
    streams, events = followed(Plane(openings), "elsewhere")

    assert streams == ["All"]
    assert output_of(events, "All") == b"one\ntwo\nopen"


def test_streams_come_apart_from_a_provider_that_tells_them() -> None:
    plane = Plane([[b"x\n"]])

    streams, events = followed(plane, "process")
    list(zip(range(5), events, strict=False))  # of two streams, and that without a UI no Spark is asked

    assert streams == ["Stdout", "Stderr"]
    assert set(plane.asked) == {"Stderr", "Stdout"}


def test_sparks_word_comes_with_where_it_can_be_seen() -> None:
    plane = Plane([[b""]], ui='[{"id": "a"}]', ends=False)
    _, events = followed(plane, "elsewhere", ui_port=4141)

    said = next(event for event in events if isinstance(event, SparkSaid))
    plane.ended.set()

    assert said.progress is not None
    assert (said.progress.executors, said.link) == (1, "http://ui:4141")


def test_a_control_plane_that_reaches_no_pod_is_asked_once() -> None:
    plane = Plane([ApiUnreachable("not yet")], ui="refused")
    plane.openings = [ApiUnreachable("not yet"), ApiUnreachable("not yet"), ApiUnreachable("not yet"), [b"end"]]

    _, events = followed(plane, "elsewhere", ui_port=4040)

    assert next(event for event in events if isinstance(event, SparkSaid)) == SparkSaid(None)
    assert output_of(events, "All") == b"end"
    assert plane.asked.count("ui") == 1
