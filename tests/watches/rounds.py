"""Rounds of watches under writes and faults, on each store: what a test does for seconds and `make soak` for long."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Literal

from chalicelib.config import Settings
from chalicelib.plane.control_plane import ControlPlane
from chalicelib.storage.base import Storage, StorageError
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.api_client import ApiClient
from tests.contract.fake_dynamodb import Faults
from tests.contract.storage_backends import Clock, DynoxideStores, FakeStores
from tests.watches.informer import Informer
from tests.watches.writer import NAMESPACE, Writer

WATCHES: tuple[Literal["streamed", "buffered"], ...] = ("streamed", "buffered")
STORES = ("sqlite", "dynamodb")
COMPACT_SECONDS = 0.7  # between two compactions
# Which events they keep: on DynamoDB those of which a part may not be visible yet, as the store counts on.
KEEP_SECONDS = {"sqlite": -1.0, "dynamodb": 2.0, "dynoxide": 2.0}
LAG_SECONDS = {"sqlite": 0.4, "dynamodb": 3.5, "dynoxide": 3.5}
LIFE_SECONDS = (0.3, 1.5)  # of a writer process, which starts within 0.3 s
WRITERS = 2  # threads
END_SECONDS = 60.0  # until every informer has caught up: buffered watches hold for two
OWN = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
# Everything, one namespace, those of a label, all but those, one name.
COLLECTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/api/v1/configmaps", {}),
    (OWN, {}),
    (OWN, {"labelSelector": "colour=red"}),
    (OWN, {"labelSelector": "colour!=red"}),
    (OWN, {"fieldSelector": "metadata.name=name-3"}),
)


def run(store: str, folder: Path, seed: object, *, seconds: float) -> Counter[str]:
    """Watch on two servers of one store while others write, for so long; return counts. Raises AssertionError."""
    draw = Random(f"{store} {seed}")
    stop = threading.Event()
    with contextlib.ExitStack() as stack:
        handles, place = stack.enter_context(_opened(store, folder, draw))
        planes = [stack.enter_context(_plane(folder / kind, kind, next(handles))) for kind in ("streamed", "buffered")]
        informers = [
            Informer(
                ApiClient(plane),
                path,
                query,
                draw.random(),
                lag_seconds=LAG_SECONDS[store],
                misses_deletions=store != "sqlite",
            )
            for plane in planes
            for path, query in COLLECTIONS
        ]
        changes = [_writing(next(handles), draw.random(), stop) for _ in range(WRITERS)]
        changes.append(threading.Thread(target=_compact, args=(next(handles), KEEP_SECONDS[store], stop), daemon=True))
        if place:
            killing = (place, Random(draw.random()), stop)
            changes.append(threading.Thread(target=_kill_writers, args=killing, daemon=True))
        starts = [*(each.start for each in informers), *(each.start for each in changes)]
        for start in starts:
            start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not any(each.error for each in informers):
            stop.wait(0.1)
        stop.set()
        for thread in changes:
            thread.join()
        last = next(handles).revision()
        for informer in informers:
            informer.finish(last, timeout_seconds=END_SECONDS)
    return sum((informer.counts for informer in informers), Counter())


@contextlib.contextmanager
def _plane(folder: Path, watch: Literal["streamed", "buffered"], storage: Storage) -> Iterator[ControlPlane]:
    settings = Settings(
        provider="none", watch=watch, state=str(folder), url="http://127.0.0.1:1", user_requests_per_second=0
    )
    plane = ControlPlane(settings, storage=storage)
    try:
        yield plane
    finally:
        plane.close()


Opened = tuple[Iterator[Storage], str]  # handles on one store, and where other processes find it, "" for nowhere


def _opened(store: str, folder: Path, draw: Random) -> contextlib.AbstractContextManager[Opened]:
    if store == "sqlite":
        return _sqlite(folder)
    return _dynoxide(folder) if store == "dynoxide" else _dynamodb(draw)


@contextlib.contextmanager
def _sqlite(folder: Path) -> Iterator[Opened]:
    """Yield what opens handles on one file."""
    path = folder / "objects.sqlite"
    with contextlib.ExitStack() as stack:
        made = (SqliteStorage(path) for _ in iter(int, 1))
        yield (stack.enter_context(contextlib.closing(each)) for each in made), str(path)


@contextlib.contextmanager
def _dynoxide(folder: Path) -> Iterator[Opened]:
    """Yield what opens handles on one table of a DynamoDB by others."""
    with contextlib.closing(DynoxideStores(folder)) as stores:
        stores.clock = _RealClock()
        yield (stores.open() for _ in iter(int, 1)), stores.place


@contextlib.contextmanager
def _dynamodb(draw: Random) -> Iterator[Opened]:
    """Yield what opens handles on one table whose transactions conflict, are throttled, show late or lose answers."""
    faults = Faults(
        conflict_every=draw.choice((5, 11)),
        throttle_every=draw.choice((7, 17)),
        lose_answer_every=draw.choice((13, 29)),
        visible_seconds=draw.choice((0.0, 0.01, 0.05)),
    )
    with contextlib.closing(FakeStores(faults, seed=draw.randrange(1 << 30))) as stores:
        stores.clock = _RealClock()
        yield (stores.open() for _ in iter(int, 1)), ""


class _RealClock(Clock):
    def __call__(self) -> float:
        return time.time()


def _writing(storage: Storage, seed: object, stop: threading.Event) -> threading.Thread:
    writer = Writer(storage, seed)

    def write() -> None:
        while not stop.is_set():
            writer.step()

    return threading.Thread(target=write, daemon=True)


def _compact(storage: Storage, keep_seconds: float, stop: threading.Event) -> None:
    while not stop.wait(COMPACT_SECONDS):
        with contextlib.suppress(StorageError):
            storage.expire_events(keep_seconds)


def _kill_writers(place: str, draw: Random, stop: threading.Event) -> None:
    """Start writers in processes of their own, one after another, and kill each in the middle of something."""
    while not stop.is_set():
        command = [sys.executable, "-m", "tests.watches.writer", place, str(draw.random())]
        with subprocess.Popen(command) as process:
            stop.wait(draw.uniform(*LIFE_SECONDS))
            process.kill()
