"""What lies in the DynamoDB table: one table, key (pk, sk), six kinds of item.

    pk                   sk                  what
    store                revision            the revision, and which was the last of each resource
    object#<resource>    <namespace>/<name>  the object; so a prefix is a range of one partition
    event#<resource>     <revision>          one write: the object after it and before it; expires
    previous#<resource>  <revision>          the object before it, if both don't fit one item; expires
    uid#<uid>            uid                 the key of the object with that uid
    owner#<uid>          <key>               an object that names this uid as an owner

There is no index: an index is only eventually consistent.

Decision on size. DynamoDB takes 400 KB an item, Kubernetes 1.5 MiB an object. Text is compressed
(compression.py): a pod of Spark of 10 KB then takes less than half of one, an event's two states little more
than one of them, and a ConfigMap of 1.5 MiB of text fits. What is still over 392 KiB is refused by name
(ObjectTooLarge) and not split: parts would need their own expiry, and each list a second read, for the
sake of Secrets and ConfigMaps full of binary data, which belong into S3. Only an event's earlier state
moves to an item of its own where two large states meet.

Sizes: docs.aws.amazon.com/amazondynamodb, "Quotas in Amazon DynamoDB" (2025).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
)
from pynamodb.models import Model

from chalicelib.storage.base import EventType, StoredObject, WatchEvent
from chalicelib.storage.dynamodb.compression import compressed, decompressed

PACK_CHARS = 256  # what is smaller hardly shrinks
ITEM_BYTES = 400 * 1024
BODY_BYTES = ITEM_BYTES - 8 * 1024  # leaves room for a key of 3 KB and the uids of OWNERS
OWNERS = 90  # a transaction takes 100 items, and at most five others are in it
REVISION_DIGITS = 20  # of 2**64, so that text order is number order

STORE_PK, STORE_SK = "store", "revision"
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
    # Of an event: the resource's event before this one, as [revision, at].
    follows = JSONAttribute(null=True)
    has_previous_apart = BooleanAttribute(null=True)
    text = UnicodeAttribute(null=True)  # JSON texts, one a line
    packed = BinaryAttribute(null=True, legacy_encoding=False)  # the same, compressed
    # Of the store: the newest event of each resource, as {resource: [revision, at]}.
    newest = JSONAttribute(null=True)
    compacted = NumberAttribute(null=True)  # events up to this revision have expired


@dataclass(frozen=True, slots=True)
class Mark:
    """An event's revision, and when it was written."""

    revision: int
    at: float


NEVER = Mark(revision=0, at=0.0)


@dataclass(frozen=True, slots=True)
class Head:
    """The store's own row: the revision, and which event was the last of each resource.

    It is one item, so what it says belongs together, whatever a transaction under way does to others.
    """

    revision: int = 1  # an empty store's: revisions start above 0
    compacted: int = 1
    newest: dict[str, Mark] = field(default_factory=dict)
    is_stored: bool = False

    def mark(self, resource: str) -> Mark:
        """Return the newest event of a resource, NEVER if it has none."""
        return self.newest.get(resource, NEVER)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event, and the event of the same resource that it follows."""

    event: WatchEvent
    follows: Mark

    @property
    def revision(self) -> int:
        """Return the event's revision."""
        return self.event.revision


def head_of(item: Item | None) -> Head:
    """Return the store's row as a Head; that of an empty store if there is none."""
    if item is None:
        return Head()
    newest = {resource: Mark(*mark) for resource, mark in item.newest.items()}
    return Head(int(item.revision), int(item.compacted or 1), newest, is_stored=True)


def object_pk(resource: str) -> str:
    """Return the partition of a resource's objects."""
    return f"object#{resource}"


def event_pk(resource: str) -> str:
    """Return the partition of a resource's events."""
    return f"event#{resource}"


def previous_pk(resource: str) -> str:
    """Return the partition of earlier states that did not fit their events."""
    return f"previous#{resource}"


def uid_pk(uid: str) -> str:
    """Return the partition of a uid's row."""
    return f"uid#{uid}"


def owner_pk(uid: str) -> str:
    """Return the partition of all that a uid owns."""
    return f"owner#{uid}"


def revision_sk(revision: int) -> str:
    """Return a revision as text that sorts like the number."""
    return f"{revision:0{REVISION_DIGITS}}"


def packed_size(text: str) -> int:
    """Return what the text takes in an item, in bytes."""
    return len(text) if len(text) <= PACK_CHARS else len(compressed(text))


def fill(item: Item, *texts: str) -> None:
    """Put JSON texts, which have no raw line break, into an item."""
    lines = "\n".join(texts)
    if len(lines) <= PACK_CHARS:
        item.text = lines
    else:
        item.packed = compressed(lines)


def unpack(item: Item) -> list[str]:
    """Return the JSON texts of an item."""
    lines = item.text if item.packed is None else decompressed(item.packed)
    return lines.split("\n")


def stored_object(item: Item) -> StoredObject:
    """Return an object item as what callers get."""
    return StoredObject(item.key, int(item.revision), unpack(item)[0])


def logged_event(item: Item, previous: Item | None = None) -> LoggedEvent:
    """Return an event item with what it says; `previous` is the item apart, if it has one."""
    texts = unpack(item) + (unpack(previous) if previous else [])
    event_type: EventType = item.type  # type: ignore[assignment]  # only these were stored
    before = texts[1] if len(texts) > 1 else None
    event = WatchEvent(event_type, item.key, int(item.revision), texts[0], before)
    return LoggedEvent(event, Mark(*item.follows))
