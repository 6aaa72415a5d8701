"""What every Storage promises of lists and their pages."""

from __future__ import annotations

import os

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import Storage
from tests.contract.storage_backends import create_all, pod, pod_key

PODS = "/registry/pods/"


def test_a_list_holds_what_lies_under_its_prefix_in_key_order(storage: Storage) -> None:
    keys = [
        "/registry/pods/b/z",
        "/registry/pods/a/y",
        "/registry/pods/a-b/x",
        "/registry/pods/a/x",
        "/registry/pod/a/x",
        "/registry/podsets/a/x",
        "/registry/nodes/n",
    ]
    stored = create_all(storage, *keys)

    def listed(prefix: str) -> list[str]:
        page = storage.list(prefix)
        assert page.items == [stored[item.key] for item in page.items]
        assert (page.revision, page.next_key, page.remaining) == (storage.revision(), None, 0)
        return [item.key for item in page.items]

    assert listed(PODS) == ["/registry/pods/a-b/x", "/registry/pods/a/x", "/registry/pods/a/y", "/registry/pods/b/z"]
    assert listed("/registry/pods/a/") == ["/registry/pods/a/x", "/registry/pods/a/y"]
    assert listed("/registry/nodes/") == ["/registry/nodes/n"]
    assert listed("/registry/services/") == []


def labelled(name: str, **labels: str) -> JSON:
    made = pod(name)
    return {**made, "metadata": {**made["metadata"], "labels": labels}}


def test_a_list_by_labels_holds_what_carries_all_of_them(storage: Storage) -> None:
    for name, labels in {
        "b": {"app": "x", "role": "executor"},
        "a": {"app": "x", "role": "executor"},
        "driver": {"app": "x", "role": "driver"},
        "other": {"app": "xx", "role": "executor"},
        "none": {},
    }.items():
        storage.create(pod_key(name), labelled(name, **labels))
    storage.create("/registry/pods/elsewhere/c", labelled("c", app="x", role="executor"))

    page = storage.list_labelled("/registry/pods/default/", {"role": "executor", "app": "x"})

    assert page.items == [storage.get(pod_key(name)) for name in ("a", "b")]
    assert (page.revision, page.next_key, page.remaining) == (storage.revision(), None, 0)
    assert [item.key for item in storage.list_labelled(PODS, {"app": "x"}).items] == [
        *map(pod_key, ("a", "b", "driver")),
        "/registry/pods/elsewhere/c",
    ]
    assert storage.list_labelled(PODS, {"app": "none"}).items == []
    assert storage.list_labelled(PODS, {}) == storage.list(PODS)


def test_a_list_by_labels_follows_what_is_written(storage: Storage) -> None:
    stored = storage.create(pod_key("a"), labelled("a", app="x", tier="1"))
    stored = storage.update(pod_key("a"), labelled("a", app="y", tier="1"), expected_revision=stored.revision)

    assert storage.list_labelled(PODS, {"app": "x"}).items == []
    assert storage.list_labelled(PODS, {"app": "y", "tier": "1"}).items == [stored]

    storage.delete(pod_key("a"), expected_revision=stored.revision)
    assert storage.list_labelled(PODS, {"app": "y"}).items == []
    assert storage.list_labelled(PODS, {"tier": "1"}).items == []


def test_keys_are_ordered_by_their_utf8_bytes(storage: Storage) -> None:
    names = ["\U0001f600", "\ufb00", "é", "z", "A", "a.b", "a-b"]

    create_all(storage, *(f"/registry/pods/ns/{name}" for name in names))

    listed = [item.key.rsplit("/", 1)[1] for item in storage.list(PODS).items]
    assert listed == ["A", "a-b", "a.b", "z", "é", "\ufb00", "\U0001f600"]


def test_a_prefix_without_its_slash_is_refused(storage: Storage) -> None:
    with pytest.raises(ValueError, match="slash"):
        storage.list("/registry/pods")
    with pytest.raises(ValueError, match="slash"):
        storage.events_after("/registry/pods", storage.revision())


def test_pages_cover_a_list_without_gap_or_repetition(storage: Storage) -> None:
    keys = sorted(create_all(storage, *(f"/registry/pods/ns{n % 3}/p{n:02}" for n in range(11))))

    seen: list[str] = []
    start_key = None
    remaining = []
    while True:
        page = storage.list(PODS, limit=4, start_key=start_key)
        seen += [item.key for item in page.items]
        remaining.append(page.remaining)
        start_key = page.next_key
        if start_key is None:
            break

    assert seen == keys
    assert remaining in ([7, 3, 0], [None, None, 0])  # see Page: a backend may decline to count


def test_what_is_under_a_prefix_is_counted(storage: Storage) -> None:
    large = {"data": "x" * 40_000}  # so that DynamoDB counts by pages
    for n in range(30):
        made = {"metadata": {"name": f"p{n:02}", "uid": f"u{n}"}, "noise": os.urandom(20_000).hex(), **large}
        storage.create(f"/registry/pods/ns{n % 3}/p{n:02}", made)
    deleted = storage.get("/registry/pods/ns0/p00")
    storage.delete(deleted.key, expected_revision=deleted.revision)

    assert [storage.count(PODS), storage.count(f"{PODS}ns0/"), storage.count(f"{PODS}ns1/")] == [29, 9, 10]
    assert [storage.count(f"{PODS}ns/"), storage.count("/registry/configmaps/")] == [0, 0]


def test_a_page_that_ends_with_the_list_is_the_last(storage: Storage) -> None:
    create_all(storage, pod_key("a"), pod_key("b"))

    page = storage.list(PODS, limit=2)

    assert (len(page.items), page.next_key, page.remaining) == (2, None, 0)


def test_a_start_key_that_is_gone_starts_at_the_next(storage: Storage) -> None:
    create_all(storage, pod_key("a"), pod_key("c"))

    assert [item.key for item in storage.list(PODS, start_key=pod_key("b")).items] == [pod_key("c")]


def test_a_list_at_an_old_revision_shows_the_state_of_then(storage: Storage) -> None:
    stored = create_all(storage, pod_key("changed"), pod_key("gone"), pod_key("again"), pod_key("kept"))
    old = storage.revision()
    changed = stored[pod_key("changed")]
    for phase in ("Running", "Failed"):
        changed = storage.update(
            changed.key, pod("changed", uid=changed.key, phase=phase), expected_revision=changed.revision
        )
    for name in ("gone", "again"):
        storage.delete(pod_key(name), expected_revision=stored[pod_key(name)].revision)
    create_all(storage, pod_key("again"), pod_key("new"))

    page = storage.list(PODS, revision=old)

    assert page.items == [stored[pod_key(name)] for name in ("again", "changed", "gone", "kept")]
    assert (page.revision, page.next_key, page.remaining) == (old, None, 0)


def test_pages_at_an_old_revision_cover_the_list_of_then(storage: Storage) -> None:
    stored = create_all(storage, *(pod_key(f"p{n}") for n in range(6)))
    first = storage.list(PODS, limit=2)
    for n in (0, 2, 3, 5):
        storage.delete(pod_key(f"p{n}"), expected_revision=stored[pod_key(f"p{n}")].revision)
    create_all(storage, pod_key("p1x"), pod_key("p9"))

    second = storage.list(PODS, limit=2, start_key=first.next_key, revision=first.revision)
    third = storage.list(PODS, limit=2, start_key=second.next_key, revision=first.revision)

    assert [*first.items, *second.items, *third.items] == list(stored.values())
    assert [page.remaining for page in (first, second, third)] in ([4, 2, 0], [None, None, 0])
    assert third.next_key is None


def test_a_list_at_a_revision_of_the_future_is_as_of_now(storage: Storage) -> None:
    create_all(storage, pod_key("a"))

    page = storage.list(PODS, revision=storage.revision() + 100)

    assert (len(page.items), page.revision) == (1, storage.revision())
