"""A driver whose image cannot be had ends the job."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli.job_progress import JobProgress
from sparkanywhere.cli.job_run import BEGIN_SECONDS, IMAGE_SECONDS, JobFailed, JobRun
from sparkanywhere.cli.job_screen import JobScreen
from sparkanywhere.cli.program_output import ProgramOutput
from sparkanywhere.client.kube_client import Access, ApiUnreachable, KubeClient


class OneDriver(KubeClient):
    """A control plane with a driver in these states, one after the other."""

    def __init__(self, pods: list[JSON]) -> None:
        super().__init__(Access(url="http://127.0.0.1:1"))
        self._pods, self._had_pods = pods, bool(pods)

    def get(self, path: str, **query: str) -> JSON:
        """Return Events, the last of which is about the driver."""
        del path, query
        if not self._had_pods:
            return {"items": []}
        about = {"involvedObject": {"name": "d"}, "message": "it was thought about"}
        return {"items": [about, {"involvedObject": {"name": "other"}, "message": "nothing"}]}

    def watch(self, path: str, *, seconds: float, **query: str) -> Iterator[JSON]:
        del path, seconds, query
        if not self._pods:
            raise ApiUnreachable("nobody is there")
        for each in self._pods:
            yield {"type": "MODIFIED", "object": each}
        self._pods = []


def driver(phase: str, **state: JSON) -> JSON:
    metadata = {"name": "d", "namespace": "default", "labels": {"spark-role": "driver"}}
    return {"metadata": metadata, "status": {"phase": phase, "containerStatuses": [{"name": "c", "state": state}]}}


def waiting(reason: str) -> JSON:
    return driver("Pending", waiting={"reason": reason, "message": "nosuch/image:1 is not there"})


def follow(pods: list[JSON], clock: Callable[[], float], log: Path, alive: Callable[[], bool] = lambda: True) -> None:
    job = JobProgress(instances=1, began_at=0.0)
    screen = JobScreen(job, Console(file=io.StringIO()))
    output = ProgramOutput(screen.print_line, is_live=False, takes_stdout=True, verbose=False)
    run = JobRun(OneDriver(pods), job, screen, submit_log=log, clock=clock, output=output, server_alive=alive)
    try:
        run.follow(lambda: None)
    finally:
        run.finish()


@pytest.mark.parametrize("reason", ["InvalidImageName", "ErrImageNeverPull"])
def test_an_image_that_can_never_be_had_ends_the_job_at_once(reason: str, tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=f"image cannot be had: {reason}: nosuch/image:1 is not there"):
        follow([waiting(reason)], lambda: 0.0, tmp_path)


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_an_image_that_stays_away_ends_the_job(reason: str, tmp_path: Path) -> None:
    times = iter([0.0] * 20)

    with pytest.raises(JobFailed, match=f"{reason}: nosuch/image:1 is not there"):
        follow([waiting(reason)], lambda: next(times, IMAGE_SECONDS), tmp_path)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "the phase placement: it was thought about"),
        ({"spec": {"nodeName": "fargate"}}, "the phase start: it was thought about"),
        ({"pull": "Pulling image a:1"}, "the phase pull: it was thought about"),
        (None, "the phase submit"),
    ],
)
def test_a_driver_that_never_runs_says_where_it_stands(fields: JSON | None, expected: str, tmp_path: Path) -> None:
    seen = []
    if fields is not None:
        state = {"reason": "ContainerCreating", "message": fields.get("pull", "")}
        seen = [{**driver("Pending", waiting=state), "spec": fields.get("spec", {})}]
    times = iter([0.0] * 20)

    with pytest.raises(JobFailed, match=f"No driver ran within 300 s. It stands in {expected}"):
        follow(seen, lambda: next(times, BEGIN_SECONDS + 1), tmp_path)


def test_a_registry_that_is_down_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    alive = iter([True] * 5)

    with pytest.raises(JobFailed, match="control plane ended"):
        follow([waiting("ErrImagePull")], lambda: IMAGE_SECONDS / 2, tmp_path, alive=lambda: next(alive, False))
