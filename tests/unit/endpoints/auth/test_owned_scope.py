"""What a driver owns, asked for by several threads at once, and where owners make a circle."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.owned_scope import OwnedScope
from chalicelib.storage.base import StoredObject
from tests.memory_storage import MemoryStorage

SECONDS = 30.0


def metadata(name: str, *owners: str) -> JSON:
    return {"name": name, "namespace": "jobs", "uid": name, "ownerReferences": [{"uid": each} for each in owners]}


def put(storage: MemoryStorage, name: str, *owners: str) -> None:
    storage.create(f"/registry/configmaps/jobs/{name}", {"metadata": metadata(name, *owners)})


def scope(storage: Any) -> OwnedScope:  # Any: a store or a proxy of one
    return OwnedScope("driver", Mock(namespace="jobs"), storage=storage, rbac=Mock(), refuse=Mock())


class Halting(MemoryStorage):
    """Lets the first who asks for an object wait until a second has asked, or been answered."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_go = threading.Event(), threading.Event()

    def get_by_uid(self, uid: str) -> StoredObject:
        """Return the object."""
        if self.is_asked.is_set():
            self.may_go.set()
        self.is_asked.set()
        assert self.may_go.wait(SECONDS)
        return super().get_by_uid(uid)


def test_a_thread_does_not_take_what_another_has_not_found_out_yet_for_an_answer() -> None:
    storage = Halting()
    put(storage, "set", "driver")
    owned = scope(storage)

    def second() -> bool:
        assert storage.is_asked.wait(SECONDS)
        try:
            return owned.sees(metadata("two", "set"))
        finally:
            storage.may_go.set()

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(owned.sees, metadata("one", "set")), pool.submit(second)]

    assert [each.result() for each in answers] == [True, True]


def test_a_circle_of_owners_belongs_to_the_driver_if_one_of_them_does() -> None:
    storage = MemoryStorage()
    put(storage, "a", "b", "driver")
    put(storage, "b", "a")
    put(storage, "c", "d")
    put(storage, "d", "c", "gone")
    owned = scope(storage)

    assert [owned.sees(metadata("of", each)) for each in "abcd"] == [True, True, False, False]
