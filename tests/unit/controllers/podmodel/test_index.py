"""The index of pods knows what the store knows, whoever wrote it, and costs as much as has changed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel import index as pod_index
from chalicelib.controllers.podmodel.index import PodIndex
from chalicelib.controllers.runtime import objects
from chalicelib.storage.base import Page
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import pod


def key(name: str) -> str:
    return f"/registry/pods/ns/{name}"


def put(storage: MemoryStorage, name: str, phase: str = "Running", **metadata: Any) -> None:
    """Store a pod, or change it; Any: fields of its metadata."""
    obj: JSON = pod(name, uid=f"uid-{name}", metadata=metadata)
    obj["status"]["phase"] = phase
    if any(each.key == key(name) for each in storage.list("/registry/pods/").items):
        storage.update(key(name), obj, expected_revision=storage.get(key(name)).revision)
    else:
        storage.create(key(name), obj)


def test_an_index_follows_what_is_stored_whatever_happens() -> None:
    storage, chance = MemoryStorage(), random.Random(7)
    index, late = PodIndex(storage), PodIndex(storage)
    names = [f"p{number}" for number in range(8)]
    for _ in range(300):
        name = chance.choice(names)
        if chance.random() < 0.3 and any(each.key == key(name) for each in storage.list("/registry/pods/").items):
            storage.delete(key(name), expected_revision=storage.get(key(name)).revision)
        else:
            put(storage, name, chance.choice(["Pending", "Running", "Succeeded", "Failed"]))
        for each in (index, late) if chance.random() < 0.1 else (index,):
            stored = {item.key: item.revision for item in storage.list("/registry/pods/").items}
            seen = each.look()
            assert {pod.key: pod.revision for pod in seen.by_uid.values()} == stored
            assert sorted(pod.object()["metadata"]["name"] for pod in seen.unfinished) == sorted(
                item.object()["metadata"]["name"]
                for item in storage.list("/registry/pods/").items
                if item.object()["status"]["phase"] in ("Pending", "Running")
            )


def test_what_has_ended_is_kept_without_its_text() -> None:
    storage = MemoryStorage()
    annotations = {"sparkanywhere.io/ttl": "2h", "sparkanywhere.io/task": "t"}
    put(storage, "a", "Failed", annotations=annotations, labels={"spark-role": "driver"})

    [(ended, ending)] = PodIndex(storage).look().ended

    assert ended.json == ""
    assert (ended.handle, ending.role, ending.ttl, ending.has_failed) == ("t", "driver", "2h", True)
    assert ending.at is not None


def test_what_has_ended_and_is_being_deleted_is_unfinished() -> None:
    storage = MemoryStorage()
    put(storage, "a", "Failed", deletionTimestamp="2026-01-02T03:04:35Z")

    seen = PodIndex(storage).look()

    assert [each.uid for each in seen.unfinished] == [ended.uid for ended, _ in seen.ended] == ["uid-a"]


def test_words_of_an_end_that_stand_elsewhere_are_none() -> None:
    storage = MemoryStorage()
    put(storage, "a", annotations={"note": '"phase":"Failed"'}, labels={"phase": "Failed"})

    assert [each.uid for each in PodIndex(storage).look().unfinished] == ["uid-a"]


class Counting(MemoryStorage):
    """Counts how often pods are listed."""

    lists = 0

    def list(self, prefix: str, **more: Any) -> Page:  # Any: as the storage's
        self.lists += 1
        return super().list(prefix, **more)


def test_pods_are_read_once_and_then_only_what_changes() -> None:
    storage = Counting()
    storage.create(key("a"), pod("a", uid="1"))
    index = PodIndex(storage)
    index.look()

    storage.create(key("b"), pod("b", uid="2"))
    assert len(index.look().unfinished) == 2
    assert index.look() is index.look()

    assert storage.lists == 1


@pytest.mark.parametrize("reason", ["time", "expired", "many"])
def test_pods_are_read_again_where_events_do_not_do(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, now = Counting(), [0.0]
    index = PodIndex(storage, monotonic=lambda: now[0])
    index.look()
    storage.create(key("a"), pod("a", uid="1"))
    if reason == "time":
        now[0] = pod_index.LIST_SECONDS
    elif reason == "expired":
        storage.expire_events(-1.0)
    else:
        monkeypatch.setattr(pod_index, "FEW_CHANGES", 0)

    assert [each.uid for each in index.look().unfinished] == ["1"]

    assert storage.lists == 2


def test_a_page_that_is_newer_than_an_event_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PAGE", 1)
    storage = MemoryStorage()
    for name in "ab":
        put(storage, name)
    read_page = storage.list

    def changed_between(prefix: str, **more: Any) -> Page:  # Any: as the storage's
        page = read_page(prefix, **more)
        if more.get("limit") and not more.get("start_key"):
            put(storage, "a", "Failed")
            put(storage, "b", labels={"x": "1"})
            storage.delete(key("b"), expected_revision=storage.get(key("b")).revision)
            put(storage, "b", "Succeeded")
        return page

    monkeypatch.setattr(storage, "list", changed_between)
    index = PodIndex(storage)
    index.look()

    seen = index.look()

    assert seen.unfinished == ()
    assert {each.key: each.revision for each in seen.by_uid.values()} == {
        item.key: item.revision for item in read_page("/registry/pods/").items
    }
