"""What lies in the DynamoDB table: one table, key (pk, sk), six kinds of item.

    pk                   sk                  what
    log                  <revision>          the writes of one transaction, by the revision of its last; expires
    body                 <revision>/<n>      their texts, where these are large; expires
    object#<resource>    <namespace>/<name>  the object; so a prefix is a range of one partition
    uid#<uid>            uid                 the key of the object with that uid
    owner#<uid>          <key>               an object that names this uid as an owner
    store                checkpoint          what the last entry of the log said, for when all of them have expired

There is no index: an index is only eventually consistent. The last entry of the log is where the store stands: it says
the revision, and which was the last of each resource. A transaction adds the entry after the one that it has read, if
nobody has: so no two take the same revision, and one item less is written than if a row held the revision.

Until 0.1 a row `store`, `revision` held it, and each event was an item `event#<resource>`. A table of then is read on:
its row is where the log begins, and the first transaction makes the row one that older versions stumble over, so that
none of them writes on beside. Its events are not read: watches of before get 410 and list anew.

Decision on size. DynamoDB takes 400 KB an item, Kubernetes 1.5 MiB an object. Text is compressed
(compression.py): a pod of Spark of 10 KB then takes less than half of one, an event's two states little more
than one of them, and a ConfigMap of 1.5 MiB of text fits. What is still over 392 KiB is refused by name
(ObjectTooLarge) and not split: parts would need their own expiry, and each list a second read, for the
sake of Secrets and ConfigMaps full of binary data, which belong into S3. Only the log's texts move to items
of their own where they are large, also because the last entry is read all the time.

Sizes: docs.aws.amazon.com/amazondynamodb, "Quotas in Amazon DynamoDB" (2025).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pynamodb.attributes import BinaryAttribute, JSONAttribute, NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.models import Model

from chalicelib.storage.base import EventType, StoredObject, WatchEvent
from chalicelib.storage.dynamodb.compression import compressed, decompressed

PACK_CHARS = 256  # what is smaller hardly shrinks
ITEM_BYTES = 400 * 1024
BODY_BYTES = ITEM_BYTES - 8 * 1024  # leaves room for a key of 3 KB and the uids of OWNERS
OWNERS = 90  # a transaction takes 100 items, and at most ten others are in it
SETTLED_SECONDS = 60.0  # a transaction is visible within milliseconds; the rest is for clocks that differ
ENTRY_BYTES = 3 * 1024  # of an entry's texts: the last one is read all the time, in one unit of 4 KB
BUMP = 2**32  # more than is written in the week after which an entry of the log has expired
REVISION_DIGITS = 20  # of 2**64, so that text order is number order

LOG_PK, BODY_PK = "log", "body"
STORE_PK, STORE_SK, CHECKPOINT_SK = "store", "revision", "checkpoint"
ALL = ""  # stands for every resource among the newest events
PROBE_SK = "probe"  # what is written to see whether the table takes writes
UID_SK = "uid"


class Item(Model):
    """Any item; what its kind has no use for is null."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    revision = NumberAttribute(null=True)
    type = UnicodeAttribute(null=True)
    key = UnicodeAttribute(null=True)
    uid = UnicodeAttribute(null=True)
    owners = JSONAttribute(null=True)
    at = NumberAttribute(null=True)  # seconds since 1970
    expires = TTLAttribute(null=True)  # DynamoDB deletes the item some days after that time
    made = NumberAttribute(null=True)  # of news: the revision at which it was created
    bodies = NumberAttribute(null=True)  # of an entry of the log: how many items hold its texts
    text = UnicodeAttribute(null=True)  # JSON texts, one a line
    packed = BinaryAttribute(null=True, legacy_encoding=False)  # the same, compressed
    newest = JSONAttribute(null=True)  # of the row of earlier versions: {resource: [revision, at]}
    compacted = NumberAttribute(null=True)  # events up to this revision have expired


@dataclass(frozen=True, slots=True)
class Mark:
    """An event's revision, and when it was written."""

    revision: int
    at: float


NEVER = Mark(revision=0, at=0.0)


Marks = Mapping[str, Mark]  # by resource


@dataclass(frozen=True, slots=True)
class Head:
    """Where the store stands: its revision, and which event was the last of each resource.

    It is read from one item, so what it says belongs together, whatever a transaction under way does to others.
    """

    revision: int = 1  # an empty store's: revisions start above 0
    compacted: int = 1
    newest: Marks = field(default_factory=dict)
    entry: str | None = None  # sk of the log's last entry, None where the log is empty
    row: int | None = None  # the revision in the row of earlier versions that this is read from
    at: float = 0.0

    def mark(self, resource: str) -> Mark:
        """Return the newest event of a resource, NEVER if it has none."""
        return self.newest.get(resource) or self.newest.get(ALL, NEVER)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one transaction has written: events of revisions that follow one another, and when."""

    first: int
    at: float
    events: Sequence[WatchEvent]

    @property
    def last(self) -> int:
        """Return the last revision."""
        return self.first + len(self.events) - 1


def marks_from(stored: Mapping[str, Sequence[float]]) -> Marks:
    """Return marks from what an item says of them."""
    return {resource: Mark(int(mark[0]), mark[1]) for resource, mark in stored.items()}


def as_stored(marks: Marks) -> dict[str, Sequence[float]]:
    """Return marks as an item says them."""
    return {resource: (mark.revision, mark.at) for resource, mark in marks.items()}


def head_of(entry: Item) -> Head:
    """Return where the store stands by the log's last entry."""
    marks = marks_from(json.loads(unpack(entry)[0])["newest"])
    return Head(int(entry.revision), int(entry.compacted), marks, entry=entry.sk, at=entry.at)


def head_without_log(row: Item | None, checkpoint: Item | None) -> Head:
    """Return where a store without a log stands: a new one, one of an earlier version, or one whose log has expired.

    Of the last what is known may be old, so it goes on at a revision that it had not reached yet.
    """
    if checkpoint is not None:
        revision = int(checkpoint.revision) + BUMP
        return Head(revision, revision, {ALL: Mark(revision, 0.0)})
    if row is None:
        return Head()
    return Head(int(row.revision), int(row.revision), marks_from(row.newest or {}), row=int(row.revision))


def object_pk(resource: str) -> str:
    """Return the partition of a resource's objects."""
    return f"object#{resource}"


def uid_pk(uid: str) -> str:
    """Return the partition of a uid's row."""
    return f"uid#{uid}"


def owner_pk(uid: str) -> str:
    """Return the partition of all that a uid owns."""
    return f"owner#{uid}"


def revision_sk(revision: int) -> str:
    """Return a revision as text that sorts like the number."""
    return f"{revision:0{REVISION_DIGITS}}"


def pack(*texts: str) -> str | bytes:
    """Return JSON texts, which have no raw line break, as an item holds them: its length is what they take there."""
    lines = "\n".join(texts)
    return lines if len(lines) <= PACK_CHARS else compressed(lines)


def fill(item: Item, packed: str | bytes) -> None:
    """Put packed texts into an item."""
    if isinstance(packed, str):
        item.text = packed
    else:
        item.packed = packed


def unpack(item: Item) -> list[str]:
    """Return the JSON texts of an item."""
    lines = item.text if item.packed is None else decompressed(item.packed)
    return lines.split("\n")


def stored_object(item: Item) -> StoredObject:
    """Return an object item as what callers get."""
    return StoredObject(item.key, int(item.revision), unpack(item)[0])


def fill_entry(entry: Item, newest: Marks, events: Sequence[WatchEvent]) -> Iterator[tuple[str, str | bytes]]:
    """Put the events of a transaction into its entry of the log; yield (sk, packed) of items that take large ones."""
    written = [(event.type, event.key, event.previous_json is not None) for event in events]
    header = json.dumps({"newest": as_stored(newest), "writes": written}, separators=(",", ":"))
    texts = [text for event in events for text in (event.json, event.previous_json) if text is not None]
    whole = pack(header, *texts)
    if len(whole) <= ENTRY_BYTES:
        fill(entry, whole)
        return
    fill(entry, pack(header))
    together = pack(*texts)
    bodies = [together] if len(together) <= BODY_BYTES else [pack(text) for text in texts]
    entry.bodies = len(bodies)
    for number, body in enumerate(bodies):
        yield body_sk(entry.sk, number), body


def body_sk(entry_sk: str, number: int) -> str:
    """Return the sk of an item that holds texts of an entry."""
    return f"{entry_sk}/{number}"


def entry_of(item: Item, bodies: Sequence[Item]) -> Entry:
    """Return an entry of the log with what it says; `bodies` are the items with its texts, if they are apart."""
    header, *texts = unpack(item)
    texts += [text for body in bodies for text in unpack(body)]
    first, left, events = int(item.sk), iter(texts), []
    event_type: EventType
    for number, (event_type, key, has_previous) in enumerate(json.loads(header)["writes"]):
        text = next(left)
        events.append(WatchEvent(event_type, key, first + number, text, next(left) if has_previous else None))
    return Entry(first, item.at, events)
