"""How long a watch sleeps while nothing happens."""

from __future__ import annotations

import pytest

from chalicelib.registry.watch import BOOKMARK_SECONDS, IDLE_SECONDS, Watch
from tests.memory_storage import MemoryStorage

PODS = "/registry/pods/"
LASTS = 3 * BOOKMARK_SECONDS


class Sleeping(MemoryStorage):
    """A store in which nothing happens: time passes as callers wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.waits = 0

    def wait(self, revision: int, seconds: float, prefix: str | None = None) -> int:
        del prefix
        self.waits += 1
        assert self.waits <= LASTS, "it does not sleep"
        self.now += seconds
        return revision


@pytest.mark.parametrize(("bookmarks", "told"), [(False, 0), (True, 3)])
def test_an_idle_watch_sleeps_to_its_end(*, bookmarks: bool, told: int) -> None:
    storage = Sleeping()
    watch = Watch(storage, PODS, storage.revision(), deadline=LASTS, bookmarks=bookmarks, monotonic=lambda: storage.now)

    frames = [frame.type for frame in watch.frames() if frame]

    assert frames == ["BOOKMARK"] * told
    assert storage.waits <= LASTS / IDLE_SECONDS + told
