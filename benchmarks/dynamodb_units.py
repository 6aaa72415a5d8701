"""DynamoDB's read and write units, counted on the fake as the service bills them.

Developer Guide, "Read and write request consumption" (2026): an item written costs a unit for each KB of the larger of
its two states, twice that in a transaction, whether the transaction is carried out or cancelled; a condition that does
not hold costs the same. A consistent read costs a unit for each 4 KB: of each item in a batch, of all together in a
query, before any projection.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from tests.contract.fake_dynamodb import FakeDynamoDB, item_size

KB = 1024
Document = dict[str, Any]  # a request, or an answer, as DynamoDB has it


@dataclass(slots=True)
class Units:
    """What was used: write units by partition, transactions and lost ones by outcome, read units by operation."""

    writes: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)

    def __sub__(self, before: Units) -> Units:
        return Units(self.writes - before.writes, self.requests - before.requests, self.reads - before.reads)


class UnitMeter:
    """Counts the units of all that a fake is asked from now on. Safe to use from many threads."""

    def __init__(self, fake: FakeDynamoDB) -> None:
        self._fake = fake
        self._units = Units()
        self._lock = threading.Lock()
        self._answer = fake.answer
        fake.answer = self._metered  # type: ignore[method-assign]

    def read(self) -> Units:
        """Return what has been counted so far."""
        with self._lock:
            return Units(Counter(self._units.writes), Counter(self._units.requests), Counter(self._units.reads))

    def _metered(self, request: Any, **more: Any) -> Any:
        operation = request.headers["X-Amz-Target"]
        operation = (operation if isinstance(operation, str) else operation.decode()).rpartition(".")[2]
        asked = json.loads(request.body)
        written = Counter[str]()
        for pk, units in self._written(operation, asked):
            written[pk] += units
        answered = self._answer(request, **more)
        with self._lock:
            self._units.writes.update(written)
            self._units.requests[operation if answered.status_code < 400 else f"{operation} refused"] += 1
            if answered.status_code < 400:
                self._units.reads[operation] += _read_units(operation, json.loads(answered.content))
        return answered

    def _written(self, operation: str, asked: Document) -> Iterator[tuple[str, int]]:
        """Yield the partition and the write units of each item of a request."""
        if operation == "TransactWriteItems":
            for action in asked["TransactItems"]:
                ((_, body),) = action.items()
                yield self._item(body, times=2)
        elif operation in ("PutItem", "UpdateItem", "DeleteItem"):
            yield self._item(asked, times=1)
        elif operation == "BatchWriteItem":
            for requests in asked["RequestItems"].values():
                for each in requests:
                    ((_, body),) = each.items()
                    yield self._item(body, times=1)

    def _item(self, body: Document, *, times: int) -> tuple[str, int]:
        key = body.get("Key") or body["Item"]
        before = self._fake.find(key["pk"]["S"], key["sk"]["S"])
        size = max(item_size(body.get("Item") or {}), item_size(before or {}))
        return str(key["pk"]["S"]), times * max(1, ceil(size / KB))


def _read_units(operation: str, found: Document) -> int:
    if operation == "GetItem":
        sizes = [item_size(found.get("Item") or {})]
    elif operation == "Query":
        sizes = [sum(map(item_size, found.get("Items", ())))]
    elif operation == "BatchGetItem":
        sizes = [item_size(item) for table in found["Responses"].values() for item in table]
    else:
        sizes = []
    return sum(max(1, ceil(size / (4 * KB))) for size in sizes)
