"""Calls on the DynamoDB table: every read consistent, every error a StorageError."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from botocore.config import Config
from botocore.exceptions import BotoCoreError
from pynamodb.connection import TableConnection
from pynamodb.exceptions import DoesNotExist, PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.aws_models import MODELS
from chalicelib.storage.base import StorageUnavailable
from chalicelib.storage.dynamodb.item import (
    CHECKPOINT_SK,
    LOG_PK,
    SETTLED_SECONDS,
    STORE_PK,
    STORE_SK,
    Head,
    Item,
    head_of,
    head_without_log,
)

FIRST_PAUSE_SECONDS = 0.01  # about one transaction, so the winner is through
LONGEST_PAUSE_SECONDS = 0.25  # beyond that a loser waits longer than the race lasts
# The endpoint is in the same region: what takes longer is not there. All attempts together end within the ten seconds
# that Spark waits for an answer.
CONNECT_SECONDS, READ_SECONDS = 1, 2
RETRIES = 2  # by botocore, of throttling, 5xx and lost connections; transactions carry a token against repetition
CONNECTIONS = 64  # botocore's 10 would queue the threads of a local server
BATCH_GET_ITEMS = 100  # DynamoDB's limit
HEAD_TRIES = 10  # about a second; the first transaction of a store ends within milliseconds
LOG_MARGIN_SECONDS = 3600.0  # far more than clocks differ
BATCH_GET_TRIES = 8  # for keys left unread when the table is throttled
# Reasons for which DynamoDB cancels a transaction: its API reference, "TransactWriteItems".
_LOST_RACES = {"ConditionalCheckFailed", "TransactionConflict"}
_THROTTLED = {"ThrottlingError", "ProvisionedThroughputExceeded"}
_ADVICE = {
    "ResourceNotFoundException": "does not exist here: check region and name, or create it (docs/anywhere.md)",
    "ProvisionedThroughputExceededException": "is throttled: try again",
    "ThrottlingException": "is throttled: try again",
    "RequestLimitExceeded": "is throttled: try again",
    "TransactionInProgressException": "still carries out this write, which may come to pass: look, and try again",
    "AccessDeniedException": "may not be used with these credentials: see the role's policy",
    "UnrecognizedClientException": "may not be used with these credentials: they are not known",
    "ExpiredTokenException": "may not be used with these credentials: they have expired",
}


class Backoff:
    """Pauses that double, each shortened by chance so that those who collided do not meet again."""

    def __init__(
        self, *, pause: Callable[[float], None] = time.sleep, chance: Callable[[], float] = random.random
    ) -> None:
        self._pause = pause
        self._chance = chance

    def tries(self, count: int) -> Iterator[int]:
        """Yield 0, 1, ... `count` - 1, with a pause before each but the first."""
        for attempt in range(count):
            if attempt:
                longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
                self._pause(longest * self._chance())
            yield attempt


class Key(NamedTuple):
    """An item's key."""

    pk: str
    sk: str


@dataclass(slots=True)
class Transaction:
    """Writes that happen together or not at all, each with what must hold of its item before."""

    puts: list[tuple[Item, Condition | None]] = field(default_factory=list)
    deletes: list[tuple[Item, Condition | None]] = field(default_factory=list)
    updates: list[tuple[Item, list[Action], Condition]] = field(default_factory=list)


class Table:
    """The table of that name; `region` and `endpoint` default to botocore's own settings."""

    def __init__(
        self, name: str, *, region: str | None, endpoint: str | None, backoff: Backoff, clock: Callable[[], float]
    ) -> None:
        self._name = name
        self._clock = clock
        self._backoff = backoff
        meta = {
            "table_name": name,
            "region": region,
            "host": endpoint,
            "connect_timeout_seconds": CONNECT_SECONDS,
            "read_timeout_seconds": READ_SECONDS,
            "max_retry_attempts": RETRIES,
            "max_pool_connections": CONNECTIONS,
        }

        class TableItem(Item):
            """An item of this table: a pynamodb model belongs to one."""

            Meta = type("Meta", (), meta)  # type: ignore[assignment]  # has what MetaProtocol names

        self.items: type[Item] = TableItem
        with self._translated():
            # pynamodb offers no public way to a model's connection, and a second one would cost a
            # Lambda's cold start another botocore client. Made here since its making is not locked.
            self._connection: TableConnection = self.items._get_connection()
            # botocore makes its own name for each request anew, which takes a sixth of a request's processor time.
            session = self._connection.connection.session
            session.set_default_client_config(Config(user_agent="sparkanywhere"))
            session.register_component("data_loader", MODELS)
            self.client: Any = self._connection.connection.client  # botocore's, which is typed by name only

    def create(self) -> None:
        """Create the table, with its TTL, and wait until it can be used; leave an existing one alone."""
        with self._translated():
            self.items.create_table(wait=True, billing_mode="PAY_PER_REQUEST")

    def head(self) -> Head:
        """Return where the store stands."""
        row, checkpoint = Key(STORE_PK, STORE_SK), Key(STORE_PK, CHECKPOINT_SK)
        for _ in self._backoff.tries(HEAD_TRIES):
            entry = self.last(LOG_PK)
            # DynamoDB removes what has expired in any order: another one may have been the last.
            if entry is not None and entry.expires.timestamp() - LOG_MARGIN_SECONDS > self._clock():
                return head_of(entry)
            found = self.find_all([row, checkpoint])
            noted = found.get(checkpoint)
            if noted is None or self._clock() - noted.at > SETTLED_SECONDS:
                return head_without_log(found.get(row), noted)
        raise StorageUnavailable(f"the log of the table {self._name} is not visible yet: try again")

    def last(self, pk: str, condition: Condition | None = None) -> Item | None:
        """Return a partition's item with the last sk."""
        with self._translated():
            found = self.items.query(pk, condition, consistent_read=True, limit=1, scan_index_forward=False)
            return next(iter(found), None)

    def find(self, key: Key) -> Item | None:
        """Return one item, None if there is none."""
        with self._translated():
            try:
                return self.items.get(key.pk, key.sk, consistent_read=True)
            except DoesNotExist:
                return None

    def find_all(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """Return those of the items that exist, each consistently read, but not all at one moment."""
        found: dict[Key, Item] = {}
        wanted = iter(dict.fromkeys(keys))  # the same key twice in a batch is refused
        while batch := list(islice(wanted, BATCH_GET_ITEMS)):
            for item in self._get_batch([{"pk": {"S": key.pk}, "sk": {"S": key.sk}} for key in batch]):
                found[Key(item.pk, item.sk)] = item
        return found

    def query(
        self,
        pk: str,
        condition: Condition | None = None,
        *,
        limit: int | None = None,
        page: int | None = None,
        attributes: Sequence[str] | None = None,
    ) -> Iterator[Item]:
        """Yield a partition's items in order of sk; each page, of 1 MB or so many items, is of a moment of its own."""
        with self._translated():
            yield from self.items.query(
                pk,
                condition,
                consistent_read=True,
                limit=limit,
                page_size=page,
                attributes_to_get=list(attributes) if attributes else None,
            )

    def count(self, pk: str, condition: Condition | None = None) -> int:
        """Return how many items a partition has; each page of 1 MB is of a moment of its own."""
        with self._translated():
            return int(self.items.count(pk, condition, consistent_read=True))

    def transact(self, transaction: Transaction, *, token: str) -> str | None:
        """Do all of a transaction; or return, in words, why nothing was written and to try again.

        Which item was in the way is not read from the answer: its reasons are in an order of pynamodb's
        own (deletes, puts, updates). The caller reads the items again anyway, and sees.
        """
        try:
            with TransactWrite(connection=self._connection.connection, client_request_token=token) as writes:
                for item, condition in transaction.deletes:
                    writes.delete(item, condition)
                for item, condition in transaction.puts:
                    writes.save(item, condition)
                for item, actions, condition in transaction.updates:
                    writes.update(item, actions, condition)
        except TransactWriteError as error:
            reasons = {reason.code for reason in error.cancellation_reasons if reason}
            if reasons and reasons <= _THROTTLED:
                return f"the table {self._name} is throttled"
            if reasons and reasons <= _THROTTLED | _LOST_RACES:
                return f"too many write to the table {self._name} at once"
            raise StorageUnavailable(self._sentence(error)) from error
        return None

    def update(self, item: Item, actions: list[Action], condition: Condition | None = None) -> bool:
        """Change one item; return False if its condition did not hold or it lost a race."""
        with self._translated():
            return _unless_refused(partial(item.update, actions=actions, condition=condition))

    def put(self, item: Item, condition: Condition) -> bool:
        """Store one item; return False if its condition did not hold."""
        with self._translated():
            return _unless_refused(partial(item.save, condition))

    def delete(self, item: Item, condition: Condition) -> bool:
        """Remove one item; return False if its condition did not hold."""
        with self._translated():
            return _unless_refused(partial(item.delete, condition))

    def _get_batch(self, keys: list[dict[str, Any]]) -> Iterator[Item]:
        for _ in self._backoff.tries(BATCH_GET_TRIES):
            with self._translated():
                # pynamodb's models hand over such keys too, whatever its annotation says.
                answer = self._connection.batch_get_item(keys, consistent_read=True)  # type: ignore[arg-type]
            for raw in answer["Responses"].get(self._name, ()):
                yield self.items.from_raw_data(raw)
            keys = answer["UnprocessedKeys"].get(self._name, {}).get("Keys", [])
            if not keys:
                return
        raise StorageUnavailable(f"the table {self._name} is throttled: try again")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (PynamoDBException, BotoCoreError) as error:
            raise StorageUnavailable(self._sentence(error)) from error

    def _sentence(self, error: Exception) -> str:
        code = getattr(error, "cause_response_code", None)
        advice = _ADVICE.get(code or "")
        return f"the table {self._name} {advice}" if advice else f"the table {self._name} cannot be used: {error}"


def _unless_refused(write: Callable[[], object]) -> bool:
    """Return whether a write of one item was done: not if its condition did not hold, or it met a transaction."""
    try:
        write()
    except PynamoDBException as error:
        if error.cause_response_code in ("ConditionalCheckFailedException", "TransactionConflictException"):
            return False
        raise
    return True
