"""How far Spark is, as answers of its REST API say it: those of Spark 4.3.0, cut to the fields that are read."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import Access, ApiError, ApiUnreachable, KubeClient
from sparkanywhere.jobs.spark_rest import SparkProgress, SparkRest, progress, ui_port

POD = {"metadata": {"name": "d", "namespace": "n", "labels": {"spark-app-selector": "spark-1"}}}
BASE = "/api/v1/namespaces/n/pods/d:{port}/proxy/api/v1/applications"


def job(number: int, **more: object) -> JSON:
    return {
        "jobId": number,
        "name": "count at /opt/app/job.py:5",
        "stageIds": [2, 3, 4],
        "numTasks": 30,
        "numSkippedTasks": 0,
        "numCompletedIndices": 0,
        "numSkippedStages": 0,
        "numCompletedStages": 0,
        **more,
    }


def executor(name: str, **more: object) -> JSON:
    counts = ("activeTasks", "failedTasks", "completedTasks", "totalShuffleWrite")
    return {"id": name, "isActive": True, **dict.fromkeys(counts, 0), **more}


@pytest.mark.parametrize(
    ("jobs", "stages", "executors", "expected"),
    [
        ([], [], [executor("driver")], SparkProgress(0, 0, 0, 0, 0, 0)),
        (
            [],
            [],
            [executor("driver"), executor("1", completedTasks=20), executor("2", isActive=False, completedTasks=2)],
            SparkProgress(1, 22, 22, 0, 0, 0),
        ),
        (
            [job(1, numCompletedIndices=12, numCompletedStages=1)],
            [{"stageId": 3, "name": "map at job.py:4"}],
            [executor("1", completedTasks=32, activeTasks=2, failedTasks=1, totalShuffleWrite=18_000_000)],
            SparkProgress(1, 32, 50, 2, 1, 18_000_000, job=2, stage=2, stages=3, doing="map at job.py:4"),
        ),
        (  # the SQL's description wins over the call site; skipped stages and tasks do not count
            [job(0, numSkippedStages=1, numSkippedTasks=10)],
            [{"stageId": 4, "name": "x at y:1"}, {"stageId": 3, "name": "x at y:1", "description": "load orders"}],
            [executor("1")],
            SparkProgress(1, 0, 20, 0, 0, 0, job=1, stage=1, stages=2, doing="load orders"),
        ),
        (  # of two jobs the youngest is shown, and the tasks of both are counted
            [job(5), job(6, stageIds=[9], numTasks=1)],
            [{"stageId": 3, "name": "old"}],
            [executor("driver", completedTasks=4)],
            SparkProgress(0, 4, 35, 0, 0, 0, job=7, stage=1, stages=1, doing="count at job.py:5"),
        ),
    ],
)
def test_progress_is_read_from_answers(
    jobs: list[JSON], stages: list[JSON], executors: list[JSON], expected: SparkProgress
) -> None:
    assert progress(jobs, stages, executors) == expected


@pytest.mark.parametrize(
    ("conf", "port"),
    [
        ({}, 4040),
        ({"spark.ui.port": "4141"}, 4141),
        ({"spark.ui.port": "0"}, 0),
        ({"spark.ui.port": "x"}, 0),
        ({"spark.ui.enabled": "False"}, 0),
        ({"spark.ui.enabled": "true", "spark.ui.port": "81"}, 81),
    ],
)
def test_the_uis_port_is_that_of_the_settings(conf: dict[str, str], port: int) -> None:
    assert ui_port(conf) == port


class Answers(KubeClient):
    """A control plane that answers with texts or errors by path; nothing listens at other ports."""

    def __init__(self, answers: Mapping[str, str | Exception]) -> None:
        super().__init__(Access(url="http://127.0.0.1:1"))
        self.answers = dict(answers)
        self.asked: list[str] = []

    def text(self, path: str, **query: str) -> str:
        del query
        self.asked.append(path)
        answer = self.answers.get(path, ApiError(503, "nobody answers"))
        if isinstance(answer, Exception):
            raise answer
        return answer


def application(port: int, *names: str) -> dict[str, str]:
    """Return the answers of a UI with applications, of which the first has an executor."""
    base = BASE.format(port=port)
    return {
        base: json.dumps([{"id": name} for name in names]),
        f"{base}/{names[0]}/jobs?status=running": "[]",
        f"{base}/{names[0]}/stages?status=active": "[]",
        f"{base}/{names[0]}/allexecutors": json.dumps([executor("1")]),
    }


@pytest.mark.parametrize("name", ["spark-1", "d"])
def test_an_application_is_known_by_its_id_or_its_pods_name(name: str) -> None:
    spark = SparkRest(Answers(application(4040, name)), POD, port=4040)

    said = spark.ask()

    assert said is not None
    assert said.executors == 1


def test_where_pods_share_an_address_the_next_port_is_tried() -> None:
    spark = SparkRest(Answers({**application(4040, "another"), **application(4041, "spark-1")}), POD, port=4040)

    assert spark.ask() is not None
    assert spark.port == 4041


@pytest.mark.parametrize(
    "answer",
    [
        "<html>a login</html>",
        "{}",
        "[1]",
        "null",
        "[]",
        ApiUnreachable("timed out"),
        ApiError(503, "not yet"),
        ApiError(500, "broken"),
        ApiError(404, "Not Found"),
        TimeoutError(),
    ],
)
def test_what_is_no_answer_is_asked_for_again(answer: str | Exception) -> None:
    client = Answers({BASE.format(port=4040): answer})
    spark = SparkRest(client, POD, port=4040)
    assert spark.ask() is None
    assert not spark.is_refused

    client.answers = dict(application(4040, "spark-1"))

    assert spark.ask() is not None


@pytest.mark.parametrize("code", [400, 401, 403, 405, 501])
def test_a_refusal_is_taken_for_an_answer(code: int) -> None:
    client = Answers({BASE.format(port=4040): ApiError(code, "no")})
    spark = SparkRest(client, POD, port=4040)

    assert spark.ask() is None

    assert spark.is_refused
    assert len(client.asked) == 1


def test_a_ui_that_goes_is_no_refusal() -> None:
    client = Answers(application(4040, "spark-1"))
    spark = SparkRest(client, POD, port=4040)
    spark.ask()

    client.answers = {f"{BASE.format(port=4040)}/spark-1/jobs?status=running": ApiError(404, "unknown app")}

    assert spark.ask() is None
    assert not spark.is_refused


def test_without_a_ui_nothing_is_asked() -> None:
    assert SparkRest(Answers({}), POD, port=0).is_refused
