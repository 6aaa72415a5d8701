"""The backends that the storage contract runs on, and the objects it stores."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from moto import mock_aws

from chalicelib.apimachinery.status import JSON
from chalicelib.storage.backoff import Backoff
from chalicelib.storage.base import Storage
from chalicelib.storage.dynamodb import DynamoStorage
from chalicelib.storage.sqlite import SqliteStorage
from tests.memory_storage import MemoryStorage


def pod_key(name: str) -> str:
    """Return the key of a pod in the namespace `default`."""
    return f"/registry/pods/default/{name}"


def pod(name: str, *, uid: str | None = None, phase: str | None = None) -> JSON:
    """Return a small pod; its uid is made of its name if not given."""
    status: JSON = {"status": {"phase": phase}} if phase else {}
    return {"metadata": {"name": name, "uid": uid or f"uid-of-{name}"}, "spec": {}, **status}


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time, in seconds since 1970."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Turn the clock forward."""
        self.now += seconds


class StoreFactory(Protocol):
    """Opens handles on one store, each as another process would; closes them when the test ends."""

    clock: Clock

    def open(self) -> Storage:
        """Return a new handle on the store."""
        ...

    def close(self) -> None:
        """Close all handles."""
        ...


class SqliteStores:
    """Handles on one SQLite file."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self._path = folder / "store.db"
        self._opened: list[SqliteStorage] = []

    def open(self) -> Storage:
        """Return a new handle on the file."""
        storage = SqliteStorage(self._path, clock=self.clock)
        self._opened.append(storage)
        return storage

    def close(self) -> None:
        """Close all handles."""
        for storage in self._opened:
            storage.close()


class MemoryStores:
    """Handles on one MemoryStorage, which is its own only handle."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._storage = MemoryStorage(self.clock)

    def open(self) -> Storage:
        """Return the store."""
        return self._storage

    def close(self) -> None:
        """Wake all waiters."""
        self._storage.close()


class MotoStores:
    """Handles on one table in moto, inside this process."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._opened: list[DynamoStorage] = []
        self._moto = mock_aws()
        self._moto.start()
        self.open_at(None).create_table()

    def open(self) -> Storage:
        """Return a new handle on the table."""
        return self.open_at(None)

    def open_at(self, endpoint: str | None) -> DynamoStorage:
        """Return a new handle on the table at that endpoint."""
        storage = DynamoStorage(
            "sparkanywhere", region="us-east-1", endpoint=endpoint, clock=self.clock, backoff=Backoff()
        )
        self._opened.append(storage)
        return storage

    def close(self) -> None:
        """Close all handles."""
        for storage in self._opened:
            storage.close()
        self._moto.stop()
