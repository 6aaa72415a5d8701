"""How long each storage operation takes: python -m benchmarks.storage [sqlite|dynamodb|burst] ...

sqlite: on a file in the temporary folder (TMPDIR), every write synced to disk.
dynamodb: on a fake in memory without latency, so what is measured is this machine's share of the work.
burst: 200 writers at once, as many Lambdas, on a fake that takes 5 ms a request.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import Storage, StorageUnavailable
from chalicelib.storage.dynamodb.storage import DynamoStorage
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.contract.fake_dynamodb import FakeDynamoDB, Faults

PODS = "/registry/pods/"
ENV_VARIABLES = 60  # makes a pod of 4 KB, as large as an executor's
SQLITE_CALLS = 2000
DYNAMODB_CALLS = 300
BURST_WRITERS = 200
REQUEST_SECONDS = 0.005  # a DynamoDB request from within its region
WRITE_PAUSE_SECONDS = 0.02  # between the events whose delivery is measured


def pod(name: str) -> JSON:
    """Return a pod of the size of an executor's."""
    env = [{"name": f"SPARK_VARIABLE_{n}", "value": f"{name}-{n:024}"} for n in range(ENV_VARIABLES)]
    return {"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": {"containers": [{"env": env}]}}


def key(name: str) -> str:
    """Return a pod's key."""
    return f"{PODS}default/{name}"


def create(storage: Storage, name: str) -> None:
    """Create a pod."""
    storage.create(key(name), pod(name))


def timed(count: int, call: Callable[[int], object]) -> list[float]:
    """Return the seconds that each of `count` calls took."""
    seconds = []
    for n in range(count):
        begun = time.perf_counter()
        call(n)
        seconds.append(time.perf_counter() - begun)
    return seconds


def report(name: str, seconds: list[float], *, wall_seconds: float = 0) -> None:
    """Print a line: p50 and p99 in milliseconds, and calls a second."""
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(len(ordered) * part)] * 1000 for part in (0.5, 0.99))
    rate = len(seconds) / (wall_seconds or sum(seconds))
    print(f"{name:34} {p50:9.3f} ms {p99:9.3f} ms {rate:10,.0f} /s", flush=True)


def in_threads(threads: int, count: int, call: Callable[[str], object]) -> tuple[list[float], float]:
    """Return the seconds of each call of all threads together, and those of the whole."""
    seconds: list[float] = []

    def work(thread: int) -> None:
        seconds.extend(timed(count // threads, lambda n: call(f"{threads}-{thread}-{n}")))

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return seconds, time.perf_counter() - begun


def measure_operations(storage: Storage, count: int) -> None:
    """Measure each operation with one client."""
    first = storage.revision() + 1
    report("create", timed(count, lambda n: create(storage, f"p{n}")))
    report("get", timed(count, lambda n: storage.get(key(f"p{n}"))))
    report("get by uid", timed(count, lambda n: storage.get_by_uid(f"uid-p{n}")))
    report("update", timed(count, lambda n: storage.update(key(f"p{n}"), pod(f"p{n}"), expected_revision=first + n)))
    for limit in (10, 100, count):
        report(f"list {limit} of {count}", timed(10, lambda _, n=limit: storage.list(PODS, limit=n)))  # type: ignore[misc]
    half_ago = first + count + count // 2
    report("list 100, half written since", timed(10, lambda _: storage.list(PODS, limit=100, revision=half_ago)))
    now = storage.revision()
    report("events: the last 10", timed(100, lambda _: storage.events_after(PODS, now - 10)))
    report("events: nothing new", timed(100, lambda _: storage.events_after(PODS, now)))
    report("delete", timed(count, lambda n: storage.delete(key(f"p{n}"), expected_revision=first + count + n)))


def measure_writers(storage: Storage, count: int) -> None:
    """Measure creations by several threads."""
    for threads in (8, 64):
        seconds, wall_seconds = in_threads(threads, count, partial(create, storage))
        report(f"create, {threads} threads", seconds, wall_seconds=wall_seconds)


def measure_watchers(storage: Storage, watchers: int) -> None:
    """Measure how long an event takes to reach each of that many watchers."""
    sent: dict[str, float] = {}
    delays: list[float] = []
    start = storage.revision()
    is_over = threading.Event()

    def watch() -> None:
        revision = start
        while not is_over.is_set():
            batch = storage.events_after(PODS, revision)
            now = time.perf_counter()
            revision = batch.revision
            delays.extend(now - sent[event.key] for event in batch.events)
            if not batch.events:
                storage.wait(revision, 1, PODS)

    def create_seen(n: int) -> None:
        name = f"seen-by-{watchers}-{n}"
        sent[key(name)] = time.perf_counter()
        create(storage, name)

    def create_elsewhere(n: int) -> None:
        storage.create(f"/registry/configmaps/default/{watchers}-{n}", pod(f"c{watchers}-{n}"))

    threads = [threading.Thread(target=watch) for _ in range(watchers)]
    for thread in threads:
        thread.start()
    time.sleep(1)  # until all wait
    writes = []
    for n in range(100):
        writes += timed(1, lambda _, n=n: create_seen(n))  # type: ignore[misc]
        time.sleep(WRITE_PAUSE_SECONDS)
    report(f"event to each of {watchers}", delays)
    report(f"create, watched by {watchers}", writes)
    report(f"create elsewhere beside {watchers}", timed(200, create_elsewhere))
    is_over.set()
    for thread in threads:
        thread.join()


def measure_sqlite() -> None:
    """Measure SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        storage = SqliteStorage(Path(folder) / "store.db")
        measure_operations(storage, SQLITE_CALLS)
        measure_writers(storage, 2 * SQLITE_CALLS)
        measure_watchers(storage, 1)
        measure_watchers(storage, 300)
        events = storage.revision()
        report(f"expire {events} events", timed(1, lambda _: storage.expire_events(0)))
        storage.close()


def open_dynamodb(fake: FakeDynamoDB) -> DynamoStorage:
    """Return a new handle on the fake's table, as another Lambda would."""
    storage = DynamoStorage("benchmark", region="us-east-1")
    storage.client.meta.events.register("before-send.dynamodb", fake.answer)
    storage.create_table()
    return storage


def measure_dynamodb() -> None:
    """Measure DynamoDB's client side."""
    storage = open_dynamodb(FakeDynamoDB())
    measure_operations(storage, DYNAMODB_CALLS)
    measure_writers(storage, DYNAMODB_CALLS)
    storage.close()


def measure_burst() -> None:
    """Measure a burst of writers that know nothing of each other: they race for the store's one row."""
    fake = FakeDynamoDB(Faults(latency_seconds=REQUEST_SECONDS))
    handles = {f"{BURST_WRITERS}-{n}-0": open_dynamodb(fake) for n in range(BURST_WRITERS)}
    refused: list[StorageUnavailable] = []

    def create_or_fail(name: str) -> None:
        try:
            create(handles[name], name)
        except StorageUnavailable as error:
            refused.append(error)

    fake.requests.clear()
    seconds, wall_seconds = in_threads(BURST_WRITERS, BURST_WRITERS, create_or_fail)
    report(f"create, {BURST_WRITERS} Lambdas at once", seconds, wall_seconds=wall_seconds)
    tried = fake.requests.count("TransactWriteItems")
    print(f"{tried} transactions tried, {len(refused)} creations refused")


def main() -> None:
    """Run the benchmarks named, or all."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "benchmark")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "benchmark")
    benchmarks = {"sqlite": measure_sqlite, "dynamodb": measure_dynamodb, "burst": measure_burst}
    for name in sys.argv[1:] or benchmarks:
        print(f"\n{name:34} {'p50':>12} {'p99':>12} {'rate':>13}")
        benchmarks[name]()


if __name__ == "__main__":
    main()
