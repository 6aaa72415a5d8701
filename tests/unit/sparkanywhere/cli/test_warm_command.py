"""`sparkanywhere warm`: what waits is shown with its price, fits the job that `run` makes, and ends when asked to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.controllers.podmodel.record import handle_of
from sparkanywhere.__main__ import main
from sparkanywhere.cli.target_options import USAGE
from sparkanywhere.cli.warm_command import A_PROGRAM, warm, warm_spec
from sparkanywhere.client.kube_client import ApiError
from sparkanywhere.jobs.applications import list_applications
from sparkanywhere.jobs.ending import end_application
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.submission import submit
from tests.api_client import ApiClient, control_plane
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.world import World
from tests.unit.sparkanywhere.jobs.kube_in_process import InProcessClient


@pytest.fixture
def w() -> World:
    """Return a World whose tasks wait."""
    clock = Clock()
    return World(MemoryStorage(), provider=FakeProvider(clock=clock, hold_pending=True), clock=clock)


@pytest.fixture
def kube(w: World) -> InProcessClient:
    """A client of that World."""
    return InProcessClient(ApiClient(w.plane))


def typed(*words: str) -> JobSpec:
    """Return what is submitted for a command line."""
    with warm.make_context("warm", list(words)) as context:
        options = {**context.params}
        return warm_spec(options, options.pop("span"), "default")


def test_what_waits_is_listed_with_its_time_and_price_an_hour(w: World, kube: InProcessClient) -> None:
    submit(kube, typed("--executors", "3", "--for", "10m"), suffix="0a")

    (found,) = list_applications(kube, "default")

    assert (found.name, found.state, found.shown_executors) == ("warm", "Warm", 3)
    end = w.clock.now + timedelta(minutes=10)
    assert found.cause == f"4 tasks wait for a job until {end:%Y-%m-%dT%H:%M:%SZ}: $0.1975 an hour on Fargate"


def test_it_is_of_the_shape_of_the_job_that_run_makes_of_those_options(w: World, kube: InProcessClient) -> None:
    submit(kube, typed("--executor-memory", "2g", "--driver-memory", "700m"), suffix="0a")
    before = len(w.provider.tasks)
    job = JobSpec(application=A_PROGRAM, namespace="default", executor_memory="2g", driver_memory="700m")

    made = submit(kube, job, suffix="0b")

    driver = kube.get(made.path)
    assert handle_of(driver) != f"fake-{driver['metadata']['uid']}"
    assert len(w.provider.tasks) == before
    by_name = {each.name: each for each in list_applications(kube, "default")}
    assert (by_name["warm"].state, by_name["warm"].shown_executors) == ("Warm", 2), "its executors come later"


def test_they_are_ended_when_asked_to(w: World, kube: InProcessClient) -> None:
    submit(kube, typed(), suffix="0a")

    (found,) = list_applications(kube, "default")
    end_application(kube, "default", found, by="a test")
    w.observe_all()

    assert [each.state for each in list_applications(kube, "default")] == ["Ended"]
    assert all(each.phase == "stopped" for each in w.provider.list_tasks())


def test_a_control_plane_that_keeps_none_warm_says_so(tmp_path: Path) -> None:
    plane = control_plane(tmp_path, provider="process")

    try:
        with pytest.raises(ApiError, match=r"provider process starts tasks .* keeps none warm"):
            submit(InProcessClient(ApiClient(plane)), typed(), suffix="0a")
    finally:
        plane.close()


def test_a_dry_run_says_what_it_would_cost_at_most() -> None:
    result = CliRunner().invoke(main, ["warm", "--executors", "4", "--for", "30m", "--dry-run"])

    assert result.exit_code == 0, result.output
    assert "at most $0.1234 in all" in result.output
    assert "Nothing was created." in result.output


@pytest.mark.parametrize("span", ["never", "60s", "2d", "soon"])
def test_a_time_that_is_none_is_refused(span: str) -> None:
    result = CliRunner().invoke(main, ["warm", "--for", span, "--dry-run"])

    assert (result.exit_code, "of a day at most" in result.output) == (USAGE, True)
