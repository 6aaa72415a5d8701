"""A walk over the crashes of a scenario: each call of it is the last one of its control plane, in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.storage.base import Storage
from tests.fake_provider import FakeProvider
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.crashing import Countdown, Crash, crashing_provider, crashing_storage
from tests.unit.controllers.world import World


@dataclass(frozen=True, slots=True)
class CrashStores:
    """Makes an empty store for each crash; of `every` calls one is a crash."""

    new: Callable[[], Storage]
    every: int


def walk(
    scenario: Callable[[World], None],
    assert_whole: Callable[[World], None],
    stores: CrashStores,
    *,
    after: bool,
    most: int,
    hold_pending: bool = False,
    raised: tuple[type[BaseException], ...],
) -> None:
    """Run a scenario up to each of its calls, and hold what a new control plane over its store makes of it.

    `raised` is what a scenario may raise beside Crash. Raises AssertionError if it makes more than `most` calls.
    """
    for calls in range(stores.every // 2 * after, most, stores.every):
        storage, clock = stores.new(), Clock()
        provider = FakeProvider(clock=clock, hold_pending=hold_pending)
        World(storage, provider=provider, clock=clock)
        countdown = Countdown(calls, after=after)
        doomed = World(
            crashing_storage(storage, countdown),
            provider=crashing_provider(provider, countdown),
            clock=clock,
            first=False,
        )
        with contextlib.suppress(Crash, *raised):
            scenario(doomed)

        heir = World(storage, provider=provider, clock=clock, first=False)
        recover(heir)

        assert_whole(heir)
        if not countdown.crashed:
            return
    raise AssertionError(f"{scenario.__name__} makes more than {most} calls")


def recover(w: World) -> None:
    """Let a new control plane work for as long as everything needs to heal."""
    for _ in range(8):
        w.run_chores()
        w.observe_all()
        w.pass_time(200)
