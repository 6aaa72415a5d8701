"""What changes under watches: ConfigMaps that are created, relabelled, deleted, one by one or several at once.

python -m tests.watches.writer FILE SEED does so to a SQLite store until it is killed; URL#TABLE is one of DynamoDB.
"""

from __future__ import annotations

import sys
import time
import uuid
from random import Random

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import Change, KeyNotFound, Storage, StorageError, StoredObject
from chalicelib.storage.dynamodb.storage import DynamoStorage
from chalicelib.storage.keys import object_key
from chalicelib.storage.sqlite.storage import SqliteStorage

NAMESPACE = "watched"
NAMES = [f"name-{number}" for number in range(12)]
COLOURS = ("red", "blue", "")
LONGEST_PAUSE_SECONDS = 0.01  # between two writes


class Writer:
    """Writes at random, as one of several; a refusal or a lost answer is as good as a success."""

    def __init__(self, storage: Storage, seed: object) -> None:
        self._storage = storage
        self._draw = Random(str(seed))
        self._turn = 0

    def step(self) -> None:
        """Write once, then pause."""
        names = self._draw.sample(NAMES, self._draw.choice((1, 1, 1, 2, 3)))
        try:
            changes = [self._change(name) for name in names]
            self._do(changes)
        except StorageError:
            pass  # another writer was first, or nobody can tell
        time.sleep(self._draw.uniform(0, LONGEST_PAUSE_SECONDS))

    def _do(self, changes: list[Change]) -> None:
        if len(changes) > 1:
            self._storage.transact(changes)
            return
        (change,) = changes
        if change.type == "ADDED":
            self._storage.create(change.key, self._needed(change.obj))
        elif change.type == "MODIFIED":
            self._storage.update(change.key, self._needed(change.obj), expected_revision=change.expected_revision)
        else:
            self._storage.delete(change.key, expected_revision=change.expected_revision)

    @staticmethod
    def _needed(obj: JSON | None) -> JSON:
        assert obj is not None
        return obj

    def _change(self, name: str) -> Change:
        key = object_key("configmaps", NAMESPACE, name)
        try:
            living: StoredObject | None = self._storage.get(key)
        except KeyNotFound:
            living = None
        if living is None:
            return Change("ADDED", key, self._object(name, str(uuid.uuid4())))
        if self._draw.random() < 0.25:
            return Change("DELETED", key, None, living.revision)
        changed = self._object(name, living.object()["metadata"]["uid"])
        return Change("MODIFIED", key, changed, living.revision)

    def _object(self, name: str, uid: str) -> JSON:
        self._turn += 1
        colour = self._draw.choice(COLOURS)
        labels = {"labels": {"colour": colour}} if colour else {}
        metadata = {"name": name, "namespace": NAMESPACE, "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z"}
        text = "x" * self._draw.choice((0, 10, 3000))  # the longest are compressed
        return {"metadata": {**metadata, **labels}, "data": {"turn": str(self._turn), "text": text}}


def main() -> None:
    """Write until killed."""
    place, seed = sys.argv[1:]
    endpoint, _, table = place.partition("#")
    storage = DynamoStorage(table, region="us-east-1", endpoint=endpoint) if table else SqliteStorage(place)
    writer = Writer(storage, seed)
    while True:  # the way out is SIGKILL
        writer.step()


if __name__ == "__main__":
    main()
