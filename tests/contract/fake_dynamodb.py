"""A DynamoDB in memory for tests that moto can't bear: many threads, and transactions seen half done.

It answers botocore's requests in place of the network (`answer` is a `before-send` handler), keeps the
limits and the isolation that DynamoDB documents, and fails where told to. The storage contract runs on
it and on moto alike, which is what vouches for it.

docs.aws.amazon.com/amazondynamodb: API reference; "Amazon DynamoDB transactions: how it works" (2025).
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError

from tests.contract.fake_expressions import Attributes, Expression
from tests.contract.fake_http import json_answer

ITEM_BYTES = 400 * 1024
PAGE_BYTES = 1024 * 1024
TRANSACTION_ITEMS = 100
BATCH_GET_ITEMS = 100

Request = dict[str, Any]  # a DynamoDB request or answer: its shape is AWS's
ItemKey = tuple[str, str]


class DynamoDBError(Exception):
    """An error answer."""

    def __init__(self, code: str, message: str = "", **more: Any) -> None:
        super().__init__(message)
        self.body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}


@dataclass(slots=True)
class Faults:
    """What goes wrong: each n-th transaction of a kind, counted from 1; 0 is never."""

    conflict_every: int = 0  # cancelled, as one that met another under way
    throttle_every: int = 0  # cancelled for lack of capacity
    in_progress_every: int = 0  # refused, as one whose first sending, with the same token, is still being carried out
    lose_answer_every: int = 0  # done, but the connection breaks before the answer
    refuse_all: str = ""  # every request fails with this error code
    visible_seconds: float = 0.0  # a transaction's items become visible over up to this long each
    latency_seconds: float = 0.0  # of every request


@dataclass(slots=True)
class _Partition:
    """The items of one pk by sk, in order."""

    items: dict[str, Attributes] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)


class FakeDynamoDB:
    """One table with key (pk, sk), under any name."""

    def __init__(self, faults: Faults | None = None, *, seed: int = 0) -> None:
        self.faults = faults or Faults()
        self.requests: list[str] = []  # operation names, in order
        self._lock = threading.Lock()
        self._partitions: dict[str, _Partition] = {}
        self._under_way: set[ItemKey] = set()
        self._tokens: set[str] = set()
        self._transactions = 0
        self._exists = False
        self._random = random.Random(seed)

    def answer(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        """Answer a signed request, as a handler of botocore's event `before-send.dynamodb`."""
        operation = _text(request.headers["X-Amz-Target"]).rpartition(".")[2]
        self.requests.append(operation)
        if self.faults.latency_seconds:
            time.sleep(self.faults.latency_seconds)
        try:
            if self.faults.refuse_all:
                raise DynamoDBError(self.faults.refuse_all, "refused for a test")
            if not self._exists and operation not in ("CreateTable", "DescribeTable"):
                raise DynamoDBError("ResourceNotFoundException", "Requested resource not found")
            body = json.loads(_text(request.body))  # type: ignore[arg-type]  # never a stream for DynamoDB
            return json_answer(request.url, 200, getattr(self, f"_{operation}")(body))
        except DynamoDBError as error:
            return json_answer(request.url, 400, error.body)

    def items(self) -> list[Attributes]:
        """Return all items."""
        with self._lock:
            return [item for part in self._partitions.values() for item in part.items.values()]

    def find(self, pk: str, sk: str) -> Attributes | None:
        """Return an item as it is, None if there is none."""
        with self._lock:
            return self._find((pk, sk))

    def take(self, pk: str, sk: str) -> Attributes | None:
        """Remove an item, as DynamoDB's TTL does, or as if it were not visible yet; return it."""
        with self._lock:
            item = self._find((pk, sk))
            self._store((pk, sk), None)
        return item

    def put(self, item: Attributes | None) -> None:
        """Store an item as it is, in place of what is there."""
        assert item
        with self._lock:
            self._store(_key(item), item)

    def _CreateTable(self, request: Request) -> Request:
        self._exists = True
        return {"TableDescription": {"TableName": request["TableName"], "TableStatus": "ACTIVE"}}

    def _DescribeTable(self, request: Request) -> Request:
        if not self._exists:
            raise DynamoDBError("ResourceNotFoundException", "Requested resource not found")
        return {"Table": {"TableName": request["TableName"], "TableStatus": "ACTIVE"}}

    def _UpdateTimeToLive(self, request: Request) -> Request:
        return {"TimeToLiveSpecification": request["TimeToLiveSpecification"]}

    def _GetItem(self, request: Request) -> Request:
        assert request["ConsistentRead"] is True
        with self._lock:
            item = self._find(_key(request["Key"]))
        return {"Item": item} if item else {}

    def _BatchGetItem(self, request: Request) -> Request:
        ((table, wanted),) = request["RequestItems"].items()
        assert wanted["ConsistentRead"] is True
        _require(len(wanted["Keys"]) <= BATCH_GET_ITEMS, "Too many items requested for the BatchGetItem call")
        _require(
            len(set(map(_key, wanted["Keys"]))) == len(wanted["Keys"]), "Provided list of item keys contains duplicates"
        )
        found = []
        for key in wanted["Keys"]:  # each at a moment of its own, as documented
            with self._lock:
                item = self._find(_key(key))
            found += [item] if item else []
        return {"Responses": {table: found}, "UnprocessedKeys": {}}

    def _Query(self, request: Request) -> Request:
        assert request["ConsistentRead"] is True
        condition = Expression(request, request["KeyConditionExpression"])
        pk = condition.value_of("pk")["S"]
        after = request.get("ExclusiveStartKey", {}).get("sk", {}).get("S")
        with self._lock:  # a page is read at one moment; the next page at another
            part = self._partitions.get(pk, _Partition())
            first = 0 if after is None else bisect_left(part.order, after + "\0")
            order = part.order[first:] if request.get("ScanIndexForward", True) else part.order[::-1]
            page, last = self._page(part, order, condition, request.get("Limit"))
        if "ProjectionExpression" in request:
            names = Expression(request, request["ProjectionExpression"]).names()
            page = [{name: item[name] for name in names if name in item} for item in page]
        answer: Request = {"Items": page, "Count": len(page), "ScannedCount": len(page)}
        return answer | ({"LastEvaluatedKey": {"pk": {"S": pk}, "sk": {"S": last}}} if last else {})

    def _PutItem(self, request: Request) -> Request:
        self._write_one("Put", request)
        return {}

    def _DeleteItem(self, request: Request) -> Request:
        self._write_one("Delete", request)
        return {}

    def _UpdateItem(self, request: Request) -> Request:
        return {"Attributes": self._write_one("Update", request)}

    def _write_one(self, kind: str, request: Request) -> Attributes | None:
        key = _key(request.get("Key") or request["Item"])
        with self._lock:
            if key in self._under_way:
                raise DynamoDBError("TransactionConflictException", "Transaction is ongoing for the item")
            if not self._condition(request).holds(self._find(key) or {}):
                raise DynamoDBError("ConditionalCheckFailedException", "The conditional request failed")
            changed = self._changed(kind, request)
            self._store(key, changed)
        return changed

    def _TransactWriteItems(self, request: Request) -> Request:
        actions = [next(iter(action.items())) for action in request["TransactItems"]]
        keys = [_key(action.get("Key") or action["Item"]) for _, action in actions]
        _require(len(actions) <= TRANSACTION_ITEMS, "Member must have length less than or equal to 100")
        _require(len(set(keys)) == len(keys), "Transaction request cannot include multiple operations on one item")
        with self._lock:
            if request["ClientRequestToken"] in self._tokens:
                return {}
            self._transactions += 1
            number = self._transactions
            if _is_nth(number, self.faults.in_progress_every):
                raise DynamoDBError("TransactionInProgressException", "The transaction is in progress")
            self._refuse(self._reasons(number, actions, keys))
            changes = [(key, self._changed(kind, action)) for key, (kind, action) in zip(keys, actions, strict=True)]
            self._tokens.add(request["ClientRequestToken"])
            self._under_way.update(keys)
            if not self.faults.visible_seconds:
                self._finish(changes)
        if self.faults.visible_seconds:
            self._finish_slowly(changes)
        if _is_nth(number, self.faults.lose_answer_every):
            raise ConnectionClosedError(endpoint_url="fake")
        return {}

    def _reasons(self, number: int, actions: list[tuple[str, Request]], keys: list[ItemKey]) -> list[str]:
        if _is_nth(number, self.faults.conflict_every):
            return ["TransactionConflict"] + ["None"] * (len(keys) - 1)
        if _is_nth(number, self.faults.throttle_every):
            return ["ThrottlingError"] + ["None"] * (len(keys) - 1)
        return [
            "TransactionConflict"
            if key in self._under_way
            else "None"
            if self._condition(action).holds(self._find(key) or {})
            else "ConditionalCheckFailed"
            for key, (_, action) in zip(keys, actions, strict=True)
        ]

    def _refuse(self, reasons: list[str]) -> None:
        if set(reasons) != {"None"}:
            raise DynamoDBError(
                "TransactionCanceledException",
                f"Transaction cancelled, please refer cancellation reasons for specific reasons {reasons}",
                CancellationReasons=[{"Code": reason} for reason in reasons],
            )

    def _finish(self, changes: list[tuple[ItemKey, Attributes | None]]) -> None:
        for key, item in changes:
            self._store(key, item)
            self._under_way.discard(key)

    def _finish_slowly(self, changes: list[tuple[ItemKey, Attributes | None]]) -> None:
        """Make a transaction visible item by item: until then, readers see an item as it was before."""
        self._random.shuffle(changes)
        for change in changes:
            time.sleep(self._random.uniform(0, self.faults.visible_seconds))
            with self._lock:
                self._finish([change])

    def _condition(self, action: Request) -> Expression:
        text = action.get("ConditionExpression", "")
        return Expression(action, text)

    def _changed(self, kind: str, action: Request) -> Attributes | None:
        if kind == "Delete":
            return None
        if kind == "Put":
            changed: Attributes = action["Item"]
        else:
            before = self._find(_key(action["Key"])) or dict(action["Key"])
            changed = Expression(action, action["UpdateExpression"]).apply(before)
        _require(item_size(changed) <= ITEM_BYTES, "Item size has exceeded the maximum allowed size")
        return changed

    def _find(self, key: ItemKey) -> Attributes | None:
        part = self._partitions.get(key[0])
        return part.items.get(key[1]) if part else None

    def _store(self, key: ItemKey, item: Attributes | None) -> None:
        pk, sk = key
        part = self._partitions.setdefault(pk, _Partition())
        if item is None:
            if part.items.pop(sk, None):
                part.order.remove(sk)
        else:
            if sk not in part.items:
                insort(part.order, sk)
            part.items[sk] = item

    def _page(
        self, part: _Partition, order: list[str], condition: Expression, limit: int | None
    ) -> tuple[list[Attributes], str | None]:
        """Return a page's items, and the last sk if there are more."""
        page: list[Attributes] = []
        bytes_read = 0
        for sk in order:
            item = part.items[sk]
            if not condition.holds(item):
                continue
            page.append(item)
            bytes_read += item_size(item)
            if len(page) == limit or bytes_read >= PAGE_BYTES:
                return page, sk
        return page, None


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def _key(attributes: Attributes) -> ItemKey:
    return attributes["pk"]["S"], attributes["sk"]["S"]


def item_size(item: Attributes) -> int:
    """Return what DynamoDB counts an item's size to be, in bytes: of names and values, binary ones not encoded."""
    return sum(len(name) + _value_size(value) for name, value in item.items())


def _value_size(value: dict[str, Any]) -> int:
    ((kind, raw),) = value.items()
    return len(base64.b64decode(raw)) if kind == "B" else len(str(raw).encode())


def _require(is_valid: bool, message: str) -> None:
    if not is_valid:
        raise DynamoDBError("ValidationException", message)


def _is_nth(number: int, every: int) -> bool:
    return bool(every) and number % every == 0
