"""What clients do: applications that ask for executors and give them back, Jobs, plain pods, and people who delete.

Each script yields how many seconds it waits. A request whose answer is lost is made again, as clients do, or given up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from random import Random
from typing import Any

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import Storage
from tests.simulation.process import LOST, Process
from tests.simulation.tasks import DRIVER, LivingTasks
from tests.simulation.timeline import Timeline
from tests.unit.controllers.parking_job import PROPERTIES, conf_of, create_driver_pod, create_executor
from tests.unit.controllers.world import World

Script = Generator[int, None, None]
Request = Callable[[World], object]
TRIES = 8
MOST_EXECUTORS = 5
AGAIN = (LOST, 429, 500, 503, 504)


class Clients:
    """Everybody who asks something of any of the processes that answer."""

    def __init__(
        self, timeline: Timeline, draw: Random, processes: Sequence[Process], tasks: LivingTasks, storage: Storage
    ) -> None:
        self.timeline, self.draw = timeline, draw
        self.is_over = False
        self._processes, self._tasks, self._storage = processes, tasks, storage

    def play(self, script: Script) -> None:
        """Go through a script."""

        def step() -> None:
            pause = next(script, None)
            if pause is not None and not self.is_over:
                self.timeline.after(pause, step)

        step()

    def ask(self, words: str, request: Request) -> int:
        """Make a request of a process that is ready; return the status code."""
        ready = [each for each in self._processes if each.world and each.is_alive and not self.timeline.is_busy(each)]
        if not ready:
            return LOST
        process = self.draw.choice(ready)
        code = process.do(lambda: process.world and request(process.world))
        self.timeline.note(f"{words}: {code or 'no answer'}")
        return code

    def insist(self, words: str, request: Request) -> Generator[int, None, bool]:
        """Make a request until it is answered, or for as long as there is patience for it."""
        for _ in range(TRIES):
            code = self.ask(words, request)
            if code not in AGAIN:
                return code in (200, 409)
            yield self.draw.randrange(1, 10)
        return False

    def pods(self) -> list[JSON]:
        """Return the pods that are stored."""
        return [each.object() for each in self._storage.list("/registry/pods/").items]

    def runs(self, name: str) -> bool:
        """Return whether an application's driver runs."""
        return any(
            state.phase == "running"
            and self._tasks.kinds[state.handle].get("spark-app-selector") == f"spark-{name}"
            and self._tasks.kinds[state.handle].get("spark-role") == DRIVER
            for state in self._tasks.living()
        )


def application(clients: Clients, name: str) -> Script:
    """A driver, and executors as it asks for them."""
    draw, count = clients.draw, clients.draw.randrange(1, 4)
    marks: dict[str, str] = {"park": draw.choice(("true", "false"))}
    if draw.random() < 0.2:
        marks["keep_warm"] = "3m"
    if draw.random() < 0.4:
        marks["max_usd"] = draw.choice(("0.3", "1", "5"))

    def submit(w: World) -> None:
        create_driver_pod(w, name, **marks)

    def configure(w: World) -> None:
        text = PROPERTIES.replace("=2", f"={count}")
        w.create("configmaps", conf_of(name), metadata=w.owner_of(name), data={"spark.properties": text})

    if not (yield from clients.insist(f"POST driver {name}", submit)):
        return
    if not (yield from clients.insist(f"POST its ConfigMap {name}", configure)):
        return
    for _ in range(30):
        if clients.runs(name):
            break
        yield 5
    yield from _executors(clients, name, count)
    yield draw.randrange(5, 60)
    if draw.random() < 0.7:
        yield from clients.insist(f"DELETE driver {name}", _deletion(name, draw))


def _executors(clients: Clients, name: str, count: int) -> Script:
    """As a driver asks for executors and gives them back, while it runs."""
    draw, number = clients.draw, 0
    while clients.runs(name) and number < MOST_EXECUTORS:
        if number < count or draw.random() < 0.5:
            number += 1
            memory = draw.choice(("1408Mi", "1408Mi", "1408Mi", "3Gi"))

            def ask(w: World, number: int = number, memory: str = memory) -> None:
                create_executor(w, number, driver=name, prefix=f"{name}-", memory=memory)

            yield from clients.insist(f"POST executor {name}-exec-{number}", ask)
        else:
            victim = f"{name}-exec-{draw.randrange(1, number + 1)}"
            yield from clients.insist(f"DELETE {victim}", _deletion(victim, draw))
        yield draw.randrange(1, 25)


def _deletion(name: str, draw: Random, resource: str = "pods") -> Request:
    options: dict[str, Any] = draw.choice(({}, {}, {"grace_seconds": 0}, {"propagation": "Foreground"}))
    return lambda w: w.delete(resource, name, **options)


def job(clients: Clients, name: str) -> Script:
    """A Job of plain pods, which is deleted at times."""
    draw = clients.draw
    template = {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}
    spec = {"completions": draw.randrange(1, 3), "parallelism": 2, "backoffLimit": 1, "template": template}
    yield from clients.insist(f"POST Job {name}", lambda w: w.create("jobs", name, spec=spec))
    yield draw.randrange(10, 300)
    if draw.random() < 0.3:
        yield from clients.insist(f"DELETE Job {name}", _deletion(name, draw, "jobs"))


def plain_pod(clients: Clients, name: str) -> Script:
    """A pod of no application, with a deadline at times."""
    draw = clients.draw
    fields: dict[str, Any] = draw.choice(({}, {"activeDeadlineSeconds": 30}, {"terminationGracePeriodSeconds": 1}))
    yield from clients.insist(f"POST pod {name}", lambda w: w.create_pod(name, **fields))
    yield draw.randrange(1, 100)
    if draw.random() < 0.5:
        yield from clients.insist(f"DELETE pod {name}", _deletion(name, draw))


def somebody(clients: Clients) -> Script:
    """Deletes whatever there is, now and then."""
    draw = clients.draw
    while True:  # until the clients are over
        yield draw.randrange(40, 250)
        if names := [each["metadata"]["name"] for each in clients.pods()]:
            victim = draw.choice(names)
            yield from clients.insist(f"DELETE, by somebody, {victim}", _deletion(victim, draw))


def compaction(clients: Clients, storage: Storage, inspect: Callable[[], None]) -> Script:
    """Forgets old events of the store, so that watches which lag have to list."""
    while True:  # until the clients are over
        yield clients.draw.randrange(60, 300)
        inspect()
        storage.expire_events(clients.draw.choice((5.0, 60.0)))
