"""A process of a control plane: it crashes, and is started again over the same store and the same tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.controllers.runtime.background import Work, guarded
from chalicelib.plane.foundation import Sources
from chalicelib.plane.host import Host
from chalicelib.storage.base import Storage, StorageError
from tests.simulation.tasks import LivingTasks
from tests.simulation.weather import ACTS, READS, USD_PER_VCPU_HOUR, WRITES, Calls, Sky, provider_fails, storage_fails
from tests.unit.controllers.crashing import Crash, crashing_provider, crashing_storage
from tests.unit.controllers.world import World

LOST = 0  # in place of a status code: no answer came
DOWN_SECONDS = 40  # at most, after a crash
SLOW_TICK_SECONDS = 60  # once nobody asks for anything
LATEST_SECONDS = 2  # until a thread takes work that is due


@dataclass(frozen=True, slots=True)
class Ground:
    """What all processes stand on: `open` gives each its handle on the store."""

    sky: Sky
    open: Callable[[], Storage]
    tasks: LivingTasks
    host: Host
    sources: Sources
    inspect: Callable[[], None]


class Process:
    """Runs pieces of work, each to its end or to the death of the process."""

    def __init__(self, name: str, ground: Ground, *, tick_seconds: int, memory_mib: int) -> None:
        self.name = name
        self.is_alive = False
        self.world: World | None = None
        self._ground, self._tick_seconds, self._memory_mib = ground, tick_seconds, memory_mib
        self._life = 0

    def start(self) -> None:
        """Come to life; where the store fails meanwhile, a few seconds later."""
        self._life += 1
        self.is_alive, self.world = True, None
        self._ground.sky.timeline.note(f"{self.name} starts")
        if self.do(self._build) != LOST and self.world is not None:
            self._tick(self._life)
        elif self.is_alive:
            self.die()

    def _build(self) -> None:
        ground = self._ground
        storage = crashing_storage(ground.open(), Calls(ground.sky, self, storage_fails), (*READS, *WRITES))
        self.world = World(
            storage,
            later=_Soon(self, self._life, ground.sky),
            provider=crashing_provider(ground.tasks, Calls(ground.sky, self, provider_fails), ACTS),
            clock=ground.sky.timeline.clock,
            host=ground.host,
            first=False,
            sources=ground.sources,
            usd_per_vcpu_hour=USD_PER_VCPU_HOUR,
            node_memory_mib=self._memory_mib,
        )

    def die(self) -> None:
        """Be dead, and come back."""
        self.is_alive = False
        self._ground.sky.timeline.after(self._ground.sky.draw.randrange(1, DOWN_SECONDS), self.start)

    def is_in(self, life: int) -> bool:
        """Return whether it has not died since."""
        return self.is_alive and self._life == life

    def _tick(self, life: int) -> None:
        """Do the chores that are due, and come again."""
        if self.is_in(life):
            self.do(self._chores)
            seconds = SLOW_TICK_SECONDS if self._ground.sky.is_over else self._tick_seconds
            self._ground.sky.timeline.after(seconds, partial(self._tick, life), owner=self)

    def _chores(self) -> None:
        assert self.world is not None
        self.world.plane.loop.run_due()

    def do(self, work: Callable[[], object]) -> int:
        """Do a piece of work; return the status code that a client would get."""
        timeline = self._ground.sky.timeline
        code = 200
        with timeline.busy(self):
            try:
                work()
            except Crash:
                code = LOST
            except StatusError as error:
                code = error.code
            except StorageError:
                code = 503
        self._ground.inspect()
        return code


class _Soon:
    """The threads of a process: what they are given is done soon, in any order."""

    is_busy = False

    def __init__(self, process: Process, life: int, sky: Sky) -> None:
        self._process, self._life, self._sky = process, life, sky

    def __call__(self, work: Work, *, delay_seconds: float = 0.0) -> None:
        """Do the work by the timeline, if the process lives to see that."""
        delay = int(delay_seconds) + self._sky.draw.choice((0, 0, 0, LATEST_SECONDS))

        def do() -> None:
            if self._process.is_in(self._life):
                self._process.do(partial(guarded, work))

        self._sky.timeline.after(delay, do, owner=self._process)

    def settle(self, timeout_seconds: float) -> bool:
        """Wait for nothing."""
        del timeout_seconds
        return False

    def close(self) -> None:
        """Have nothing to drop."""
