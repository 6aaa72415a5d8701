"""What every Storage promises of several writes at once: all of them happen, or none."""

from __future__ import annotations

from random import Random

import pytest

from chalicelib.storage.base import (
    TRANSACTION_WRITES,
    Change,
    KeyExists,
    KeyNotFound,
    RevisionConflict,
    Storage,
    StorageError,
)
from chalicelib.storage.updates import remove_with
from tests.contract.storage_backends import StoreFactory, pod, pod_key

MAPS = "/registry/configmaps/"


def map_key(name: str) -> str:
    return f"{MAPS}default/{name}"


def added(name: str, *, uid: str = "") -> Change:
    return Change("ADDED", map_key(name), pod(name, uid=uid or f"uid-of-map-{name}"))


def test_writes_of_a_transaction_take_revisions_that_follow_one_another(storage: Storage) -> None:
    old = storage.create(pod_key("a"), pod("a"))
    gone = storage.create(pod_key("b"), pod("b"))

    written = storage.transact(
        [
            Change("MODIFIED", pod_key("a"), pod("a", phase="Running"), old.revision),
            added("first"),
            Change("DELETED", pod_key("b"), None, gone.revision),
            added("second"),
        ]
    )

    assert [each.revision for each in written] == [gone.revision + n for n in (1, 2, 3, 4)]
    assert storage.revision() == written[-1].revision
    assert storage.list("/registry/pods/").items == [written[0]]
    assert storage.list(MAPS).items == [written[1], written[3]]
    assert storage.get_by_uid("uid-of-map-second") == written[3]


def test_what_a_transaction_returns_is_what_each_write_returns_alone(storage: Storage) -> None:
    old = storage.create(pod_key("a"), pod("a"))

    (updated,) = storage.transact([Change("MODIFIED", pod_key("a"), pod("a", phase="Running"), old.revision)])
    (deleted,) = storage.transact([Change("DELETED", pod_key("a"), None, updated.revision)])

    assert updated.object()["metadata"]["resourceVersion"] == str(updated.revision)
    assert deleted.object() == {
        **updated.object(),
        "metadata": {**updated.object()["metadata"], "resourceVersion": str(deleted.revision)},
    }


def test_each_write_of_a_transaction_is_an_event_of_its_own(store_factory: StoreFactory) -> None:
    writer, reader = store_factory.open(), store_factory.open()
    old = writer.create(pod_key("a"), pod("a"))
    pods = Change("MODIFIED", pod_key("a"), pod("a", phase="Running"), old.revision)

    written = writer.transact([added("first"), pods, added("second"), added("third")])

    for storage in (writer, reader):
        (changed,) = storage.events_after("/registry/pods/", old.revision).events
        assert (changed.revision, changed.previous_json) == (written[1].revision, old.json)
        pages = [storage.events_after(MAPS, old.revision, limit=1)]
        while pages[-1].revision < written[-1].revision:
            pages.append(storage.events_after(MAPS, pages[-1].revision, limit=1))
        found = [event.revision for page in pages for event in page.events]
        assert found == [written[0].revision, written[2].revision, written[3].revision]


def test_the_middle_of_a_transaction_can_be_listed(storage: Storage) -> None:
    old = storage.create(pod_key("a"), pod("a"))
    running = pod("a", phase="Running")

    first, second, _ = storage.transact(
        [added("first"), Change("MODIFIED", pod_key("a"), running, old.revision), added("second")]
    )

    assert storage.list("/registry/pods/", revision=first.revision).items == [old]
    assert storage.list("/registry/pods/", revision=second.revision).items == [second]
    assert storage.list(MAPS, revision=second.revision).items == [first]


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (added("there"), KeyExists),
        (added("new", uid="uid-of-map-there"), KeyExists),
        (Change("MODIFIED", pod_key("a"), pod("a", phase="Failed"), 1), RevisionConflict),
        (Change("DELETED", pod_key("a"), None, 1), RevisionConflict),
        (Change("MODIFIED", pod_key("none"), pod("none"), 1), KeyNotFound),
    ],
    ids=["its key is in use", "its uid is in use", "a stale update", "a stale delete", "nothing to update"],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_refused_write_refuses_all(
    storage: Storage, refused: Change, error: type[StorageError], place: int
) -> None:
    stored = storage.create(pod_key("a"), pod("a"))
    there = storage.transact([added("there")])
    changes = [added("first"), added("second")]
    changes.insert(place, refused)

    with pytest.raises(error):
        storage.transact(changes)

    assert storage.revision() == there[0].revision
    assert storage.list("/registry/pods/").items == [stored]
    assert storage.list(MAPS).items == list(there)


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [added(str(number)) for number in range(TRANSACTION_WRITES + 1)],
        [added("same"), added("same", uid="another")],
        [added("one", uid="same"), added("two", uid="same")],
        [Change("ADDED", map_key("a"), None)],
        [added("first"), Change("ADDED", map_key("b"), {"metadata": {}})],
    ],
    ids=["none", "too many", "a key twice", "a uid twice", "nothing to add", "no uid"],
)
def test_what_no_transaction_may_be_is_refused(storage: Storage, changes: list[Change]) -> None:
    before = storage.revision()

    with pytest.raises(ValueError, match=r"."):
        storage.transact(changes)

    assert storage.revision() == before


def test_the_most_writes_of_a_transaction_fit(storage: Storage) -> None:
    written = storage.transact([added(f"{number:02}") for number in range(TRANSACTION_WRITES)])

    assert storage.list(MAPS).items == list(written)


def test_a_large_object_goes_together_with_the_record_of_it(storage: Storage) -> None:
    large = {**pod("a"), "data": Random(0).randbytes(150_000).hex()}
    live = storage.create(pod_key("a"), large)

    removed = remove_with(storage, live, [Change("ADDED", map_key("record"), {**pod("r", uid="r"), "pod": large})])

    assert removed.object()["data"] == large["data"]
    assert storage.get(map_key("record")).object()["pod"]["data"] == large["data"]
    assert storage.list("/registry/pods/").items == []


@pytest.mark.parametrize("beside", [added("taken"), Change("ADDED", map_key("x"), {**pod("x"), "data": "x" * 2**21})])
def test_what_cannot_be_written_beside_keeps_no_object(storage: Storage, beside: Change) -> None:
    storage.create(map_key("taken"), pod("taken", uid="uid-of-another"))
    live = storage.create(pod_key("a"), pod("a"))

    remove_with(storage, live, [beside, added("fits")])

    assert storage.list("/registry/pods/").items == []
    assert storage.get(map_key("fits"))
    assert storage.get(map_key("taken")).object()["metadata"]["uid"] == "uid-of-another"
