"""Many writers and many watchers at once: no gap, no repetition, no reorder, and the same for everyone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.storage.base import KeyExists, KeyNotFound, RevisionConflict, Storage, StorageUnavailable, WatchEvent
from chalicelib.storage.updates import guaranteed_update
from tests.contract.fake_dynamodb import Faults
from tests.contract.storage_backends import DynoxideStores, FakeStores, SqliteStores, StoreFactory, pod

HANDLES = 3  # as many processes
WRITERS = 6
WATCHERS = 6
RESOURCES = ("pods", "configmaps")
PREFIXES = ("/registry/pods/", "/registry/pods/a/", "/registry/configmaps/")
COMPARED_PAGES = 100  # each replays all events before it
SECONDS = 60  # far above what any of it takes

# An object seen deleted before the revision says so: dynamodb_list.py tells why that is let be.
HALF_VISIBLE = Faults(visible_seconds=0.002, conflict_every=11)


@dataclass(frozen=True)
class Race:
    """A store and how many writes each writer makes on it."""

    stores: StoreFactory
    writes: int
    shows_all_deleted: bool


@pytest.fixture(
    params=[
        "sqlite",
        "dynamodb",
        "dynamodb-half-visible",
        pytest.param("dynamodb-dynoxide", marks=pytest.mark.dynoxide),
    ]
)
def race(request: pytest.FixtureRequest, tmp_path: Path, no_aws_account: None) -> Iterator[Race]:  # noqa: ARG001
    """Yield a store to race on."""
    races = {
        "sqlite": lambda: Race(SqliteStores(tmp_path), writes=150, shows_all_deleted=True),
        "dynamodb": lambda: Race(FakeStores(Faults(conflict_every=7)), writes=25, shows_all_deleted=True),
        "dynamodb-dynoxide": lambda: Race(DynoxideStores(tmp_path), writes=10, shows_all_deleted=True),
        "dynamodb-half-visible": lambda: Race(FakeStores(HALF_VISIBLE), writes=20, shows_all_deleted=False),
    }
    race = races[request.param]()
    yield race
    race.stores.close()


def write_at_random(storage: Storage, seed: int, writes: int) -> int:
    """Create, update and delete few keys that all writers fight for; return how many were written."""
    chance = random.Random(seed)
    written = 0
    while written < writes:
        key = f"/registry/{chance.choice(RESOURCES)}/{chance.choice('ab')}/{chance.randrange(4)}"
        try:
            written += write_one(storage, key, chance, uid=f"{seed}-{chance.random()}")
        except (KeyExists, KeyNotFound, RevisionConflict, StorageUnavailable):
            continue  # another writer was faster, or too many were
    return written


def write_one(storage: Storage, key: str, chance: random.Random, *, uid: str) -> int:
    """Create the object, or update or delete it if it is there."""
    try:
        stored = storage.get(key)
    except KeyNotFound:
        storage.create(key, pod(key, uid=uid))
        return 1
    if chance.random() < 0.4:
        storage.delete(key, expected_revision=stored.revision)
    else:
        changed = {**stored.object(), "status": {"phase": str(chance.random())}}
        storage.update(key, changed, expected_revision=stored.revision)
    return 1


@dataclass
class Watched:
    """What a watcher saw: the list it began with, and all events after it."""

    prefix: str
    revision: int
    state: dict[str, str]
    events: list[WatchEvent]

    def replay(self, *, shows_all_deleted: bool) -> dict[str, str]:
        """Return the objects after all events; each event must fit the state before it."""
        state = dict(self.state)
        revision = self.revision
        for event in self.events:
            assert event.revision > revision
            revision = event.revision
            if event.type == "DELETED" and not shows_all_deleted:
                state.setdefault(event.key, event.previous_json or "")
            assert state.get(event.key) == event.previous_json
            assert (event.type == "ADDED") == (event.previous_json is None)
            state.pop(event.key, None)
            if event.type != "DELETED":
                state[event.key] = event.json
        return state


def list_all(storage: Storage, prefix: str) -> tuple[int, dict[str, str]]:
    """List page by page, as clients do; return the revision and the objects."""
    page = storage.list(prefix, limit=3)
    state = {stored.key: stored.json for stored in page.items}
    revision = page.revision
    while page.next_key:
        page = storage.list(prefix, limit=3, start_key=page.next_key, revision=revision)
        state |= {stored.key: stored.json for stored in page.items}
    return revision, state


def watch(storage: Storage, prefix: str, done: Future[int]) -> Watched:
    """List, then follow the events until the store's last revision."""
    revision, state = list_all(storage, prefix)
    watched = Watched(prefix, revision, state, [])
    while not (done.done() and revision >= done.result()):
        batch = storage.events_after(prefix, revision, limit=5)
        watched.events += batch.events
        revision = batch.revision
        if not batch.events:
            storage.wait(revision, 0.1, prefix)
    return watched


def test_watchers_see_every_write_once_and_in_order(race: Race) -> None:
    handles = [race.stores.open() for _ in range(HANDLES)]
    start = handles[0].revision()
    done: Future[int] = Future()

    with ThreadPoolExecutor(WRITERS + 2 * WATCHERS) as pool:
        writers = [pool.submit(write_at_random, handles[n % HANDLES], n, race.writes) for n in range(WRITERS)]
        watchers = [
            pool.submit(watch, handles[n % HANDLES], PREFIXES[n // 2 % len(PREFIXES)], done) for n in range(WATCHERS)
        ]
        written = sum(writer.result(SECONDS) for writer in writers[: WRITERS // 2])
        watchers += [  # these begin in the middle
            pool.submit(watch, handles[n % HANDLES], PREFIXES[n // 2 % len(PREFIXES)], done) for n in range(WATCHERS)
        ]
        written += sum(writer.result(SECONDS) for writer in writers[WRITERS // 2 :])
        done.set_result(handles[0].revision())
        seen = [watcher.result(SECONDS) for watcher in watchers]

    reader = race.stores.open()
    log = sorted(
        (
            event
            for name in RESOURCES
            for event in reader.events_after(f"/registry/{name}/", start, limit=10_000).events
        ),
        key=lambda event: event.revision,
    )
    assert [event.revision for event in log] == list(range(start + 1, start + written + 1))
    for watched in seen:
        assert watched.events == [
            event for event in log if event.revision > watched.revision and event.key.startswith(watched.prefix)
        ]
        final = {stored.key: stored.json for stored in reader.list(watched.prefix).items}
        assert watched.replay(shows_all_deleted=race.shows_all_deleted) == final


def test_each_list_is_the_state_of_its_revision(race: Race) -> None:
    handles = [race.stores.open() for _ in range(HANDLES)]
    start = handles[0].revision()
    prefix = "/registry/pods/"

    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write_at_random, handles[n % HANDLES], n, race.writes) for n in range(WRITERS)]
        pages = []
        while not all(writer.done() for writer in writers):
            pages.append(handles[0].list(prefix))
        for writer in writers:
            writer.result(SECONDS)

    events = handles[0].events_after(prefix, start, limit=10_000).events
    deleted_at = {(event.key, event.previous_json): event.revision for event in events if event.type == "DELETED"}
    for page in random.sample(pages, min(len(pages), COMPARED_PAGES)):
        whole = Watched(prefix, start, {}, [event for event in events if event.revision <= page.revision])
        expected = whole.replay(shows_all_deleted=True)
        listed = {stored.key: stored.json for stored in page.items}
        missing = expected.items() - listed.items()
        assert listed.items() <= expected.items()
        assert race.shows_all_deleted is False or not missing
        assert all(deleted_at[item] > page.revision for item in missing)


def test_all_updates_of_one_object_count(race: Race) -> None:
    handles = [race.stores.open() for _ in range(HANDLES)]
    key = "/registry/pods/a/counter"
    handles[0].create(key, {"metadata": {"uid": "counter"}, "count": 0})

    def count(storage: Storage) -> None:
        for _ in range(5):
            guaranteed_update(storage, key, lambda obj: {**obj, "count": obj["count"] + 1})

    with ThreadPoolExecutor(WRITERS) as pool:
        for counting in [pool.submit(count, handles[n % HANDLES]) for n in range(WRITERS)]:
            counting.result(SECONDS)

    assert handles[0].get(key).object()["count"] == 5 * WRITERS


def test_one_of_many_creators_wins(race: Race) -> None:
    handles = [race.stores.open() for _ in range(HANDLES)]

    def create(n: int) -> bool:
        try:
            handles[n % HANDLES].create("/registry/pods/a/one", pod("one", uid=str(n)))
        except KeyExists:
            return False
        return True

    with ThreadPoolExecutor(WRITERS) as pool:
        won = list(pool.map(create, range(WRITERS)))

    assert won.count(True) == 1
    assert handles[0].get_by_uid(str(won.index(True))).key == "/registry/pods/a/one"
