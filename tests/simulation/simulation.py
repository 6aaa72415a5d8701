"""One run of a seed: a storm of requests and faults, then calm, and at the end everything accounted for."""

from __future__ import annotations

import itertools
import traceback
import uuid
from collections import Counter
from dataclasses import replace
from functools import partial
from random import Random

from chalicelib.plane.foundation import Sources
from chalicelib.plane.host import LAMBDA
from tests.memory_storage import MemoryStorage
from tests.simulation.end import assert_whole
from tests.simulation.inspector import Inspector
from tests.simulation.process import Ground, Process
from tests.simulation.tasks import LivingTasks, drawn_habits
from tests.simulation.timeline import Timeline, Violation
from tests.simulation.watcher import Watcher
from tests.simulation.weather import Sky, Weather, drawn_weather
from tests.simulation.workload import Clients, application, compaction, job, plain_pod, somebody
from tests.unit.controllers.world import WORLD, World

STORM_SECONDS = 400
CALM_SECONDS = 300  # clients go on, and nothing goes wrong
END_SECONDS = 1800  # nobody asks for anything: all that was lost is healed, and what was kept for that is let go of
LAST_START_SECONDS = 500  # of an application
LOOK_SECONDS = 20
WATCHED = (("pods", ""), ("pods", "spark-role=executor"), ("pods", "spark-role!=executor"), ("configmaps", ""))


class Simulation:
    """Everything of one seed."""

    def __init__(self, seed: int) -> None:
        self.draw = draw = Random(seed)
        self.timeline = Timeline(draw)
        self.sky = Sky(self.timeline, draw)
        self.storage = MemoryStorage(clock=self.timeline.monotonic)
        self.tasks = LivingTasks(self.sky, self._report, self._has_become)
        numbers = itertools.count(1)
        sources = Sources(
            self.timeline.clock,
            lambda: str(uuid.UUID(int=next(numbers))),
            lambda text: str(draw.choice(text)),
            self.timeline.monotonic,
        )
        self.first = World(self.storage, provider=self.tasks, clock=self.timeline.clock, sources=sources)
        self.inspector = Inspector(self.sky, self.tasks, self.storage)
        self.is_lambda = draw.random() < 0.3
        host = replace(LAMBDA, keeps_files=False) if self.is_lambda else WORLD
        ground = Ground(self.sky, lambda: self.storage, self.tasks, host, sources, self.inspector.look)
        memory_mib = draw.choice((16 * 1024, 100 * 1024))
        self.processes = [
            Process(f"process {number}", ground, tick_seconds=draw.choice((10, 15, 30)), memory_mib=memory_mib)
            for number in range(draw.choice((1, 2, 2, 3)))
        ]
        self.clients = Clients(self.timeline, draw, self.processes, self.tasks, self.storage)
        self.watchers = [Watcher(self.storage, draw, *each) for each in WATCHED]

    def _has_become(self, uid: str) -> bool:
        return bool(self.storage.get_all([f"/registry/sparkanywhere-bound-tasks/{uid}"]))

    def _report(self, state: object) -> None:
        self.clients.ask("report", lambda w: w.pods.observe(state))  # type: ignore[arg-type]

    def run(self) -> Counter[str]:
        """Go through it; return what there was. Raises Violation."""
        draw = self.draw
        self.tasks.habits, self.sky.weather = drawn_habits(draw), drawn_weather(draw)
        for process in self.processes:
            process.start()
        self._begin_scripts()
        self._look()
        self.timeline.run(STORM_SECONDS)
        self.timeline.note("calm")
        self.sky.weather = Weather(slow=self.sky.weather.slow)
        self.timeline.run(CALM_SECONDS)
        self.timeline.note("the end of all requests")
        self.clients.is_over = self.sky.is_over = True
        self.timeline.run(END_SECONDS)
        for watcher in self.watchers:
            self.clients.ask("last watch", watcher.look)
            watcher.compare()
        assert_whole(self)
        return self._counted()

    def _begin_scripts(self) -> None:
        draw, play, clients = self.draw, self.clients.play, self.clients
        scripts = [
            *(application(clients, f"app{number}") for number in range(draw.randrange(1, 4))),
            *(job(clients, f"job{number}") for number in range(draw.randrange(2))),
            *(plain_pod(clients, f"pod{number}") for number in range(draw.randrange(3))),
        ]
        for script in scripts:
            self.timeline.after(draw.randrange(LAST_START_SECONDS), partial(play, script))
        play(somebody(clients))
        play(compaction(clients, self.storage, self.inspector.look))
        for watcher in self.watchers:
            play(watcher.script(clients))

    def _look(self) -> None:
        self.inspector.look_at_tasks()
        self.timeline.after(LOOK_SECONDS, self._look)

    def _counted(self) -> Counter[str]:
        faults = Counter(line.split()[1] for line in self.timeline.trace)
        return Counter(
            {
                **self.inspector.counts,
                "crashes": faults["crash"],
                "faults": faults["fault"],
                "tasks": len(self.tasks.tasks),
                "writes": self.storage.revision(),
                "watched": sum(each.events for each in self.watchers),
                "compared": sum(each.compared for each in self.watchers),
            }
        )


def simulate(seed: int) -> tuple[Counter[str], str, list[str]]:
    """Run a seed; return what there was, what does not hold ("" if all does), and the trace. Repeatable."""
    simulation = Simulation(seed)
    try:
        return simulation.run(), "", simulation.timeline.trace
    except (Violation, Exception) as error:  # whatever is raised here is a fault, of the code or of the simulation
        found = str(error) if isinstance(error, Violation) else traceback.format_exc()
        simulation.timeline.note(f"VIOLATION: {found}")
        return Counter(), found, simulation.timeline.trace
