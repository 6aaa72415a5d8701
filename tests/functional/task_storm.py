"""The functions of a deployment in a box that die in the middle of their work, while events are lost or come twice."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.aws_box.deployment import TOKEN, Deployment
from tests.aws_box.ecs_task import Document, EcsTask
from tests.aws_box.event_bus import EventBus, Trouble
from tests.aws_box.fake_ecs import FakeEcs
from tests.aws_box.lambda_function import FunctionError
from tests.aws_box.package import Package
from tests.functional.pod_storm import Api
from tests.waiting import until

SCHEDULE_SECONDS = 1.0  # on AWS a minute
NEXT_TASK_SECONDS = 1.0
DRAWN_SECONDS = 3.0  # for the function that was drawn to be at work; it may have nothing to do any more
BUSY_SECONDS = 60.0  # until any function is at work, as the schedule's is every second
RUN_SECONDS = 0.3
UNSEEN_SECONDS = 3.0  # of a new task: longer than the schedule's pause
TROUBLE = Trouble(drop=0.15, double=0.2, delay_seconds=2.0)
CODES = {"short": 0, "failing": 3}  # by the kind of the pod; the others run until they are stopped
STOPPED = 143


class MarkingEngine:
    """Runs tasks as their pods' names say, and marks each run in a file of the pod's name."""

    def __init__(self, marks: Path) -> None:
        self._marks = marks

    def start(self, task: EcsTask) -> None:
        """Run the task in a thread of its own."""
        threading.Thread(target=self._run, args=(task,), daemon=True).start()

    def _run(self, task: EcsTask) -> None:
        tags = {each["key"]: each["value"] for each in task.document["tags"]}
        name = tags["sparkanywhere:pod"].rpartition("/")[2]
        task.begin()
        task.attach("10.0.0.1")
        with (self._marks / name).open("a") as file:
            file.write("run\n")
        for each in task.containers:
            task.change_container(each["name"], announce=False, lastStatus="RUNNING")
        task.change("RUNNING")
        code = CODES.get(name.partition("-")[0])
        if task.stop_asked.wait(None if code is None else RUN_SECONDS):
            code = STOPPED
        else:
            task.ask_to_stop("EssentialContainerExited", "Essential container in task exited")
        for each in task.containers:
            task.change_container(each["name"], announce=False, lastStatus="STOPPED", exitCode=code)
        task.change("STOPPED")


FUNCTIONS = 100  # at once: a storm is about what is killed and lost, not about throttling


class FunctionStorm:
    """A deployment whose functions can be struck; its schedule runs, and events are in trouble until calm()."""

    def __init__(self, package: Package, folder: Path, marks: Path, *, seed: int) -> None:
        self.killed = 0
        self.ecs = FakeEcs(MarkingEngine(marks), lambda event: self.events.send(event))
        self.ecs.unseen_seconds = UNSEEN_SECONDS
        self.deployment = Deployment(package, folder, ecs_url=self.ecs.url, concurrency=FUNCTIONS)
        self.events = EventBus(lambda event: self.deployment.tell(event), seed=seed)
        self.events.trouble = TROUBLE
        url = urlsplit(self.deployment.url)
        assert url.port is not None
        self.api = Api([url.port], f"Authorization: Bearer {TOKEN}\r\n", url.path)
        self._closed = threading.Event()
        self._schedule = threading.Thread(target=self._run_schedule, daemon=True)
        self._schedule.start()

    def strike(self, draw: random.Random) -> None:
        """Kill a function that is drawn, in the middle of whatever it does, as a crash or its time limit would.

        Where that one has nothing to do, it is the next one that has. One time in two it is whichever starts the next
        task, before it hears that the task has been started.
        """
        function, before = draw.choice(self.deployment.functions), self.killed
        if draw.random() < 0.5:
            self.ecs.faults["RunTask"] = [self._die]
            time.sleep(NEXT_TASK_SECONDS)  # there may be none to be started

        until_any = time.monotonic() + DRAWN_SECONDS

        def struck() -> bool:
            if self.killed == before:
                drawn = self.deployment.functions if time.monotonic() > until_any else (function,)
                self.killed += sum(each.kill_busy() for each in drawn)
            return self.killed > before

        until(struck, "a function to be at work", seconds=BUSY_SECONDS)

    def _die(self, asked: Document, go_on: Callable[[Document], Document]) -> Document:
        """Start the task, and kill whoever may have asked for it."""
        answer = go_on(asked)
        self.killed += sum(each.kill_busy() for each in self.deployment.functions)
        return answer

    def calm(self) -> None:
        """Lose no more events. What was lost is healed by the schedule."""
        self.events.trouble = Trouble()

    def living(self) -> list[EcsTask]:
        """Return the tasks that are not over."""
        return [task for task in self.ecs.tasks if not task.is_stopped]

    def close(self) -> None:
        """Take everything down."""
        self._closed.set()
        self._schedule.join()
        self.events.close()
        self.deployment.close()
        self.ecs.close()

    def _run_schedule(self) -> None:
        while not self._closed.wait(SCHEDULE_SECONDS):
            with contextlib.suppress(FunctionError):  # it was struck; the next one heals
                self.deployment.run_schedule()
