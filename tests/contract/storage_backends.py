"""The backends that the storage contract runs on, and the objects it stores."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from moto import mock_aws
from moto.core.models import botocore_stubber
from moto.server import ThreadedMotoServer

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import Storage, StoredObject
from chalicelib.storage.dynamodb.storage import DynamoStorage
from chalicelib.storage.dynamodb.table import Backoff
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.contract.dynoxide import Dynoxide
from tests.contract.fake_dynamodb import FakeDynamoDB, Faults
from tests.memory_storage import MemoryStorage


def pod_key(name: str) -> str:
    """Return the key of a pod in the namespace `default`."""
    return f"/registry/pods/default/{name}"


def pod(name: str, *, uid: str | None = None, phase: str | None = None) -> JSON:
    """Return a small pod; its uid is made of its name if not given."""
    status: JSON = {"status": {"phase": phase}} if phase else {}
    return {"metadata": {"name": name, "uid": uid or f"uid-of-{name}"}, "spec": {}, **status}


def create_all(storage: Storage, *keys: str) -> dict[str, StoredObject]:
    """Create a pod under each key, with the key as its uid; return what was stored, by key."""
    return {key: storage.create(key, pod(key.rsplit("/", 1)[1], uid=key)) for key in keys}


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


class DynamoStores:
    """Handles on one table, wherever `opened` leads them."""

    def __init__(self, *, endpoint: str | None = None) -> None:
        self.clock = Clock()
        self._endpoint = endpoint
        self._table_name = f"sparkanywhere-{uuid4()}"  # moto keeps its tables as long as the process lives
        # There is no network to wait for, so pauses may be short.
        self.backoff = Backoff(chance=lambda: random.random() / 10)
        self._opened: list[DynamoStorage] = []

    @property
    def place(self) -> str:
        """Return the endpoint and the table, for other processes."""
        return f"{self._endpoint}#{self._table_name}"

    def open(self) -> Storage:
        """Return a new handle on the table."""
        storage = DynamoStorage(
            self._table_name, region="us-east-1", endpoint=self._endpoint, clock=self.clock, backoff=self.backoff
        )
        self.connect(storage)
        if not self._opened:
            storage.create_table()
        self._opened.append(storage)
        return storage

    def connect(self, storage: DynamoStorage) -> None:
        """Lead a handle to the table; its endpoint does, if nothing else."""

    def close(self) -> None:
        """Close all handles."""
        for storage in self._opened:
            storage.close()


class FakeStores(DynamoStores):
    """Handles on one table of our own fake, inside this process."""

    def __init__(self, faults: Faults | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.fake = FakeDynamoDB(faults, seed=seed)

    def connect(self, storage: DynamoStorage) -> None:
        """Have the fake answer in place of the network."""
        storage.client.meta.events.register("before-send.dynamodb", self.fake.answer)


class OneAtATime:
    """Lets a request through only after the one before: moto shows threads items that are half written."""

    def __init__(self, send: Callable[[AWSPreparedRequest], AWSResponse | None]) -> None:
        self._send = send
        self._lock = threading.Lock()

    def answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        """Answer a request in place of the network (a `before-send` handler)."""
        with self._lock:
            return self._send(request)


class MotoStores(DynamoStores):
    """Handles on one table in moto, inside this process."""

    def __init__(self) -> None:
        super().__init__()
        self._moto = mock_aws()
        self._moto.start()
        self._gate = OneAtATime(lambda request: botocore_stubber("before-send", request))

    def connect(self, storage: DynamoStorage) -> None:
        """Have moto answer, one request at a time."""
        storage.client.meta.events.register_first("before-send.dynamodb", self._gate.answer)

    def close(self) -> None:
        """Close all handles and end moto's hold on botocore."""
        super().close()
        self._moto.stop()


class MotoServerStores(DynamoStores):
    """Handles on one table in a moto server, over HTTP."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        super().__init__(endpoint=f"http://{host}:{port}")
        self._gate = OneAtATime(URLLib3Session().send)

    def connect(self, storage: DynamoStorage) -> None:
        """Send requests one at a time."""
        storage.client.meta.events.register_first("before-send.dynamodb", self._gate.answer)

    def close(self) -> None:
        """Close all handles and the server."""
        super().close()
        self._server.stop()


class DynoxideStores(DynamoStores):
    """Handles on one table in a dynoxide of its own."""

    def __init__(self, folder: Path) -> None:
        self._server = Dynoxide(folder)
        super().__init__(endpoint=self._server.url)

    def close(self) -> None:
        """Close all handles and the server."""
        super().close()
        self._server.close()
