"""A program that writes to a SQLite store from four threads, and prints each key that was acknowledged.

python -m tests.contract.storage_writer FILE NAME COUNT
"""

from __future__ import annotations

import sys
import threading

from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.contract.storage_backends import pod, pod_key

THREADS = 4


def write(storage: SqliteStorage, name: str, count: int) -> None:
    """Create `count` pods and update each, telling of each."""
    for n in range(count):
        key = pod_key(f"{name}-{n}")
        created = storage.create(key, pod(f"{name}-{n}"))
        storage.update(key, pod(f"{name}-{n}", phase="Running"), expected_revision=created.revision)
        # One write call: a line is whole or absent, even when the program is killed.
        sys.stdout.write(f"{key}\n")
        sys.stdout.flush()


def main() -> None:
    """Write with all threads at once."""
    path, name, count = sys.argv[1:]
    storage = SqliteStorage(path)
    threads = [
        threading.Thread(target=write, args=(storage, f"{name}{number}", int(count))) for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    storage.close()


if __name__ == "__main__":
    main()
