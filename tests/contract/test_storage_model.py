"""Storage against a model of plain dicts: Hypothesis tries sequences of operations that nobody thought of."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import (
    Change,
    KeyExists,
    KeyNotFound,
    RevisionConflict,
    RevisionExpired,
    StorageError,
    StoredObject,
    WatchEvent,
)
from tests.contract.fake_dynamodb import Faults
from tests.contract.storage_backends import FakeStores, SqliteStores, StoreFactory

KEYS = [
    "/registry/pods/a/x",
    "/registry/pods/a/y",
    "/registry/pods/a-b/x",
    "/registry/podsets/a/x",
    "/registry/nodes/n",
]
PREFIXES = ["/registry/pods/", "/registry/pods/a/", "/registry/podsets/", "/registry/nodes/", "/registry/services/"]
OWNERS = ["driver", "other"]

keys = st.sampled_from(KEYS)
prefixes = st.sampled_from(PREFIXES)
owner_lists = st.lists(st.sampled_from(OWNERS), max_size=2)
texts = st.sampled_from(["", "naïve", "x" * 3000])  # the last is compressed


@dataclass
class Model:
    """What a store must hold: the living objects at each revision, and all events."""

    revision: int
    oldest: int
    states: dict[int, dict[str, StoredObject]] = field(default_factory=dict)
    events: list[WatchEvent] = field(default_factory=list)
    written_at: dict[int, float] = field(default_factory=dict)

    @property
    def living(self) -> dict[str, StoredObject]:
        """Return the present objects."""
        return self.states[self.revision]

    def expected_page(self, prefix: str, revision: int) -> list[StoredObject]:
        """Return the objects under a prefix at a revision."""
        state = self.states[revision]
        return [state[key] for key in sorted(state) if key.startswith(prefix)]

    def write(self, event: WatchEvent, *, at: float) -> None:
        """Take over a write."""
        state = dict(self.living)
        state.pop(event.key, None)
        if event.type != "DELETED":
            state[event.key] = StoredObject(event.key, event.revision, event.json)
        self.revision = event.revision
        self.states[event.revision] = state
        self.events.append(event)
        self.written_at[event.revision] = at


class StorageMachine(RuleBasedStateMachine):
    """Writes and reads in any order, through two handles in turn; reads are compared with the model."""

    def open_stores(self) -> StoreFactory:
        """Return an empty store."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        """Open two handles on an empty store."""
        self.stores = self.open_stores()
        self.handles = [self.stores.open(), self.stores.open()]
        revision = self.handles[0].revision()
        self.model = Model(revision, oldest=revision, states={revision: {}})
        self.next_uid = 0

    def teardown(self) -> None:
        """Close the store."""
        if hasattr(self, "stores"):
            self.stores.close()

    @rule(key=keys, owners=owner_lists, text=texts, handle=st.integers(0, 1))
    def create(self, key: str, owners: list[str], text: str, handle: int) -> None:
        """Create an object, or be told that it exists."""
        self.next_uid += 1
        obj = self._object(f"uid-{self.next_uid}", owners, text)
        if key in self.model.living:
            with pytest.raises(KeyExists):
                self.handles[handle].create(key, obj)
        else:
            self._took("ADDED", self.handles[handle].create(key, obj))

    @rule(key=keys, owners=owner_lists, text=texts, is_stale=st.booleans(), handle=st.integers(0, 1))
    def update(self, key: str, owners: list[str], text: str, is_stale: bool, handle: int) -> None:
        """Update an object, or be told that it is not there or has changed."""
        living = self.model.living.get(key)
        obj = self._object(living.object()["metadata"]["uid"] if living else "none", owners, text)
        expected = living.revision - is_stale if living else 1
        refusal = self._refusal(living, is_stale=is_stale)
        if refusal:
            with pytest.raises(refusal):
                self.handles[handle].update(key, obj, expected_revision=expected)
        else:
            self._took("MODIFIED", self.handles[handle].update(key, obj, expected_revision=expected))

    @rule(key=keys, is_stale=st.booleans(), has_last=st.booleans(), handle=st.integers(0, 1))
    def delete(self, key: str, is_stale: bool, has_last: bool, handle: int) -> None:
        """Delete an object, or be told that it is not there or has changed."""
        living = self.model.living.get(key)
        last = self._object("last", [], "last words") if has_last else None
        expected = living.revision - is_stale if living else 1
        refusal = self._refusal(living, is_stale=is_stale)
        if refusal:
            with pytest.raises(refusal):
                self.handles[handle].delete(key, expected_revision=expected, last=last)
        else:
            self._took("DELETED", self.handles[handle].delete(key, expected_revision=expected, last=last))

    @rule(chosen=st.lists(keys, unique=True, min_size=1), is_stale=st.booleans(), handle=st.integers(0, 1))
    def transact(self, chosen: list[str], is_stale: bool, handle: int) -> None:
        """Create what is not there and update or delete what is, all at once, or nothing if one is stale."""
        changes = [self._change(key, turn=turn) for turn, key in enumerate(chosen)]
        if is_stale and (living := self.model.living.get(chosen[-1])):
            changes[-1] = Change("MODIFIED", chosen[-1], living.object(), living.revision - 1)
            with pytest.raises(RevisionConflict):
                self.handles[handle].transact(changes)
            return
        for change, stored in zip(changes, self.handles[handle].transact(changes), strict=True):
            self._took(change.type, stored)

    def _change(self, key: str, *, turn: int) -> Change:
        living = self.model.living.get(key)
        if living is None:
            self.next_uid += 1
            return Change("ADDED", key, self._object(f"uid-{self.next_uid}", OWNERS[:turn], "naïve"))
        if turn % 2:
            return Change("DELETED", key, None, living.revision)
        uid = living.object()["metadata"]["uid"]
        return Change("MODIFIED", key, self._object(uid, OWNERS[turn:], "x" * 3000), living.revision)

    @rule(prefix=prefixes, limit=st.integers(1, 3), age=st.integers(0, 12), handle=st.integers(0, 1))
    def list_in_pages(self, prefix: str, limit: int, age: int, handle: int) -> None:
        """List page by page at a revision, which may have expired."""
        revision = max(1, self.model.revision - age)
        if revision < self.model.oldest:
            with pytest.raises(RevisionExpired):
                self.handles[handle].list(prefix, limit=limit, revision=revision)
            return
        items: list[StoredObject] = []
        start_key = None
        for _ in range(len(KEYS) + 1):
            page = self.handles[handle].list(prefix, limit=limit, start_key=start_key, revision=revision)
            items += page.items
            start_key = page.next_key
            assert page.revision == revision
            assert len(page.items) == limit or start_key is None
            if start_key is None:
                break
        assert items == self.model.expected_page(prefix, revision)

    @rule(prefix=prefixes, age=st.integers(0, 12), limit=st.integers(1, 4), handle=st.integers(0, 1))
    def read_events(self, prefix: str, age: int, limit: int, handle: int) -> None:
        """Read events batch by batch from a revision, which may have expired."""
        revision = max(1, self.model.revision - age)
        if revision < self.model.oldest:
            return  # memory may still have them, and may give them
        expected = [e for e in self.model.events if e.revision > revision and e.key.startswith(prefix)]
        events: list[WatchEvent] = []
        while revision < self.model.revision:
            batch = self.handles[handle].events_after(prefix, revision, limit=limit)
            assert len(batch.events) <= limit
            assert batch.revision > revision
            events += batch.events
            revision = batch.revision
        assert events == expected

    @rule(owner=st.sampled_from(OWNERS), handle=st.integers(0, 1))
    def list_by_owner(self, owner: str, handle: int) -> None:
        """List what an object owns."""
        owned = self.handles[handle].list_by_owner(owner)

        assert sorted(stored.key for stored in owned) == sorted(
            stored.key
            for stored in self.model.living.values()
            if owner in [o["uid"] for o in stored.object()["metadata"]["ownerReferences"]]
        )

    @rule(prefix=prefixes, names=owner_lists, handle=st.integers(0, 1))
    def list_labelled(self, prefix: str, names: list[str], handle: int) -> None:
        """List what carries labels."""
        page = self.handles[handle].list_labelled(prefix, dict.fromkeys(names, "x"))

        assert page.revision == self.model.revision
        assert page.items == [
            stored
            for stored in self.model.expected_page(prefix, self.model.revision)
            if stored.object()["metadata"]["labels"].keys() >= set(names)
        ]

    @rule(seconds=st.integers(1, 100))
    def let_time_pass(self, seconds: int) -> None:
        """Turn the clock."""
        self.stores.clock.advance(seconds)

    @precondition(lambda self: self.model.events)
    @rule(keep_seconds=st.integers(0, 60), handle=st.integers(0, 1))
    def expire(self, keep_seconds: int, handle: int) -> None:
        """Expire the events that are too old."""
        expired_at = self.stores.clock() - keep_seconds
        kept = [revision for revision, at in self.model.written_at.items() if at >= expired_at]
        self.model.oldest = max(self.model.oldest, min(kept, default=self.model.revision + 1) - 1)

        assert self.handles[handle].expire_events(keep_seconds) == self.model.oldest

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        """Compare the present state, by key and by uid."""
        if not hasattr(self, "model"):
            return
        storage = self.handles[self.model.revision % 2]
        view = storage.view()
        assert storage.revision() == view.revision() == self.model.revision
        for key in KEYS:
            living = self.model.living.get(key)
            if living is None:
                for read in (storage.get, view.get):
                    with pytest.raises(KeyNotFound):
                        read(key)
            else:
                assert storage.get(key) == view.get(key) == living
                assert storage.get_by_uid(living.object()["metadata"]["uid"]) == living

    def _object(self, uid: str, owners: list[str], text: str) -> JSON:
        references = [{"uid": owner} for owner in owners]
        return {
            "metadata": {"uid": uid, "ownerReferences": references, "labels": dict.fromkeys(owners, "x")},
            "text": text,
        }

    def _refusal(self, living: StoredObject | None, *, is_stale: bool) -> type[StorageError] | None:
        if living is None:
            return KeyNotFound
        return RevisionConflict if is_stale else None

    def _took(self, event_type: str, stored: StoredObject) -> None:
        before = self.model.living.get(stored.key)
        assert stored.revision == self.model.revision + 1
        assert stored.object()["metadata"]["resourceVersion"] == str(stored.revision)
        event = WatchEvent(
            event_type,  # type: ignore[arg-type]  # the callers write one of the three
            stored.key,
            stored.revision,
            stored.json,
            before.json if before else None,
        )
        self.model.write(event, at=self.stores.clock())


class SqliteMachine(StorageMachine):
    """On a SQLite file."""

    def open_stores(self) -> StoreFactory:
        """Return an empty file."""
        self.folder = tempfile.TemporaryDirectory()
        return SqliteStores(Path(self.folder.name))

    def teardown(self) -> None:
        """Close and delete the file."""
        super().teardown()
        if hasattr(self, "folder"):
            self.folder.cleanup()


class DynamoMachine(StorageMachine):
    """On DynamoDB, where each fifth transaction meets another and each seventh is throttled."""

    def open_stores(self) -> StoreFactory:
        """Return an empty table."""
        return FakeStores(Faults(conflict_every=5, throttle_every=7))


def examples(count: int) -> settings:
    """Return settings for that many sequences of operations; how long one takes is not judged."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=count, stateful_step_count=30, deadline=None, suppress_health_check=slow)


@pytest.mark.parametrize("count", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_sqlite_does_what_the_model_does(count: int) -> None:
    run_state_machine_as_test(SqliteMachine, settings=examples(count))


@pytest.mark.parametrize("count", [5, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("no_aws_account")
def test_dynamodb_does_what_the_model_does(count: int) -> None:
    run_state_machine_as_test(DynamoMachine, settings=examples(count))
