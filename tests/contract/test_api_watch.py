"""Watches through the API, buffered and streamed, on each store: what comes, when, and how it ends."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import closing
from uuid import uuid4

import pytest

from chalicelib.endpoints.verbs.watching import MIN_HOLD_SECONDS
from tests.api_client import CONFIGMAPS, PODS, ApiClient, Json, configmap, frames
from tests.waiting import until

FUTURE = 1_000_000
UPGRADES = [
    {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-key": "eA=="},
    {"upgrade": "websocket"},
    {"sec-websocket-key": "eA=="},  # as behind a gateway that strips Upgrade
]


@pytest.fixture
def quiet(api: ApiClient) -> str:
    """Return the path of the ConfigMaps of a new namespace: nobody else writes there."""
    name = f"quiet-{uuid4()}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert api.request("POST", "/api/v1/namespaces", body).status == 201
    return CONFIGMAPS.replace("default", name)


def write(api: ApiClient, path: str, name: str, **data: str) -> int:
    """Create a ConfigMap; return its revision."""
    reply = api.request("POST", path, configmap(name, **data))
    assert reply.status == 201, reply.raw
    return int(reply.json()["metadata"]["resourceVersion"])


def seen(found: list[Json]) -> list[tuple[str, str]]:
    """Return type and name of the frames that carry objects."""
    objects = [frame for frame in found if frame["type"] not in ("BOOKMARK", "ERROR")]
    return [(frame["type"], frame["object"]["metadata"]["name"]) for frame in objects]


def test_every_frame_is_a_line(api: ApiClient, quiet: str) -> None:
    start = str(api.revision)
    write(api, quiet, "a", text="with\nnew\nlines")
    write(api, quiet, "b")
    api.request("DELETE", f"{quiet}/a")

    reply = api.request("GET", quiet, query={"watch": "1", "resourceVersion": start, "timeoutSeconds": "1"})

    assert reply.status == 200
    assert seen(frames(reply.raw)) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_a_watch_without_a_version_begins_with_what_is_there(api: ApiClient, quiet: str) -> None:
    write(api, quiet, "a")

    reply = api.request("GET", quiet, query={"watch": "1", "timeoutSeconds": "1"})

    assert seen(frames(reply.raw)) == [("ADDED", "a")]


def test_an_idle_watch_lasts_and_ends_with_a_bookmark(api: ApiClient, quiet: str) -> None:
    start = str(api.revision)
    begun = time.monotonic()
    query = {"watch": "1", "resourceVersion": start, "timeoutSeconds": "2", "allowWatchBookmarks": "true"}

    reply = api.request("GET", quiet, query=query)

    assert time.monotonic() - begun >= MIN_HOLD_SECONDS
    last = frames(reply.raw)[-1]
    assert (last["type"], last["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
    assert int(last["object"]["metadata"]["resourceVersion"]) >= int(start)


def test_a_buffered_watch_holds_even_if_asked_not_to(api: ApiClient, quiet: str) -> None:
    begun = time.monotonic()
    empty = quiet.replace("configmaps", "pods")

    reply = api.request("GET", empty, query={"watch": "1", "resourceVersion": "0", "timeoutSeconds": "1"})

    assert reply.status == 200
    assert api.streams or time.monotonic() - begun >= MIN_HOLD_SECONDS
    assert api.streams or reply.headers["connection"] == "close"


def test_what_has_happened_comes_at_once(api: ApiClient, quiet: str) -> None:
    start = str(api.revision)
    write(api, quiet, "a")

    with closing(api.watch(quiet, resourceVersion=start, timeoutSeconds="3600")) as watch:
        first = next(watch)  # one that waited for its end would not be back within the test's time

    assert seen([first]) == [("ADDED", "a")]


def test_a_write_wakes_a_waiting_watch(api: ApiClient, quiet: str) -> None:
    start = str(api.revision)
    found: list[Json] = []

    def watch() -> None:
        for frame in api.watch(quiet, resourceVersion=start, timeoutSeconds="20"):
            if frame:
                found.append(frame)
                return

    waiting = threading.Thread(target=watch)
    waiting.start()
    until(lambda: waits_for_a_write(waiting), "the watch to wait")
    write(api, quiet, "a")
    waiting.join(timeout=19)

    assert seen(found) == [("ADDED", "a")]


def waits_for_a_write(thread: threading.Thread) -> bool:
    """Return whether a thread is somewhere in Storage.wait."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame and not (frame.f_code.co_name == "wait" and "storage" in frame.f_code.co_filename):
        frame = frame.f_back
    return frame is not None


@pytest.mark.parametrize("headers", UPGRADES, ids=["both", "upgrade", "key"])
def test_an_upgrade_is_answered_200_at_once(api: ApiClient, quiet: str, headers: dict[str, str]) -> None:
    query = {"watch": "true", "timeoutSeconds": "3600"}

    reply = api.request("GET", quiet, query=query, headers=headers)

    assert reply.status == 200


def test_a_watch_from_the_future_says_nothing_of_the_present(api: ApiClient, quiet: str) -> None:
    query = {"watch": "1", "resourceVersion": str(api.revision + FUTURE), "timeoutSeconds": "1"}
    write(api, quiet, "a")

    reply = api.request("GET", quiet, query=query)

    assert (reply.status, seen(frames(reply.raw))) == (200, [])


def test_a_watch_from_the_compacted_past_is_410(api: ApiClient, quiet: str) -> None:
    start = write(api, quiet, "a")
    write(api, quiet, "b")
    api.plane.base.storage.expire_events(-1)

    reply = api.request("GET", quiet, query={"watch": "1", "resourceVersion": str(start), "timeoutSeconds": "1"})

    (frame,) = frames(reply.raw)
    assert (reply.status, frame["type"]) == (200, "ERROR")
    assert (frame["object"]["code"], frame["object"]["reason"]) == (410, "Expired")


def test_a_watch_from_a_list_misses_nothing(api: ApiClient, quiet: str) -> None:
    write(api, quiet, "a")
    listed = api.request("GET", quiet).json()
    write(api, quiet, "b")

    version = listed["metadata"]["resourceVersion"]
    reply = api.request("GET", quiet, query={"watch": "1", "resourceVersion": version, "timeoutSeconds": "1"})

    assert seen(frames(reply.raw)) == [("ADDED", "b")]


def test_who_leaves_the_selector_is_deleted_for_it(api: ApiClient) -> None:
    name = f"pod-{uuid4()}"
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"watched": name}},
        "spec": {"containers": [{"name": "main", "image": "busybox"}]},
    }
    made = api.request("POST", PODS, body).json()
    unlabel = {"metadata": {"labels": {"watched": "no-more"}}}
    api.request("PATCH", f"{PODS}/{name}", unlabel, headers={"content-type": "application/merge-patch+json"})

    query = {"watch": "1", "labelSelector": f"watched={name}", "timeoutSeconds": "1"}
    version = made["metadata"]["resourceVersion"]
    reply = api.request("GET", PODS, query={**query, "resourceVersion": version})

    assert seen(frames(reply.raw)) == [("DELETED", name)]


FABRIC8 = "fabric8-kubernetes-client/7.6.1"


@pytest.mark.parametrize(
    ("agent", "selector", "is_told"),
    [
        (FABRIC8, "", True),
        (FABRIC8, "metadata.name=a", False),
        ("fabric8-kubernetes-client/6.7.2", "", False),
        ("kubectl/v1.32.0 (linux/amd64) kubernetes/70d3cc9", "", False),
    ],
)
def test_a_buffer_with_events_ends_for_spark_4_such_that_it_lets_go_of_the_connection(
    api: ApiClient, quiet: str, agent: str, selector: str, is_told: bool
) -> None:
    start = str(api.revision)
    write(api, quiet, "a")
    query = {"watch": "1", "resourceVersion": start, "timeoutSeconds": "1", "allowWatchBookmarks": "1"}
    chosen = {"fieldSelector": selector} if selector else {}

    reply = api.request("GET", quiet, query={**query, **chosen}, headers={"user-agent": agent})

    found = frames(reply.raw)
    assert seen(found)[0] == ("ADDED", "a")
    errors = [frame["object"]["code"] for frame in found if frame["type"] == "ERROR"]
    assert errors == ([504] if is_told and not api.streams else [])
    assert errors == [] or found[-1]["type"] == "ERROR"


def test_a_buffer_without_events_tells_nobody_of_an_error(api: ApiClient, quiet: str) -> None:
    query = {"watch": "1", "resourceVersion": str(api.revision), "timeoutSeconds": "1"}

    reply = api.request("GET", quiet, query=query, headers={"user-agent": FABRIC8})

    assert [frame["type"] for frame in frames(reply.raw) if frame["type"] == "ERROR"] == []
