"""How far a Spark application is, by the REST API of its driver's UI, asked through the control plane's pod proxy.

Its numbers are right whatever the log level is. Reference: Spark 4.3, "Monitoring and Instrumentation", REST API
(JobData, StageData and ExecutorSummary of org.apache.spark.status.api.v1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from chalicelib.apimachinery.accessors import labels_of
from chalicelib.apimachinery.rules.time import find_time
from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import ApiError, ApiUnreachable, KubeClient
from sparkanywhere.jobs.spark_properties import UI_PORT

# Where pods share an address (a system without 127.0.0.0/8), each further driver's UI takes the next port.
PORTS_TRIED = 4
# Answers that stay: no right to proxy, or a control plane that reaches no pod (on Lambda). A UI that starts says 404.
REFUSALS = (400, 401, 403, 405, 501)
FOLDERS = re.compile(r"(?<= at )\S*/(?=[^/\s]+:\d+$)")  # of a call site: `count at /opt/app/job.py:5`


@dataclass(frozen=True, slots=True)
class SparkProgress:
    """How far an application is: task counts are of all its stages so far, bytes are those written by shuffles.

    `job` counts from 1 and is the youngest that runs, 0 while none does; `stage` of `stages` is where that one is, and
    `doing` what it is: the SQL's description, else the call site. `began_at` is when the program made its Spark, None
    where that is not told; `registered_at` when each executor came that there ever was.
    """

    executors: int
    tasks_done: int
    tasks: int
    tasks_running: int
    tasks_failed: int
    shuffle_bytes: int
    job: int = 0
    stage: int = 0
    stages: int = 0
    doing: str = ""
    began_at: datetime | None = None
    registered_at: tuple[datetime, ...] = ()


def ui_port(conf: Mapping[str, str]) -> int:
    """Return the port of the driver's UI, 0 where there is none or where nobody can know it beforehand."""
    port = conf.get("spark.ui.port", str(UI_PORT))
    is_on = conf.get("spark.ui.enabled", "true").strip().lower() != "false"
    return int(port) if is_on and port.isascii() and port.isdigit() else 0


class SparkRest:
    """Asks one driver's UI. `port` is where it was found to be."""

    def __init__(self, client: KubeClient, driver: JSON, *, port: int) -> None:
        self._client = client
        self._driver = driver
        self._application = ""
        self._began_at: datetime | None = None
        self.port = port
        self.is_refused = port == 0

    def ask(self) -> SparkProgress | None:
        """Return how far the application is; None while its UI does not answer, or not as Spark's does."""
        try:
            return self._found() if self._application or self._find() else None
        except ApiError as error:
            self.is_refused = error.code in REFUSALS and not self._application
        except (
            ApiUnreachable,
            HTTPException,
            OSError,
            ArithmeticError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
        ):
            pass  # another program's page, a slow or a broken answer: asked again
        return None

    def _find(self) -> bool:
        metadata = self._driver["metadata"]
        ours = (metadata["name"], labels_of(self._driver).get("spark-app-selector"))  # a Job's driver is its pod's name
        for port in range(self.port, self.port + PORTS_TRIED):
            try:
                known = {each["id"]: each for each in self._get(port, "")}
            except ApiError as error:
                if error.code in REFUSALS:
                    raise
                continue
            found = next((each for each in known if each in ours), None)
            if found:
                self.port, self._application, self._began_at = port, found, _began_at(known[found])
                return True
        return False

    def _found(self) -> SparkProgress:
        base = f"/{quote(self._application)}"
        return progress(
            self._get(self.port, f"{base}/jobs?status=running"),
            self._get(self.port, f"{base}/stages?status=active"),
            self._get(self.port, f"{base}/allexecutors"),
            began_at=self._began_at,
        )

    def _get(self, port: int, path: str) -> Any:  # Any: JSON that nobody has looked at yet
        metadata = self._driver["metadata"]
        pod = f"/api/v1/namespaces/{quote(metadata['namespace'])}/pods/{quote(metadata['name'])}:{port}"
        return json.loads(self._client.text(f"{pod}/proxy/api/v1/applications{path}"))


def _began_at(application: JSON) -> datetime | None:
    milliseconds = next((each.get("startTimeEpoch") for each in application.get("attempts") or ()), None)
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def progress(
    jobs: list[JSON], stages: list[JSON], executors: list[JSON], *, began_at: datetime | None = None
) -> SparkProgress:
    """Return how far an application is: from its running jobs, its active stages, and all executors it ever had."""
    done = _sum(executors, "completedTasks")
    left = sum(max(0, each["numTasks"] - each["numSkippedTasks"] - each["numCompletedIndices"]) for each in jobs)
    job = max(jobs, key=lambda each: int(each["jobId"]), default=None)
    count = len(job["stageIds"]) - job["numSkippedStages"] if job else 0
    active = [each for each in stages if job and each["stageId"] in job["stageIds"]]
    first = min(active, key=lambda each: int(each["stageId"]), default=job) or {}
    return SparkProgress(
        executors=sum(each["id"] != "driver" and each["isActive"] for each in executors),
        tasks_done=done,
        tasks=done + left,
        tasks_running=_sum(executors, "activeTasks"),
        tasks_failed=_sum(executors, "failedTasks"),
        shuffle_bytes=_sum(executors, "totalShuffleWrite"),
        job=int(job["jobId"]) + 1 if job else 0,
        stage=min(int(job["numCompletedStages"]) + 1, count) if job else 0,
        stages=count,
        doing=FOLDERS.sub("", str(first.get("description") or first.get("name") or "")),
        began_at=began_at,
        registered_at=tuple(
            moment
            for each in executors
            if each["id"] != "driver" and (moment := find_time(str(each.get("addTime")).replace("GMT", "Z")))
        ),
    )


def _sum(executors: list[JSON], key: str) -> int:
    return sum(int(each[key]) for each in executors)
