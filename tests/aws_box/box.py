"""AWS in a box: the packaged control plane, ECS and its events, CloudWatch Logs, moto's S3, and Fargate on Docker."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import Any

import requests
from moto.server import ThreadedMotoServer

from tests.aws_box.client import Client
from tests.aws_box.deployment import BUCKET, Deployment
from tests.aws_box.ecs_task import EcsTask
from tests.aws_box.event_bus import EventBus
from tests.aws_box.fake_ecs import FakeEcs
from tests.aws_box.fake_logs import FakeLogs
from tests.aws_box.fake_sts import FakeSts
from tests.aws_box.fargate import Fargate, StartSeconds
from tests.aws_box.lambda_function import FunctionError
from tests.aws_box.package import Package
from tests.waiting import until

QUIET_SECONDS = 180.0
FUNCTIONS = 64  # at once: of an account that has been used for a while


class AwsBox:
    """Everything, wired; the schedule runs every `schedule_seconds`, on AWS every 60."""

    def __init__(
        self,
        package: Package,
        folder: Path,
        *,
        schedule_seconds: float = 5.0,
        start_seconds: StartSeconds | None = None,
        seed: int = 0,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.logs = FakeLogs()
        self.sts = FakeSts()
        self.fargate = Fargate(self.logs, self.sts, start_seconds)
        self.events = EventBus(lambda event: self.deployment.tell(event), seed=seed)
        self._s3 = ThreadedMotoServer(ip_address=self.fargate.host, port=0, verbose=False)
        self._s3.start()
        self.s3_url = "http://{}:{}".format(*self._s3.get_host_and_port())
        requests.put(f"{self.s3_url}/{BUCKET}", timeout=60).raise_for_status()
        self.ecs = FakeEcs(self.fargate, self.events.send)
        self.deployment = Deployment(
            package,
            folder,
            ecs_url=self.ecs.url,
            logs_url=self.logs.url,
            sts_url=self.sts.url,
            s3_url=self.s3_url,
            host=self.fargate.host,
            concurrency=FUNCTIONS,
        )
        self.deployment.set(URL=self.deployment.url)  # the box has no name with a certificate that pods know
        self.client = Client(self.deployment, folder)
        self.programs: list[subprocess.Popen[str]] = []  # started against this box, for a test that fails
        self._closed = threading.Event()
        self._schedule = threading.Thread(target=self._run_schedule, args=(schedule_seconds,), daemon=True)
        self._schedule.start()

    @property
    def url(self) -> str:
        """Return the URL of the Kubernetes API."""
        return self.deployment.url

    def tasks(self, name: str = "") -> list[EcsTask]:
        """Return the tasks whose pod's name has `name` in it."""
        found = []
        for task in self.ecs.tasks:
            tags = {each["key"]: each["value"] for each in task.document["tags"]}
            if name in tags.get("sparkanywhere:pod", ""):
                found.append(task)
        return found

    def task_of(self, pod: Any) -> EcsTask:  # Any: a pod, as JSON
        """Return the task that a pod has, whichever pod it was started for."""
        arn = pod["metadata"]["annotations"]["sparkanywhere.io/task"]
        return next(task for task in self.ecs.tasks if task.arn == arn)

    def living_tasks(self) -> list[EcsTask]:
        """Return the tasks that are not over."""
        return [task for task in self.ecs.tasks if not task.is_stopped]

    def wait_until_quiet(self) -> None:
        """Wait until no task lives and no container runs."""
        until(lambda: not self.living_tasks() and not self.fargate.running(), "all tasks to end", seconds=QUIET_SECONDS)

    def end_programs(self) -> None:
        """Kill the programs that a test has left."""
        for each in self.programs:
            if each.poll() is None:
                each.kill()
                each.communicate()
        self.programs.clear()

    def close(self) -> None:
        """Take everything down."""
        self.end_programs()
        self._closed.set()
        self._schedule.join()
        self.fargate.close()
        self.events.close()
        self.deployment.close()
        self.ecs.close()
        self.logs.close()
        self.sts.close()
        self._s3.stop()

    def _run_schedule(self, seconds: float) -> None:
        while not self._closed.wait(seconds):
            try:
                self.deployment.run_schedule()
            except FunctionError:
                continue  # it is in the function's log; the next run heals
