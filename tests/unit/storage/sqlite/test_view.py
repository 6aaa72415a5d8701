"""A view of SQLite reads again only what may have changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.storage.base import KeyNotFound, Page, StoredObject
from chalicelib.storage.sqlite.storage import SqliteStorage
from chalicelib.storage.sqlite.view import KEPT_OBJECTS

LIMITS = "/registry/limitranges/ns/"


class Counting(SqliteStorage):
    """Notes what is read of the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.read: list[str] = []

    def get(self, key: str) -> StoredObject:
        self.read.append(key)
        return super().get(key)

    def list(
        self, prefix: str, *, limit: int | None = None, start_key: str | None = None, revision: int | None = None
    ) -> Page:
        self.read.append(prefix)
        return super().list(prefix, limit=limit, start_key=start_key, revision=revision)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Counting]:
    """Yield a store that notes its reads."""
    storage = Counting(tmp_path / "store.db")
    yield storage
    storage.close()


def put(storage: SqliteStorage, key: str) -> StoredObject:
    return storage.create(key, {"metadata": {"uid": key}})


def listed(storage: SqliteStorage) -> list[str]:
    view = storage.view()
    page = view.list(LIMITS)
    assert page.revision >= view.revision()
    return [item.key for item in page.items]


def test_a_list_is_read_again_once_its_resource_was_written(storage: Counting) -> None:
    put(storage, f"{LIMITS}a")

    assert [listed(storage) for _ in range(3)] == [[f"{LIMITS}a"]] * 3
    put(storage, "/registry/pods/ns/p")
    assert listed(storage) == [f"{LIMITS}a"]
    assert storage.read == [LIMITS]

    put(storage, f"{LIMITS}b")
    assert listed(storage) == [f"{LIMITS}a", f"{LIMITS}b"]
    assert storage.read == [LIMITS] * 2


def test_an_object_is_read_again_once_it_may_have_changed(storage: Counting) -> None:
    stored = put(storage, f"{LIMITS}a")
    assert [storage.view().get(stored.key) for _ in range(3)] == [stored] * 3
    assert storage.read == [stored.key]

    changed = storage.update(stored.key, {"metadata": {"uid": stored.key}}, expected_revision=stored.revision)
    assert storage.view().get(stored.key) == changed

    storage.delete(stored.key, expected_revision=changed.revision)
    with pytest.raises(KeyNotFound):
        storage.view().get(stored.key)


def test_what_another_process_writes_is_seen_at_once(storage: Counting, tmp_path: Path) -> None:
    other = SqliteStorage(tmp_path / "store.db")
    assert listed(storage) == []

    put(other, f"{LIMITS}a")
    assert listed(storage) == [f"{LIMITS}a"]
    put(storage, "/registry/pods/ns/p")
    assert listed(storage) == [f"{LIMITS}a"]
    put(other, f"{LIMITS}b")
    other.close()

    assert listed(storage) == [f"{LIMITS}a", f"{LIMITS}b"]


def test_a_long_list_is_not_kept_in_memory(storage: Counting) -> None:
    for number in range(KEPT_OBJECTS + 1):
        put(storage, f"{LIMITS}{number}")

    assert len(listed(storage)) == len(listed(storage)) == KEPT_OBJECTS + 1
    assert storage.read == [LIMITS] * 2
