"""A job on the screen: what its pods and its log say is shown as text, whatever it looks like."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.marks import START
from sparkanywhere.cli.job_progress import JobProgress
from sparkanywhere.cli.job_screen import UNWRAPPED_COLUMNS, JobScreen, our_console, print_result
from sparkanywhere.jobs.spark_rest import SparkProgress

EVIL = "[/red]\x1b[2J\r\x9b5m"
SHOWN = "[/red]\\x1b[2J\\r\\x9b5m"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_a_job_says_is_shown_as_text(is_terminal: bool) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=is_terminal, color_system=None, width=200)
    job = JobProgress(instances=1, began_at=0.0)
    metadata = {"name": "driver", "labels": {"spark-role": "driver"}}
    waiting = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": EVIL}}}]}
    screen = JobScreen(job, console)

    screen.start()
    screen.link(EVIL)
    job.observe_pod({"metadata": metadata, "status": waiting}, 1.0)
    screen.update(1.0)
    screen.print_line(EVIL)
    job.observe_pod({"metadata": metadata, "status": {"phase": "Failed", "reason": EVIL}}, 2.0)
    screen.update(2.0)
    screen.stop()
    print_result(console, job, now=3.0, with_tables=True)

    assert written.getvalue().count(SHOWN) >= 3  # the line, the link, the pod's reason
    assert "\x1b[2J" not in written.getvalue()
    assert "\x9b" not in written.getvalue()


SPARK = SparkProgress(
    executors=2,
    tasks_done=71,
    tasks=100,
    tasks_running=4,
    tasks_failed=1,
    shuffle_bytes=18_000_000,
    job=3,
    stage=2,
    stages=7,
    doing="groupBy at etl.py:9",
)

RAN_AT = datetime(2026, 11, 30, 8, tzinfo=UTC)
STARTED = replace(SPARK, began_at=RAN_AT + timedelta(seconds=2), registered_at=(RAN_AT + timedelta(seconds=7.5),))


def pod(name: str, role: str, phase: str, exit_code: int | None = None) -> JSON:
    state = {} if exit_code is None else {"terminated": {"exitCode": exit_code}}
    return {
        "metadata": {"name": name, "labels": {"spark-role": role}},
        "status": {"phase": phase, "containerStatuses": [{"state": state}]},
    }


def run_to_its_end(job: JobProgress, screen: JobScreen, *, with_spark: bool) -> None:
    """Let a job of ten seconds pass."""
    job.end("control plane", 1.0)
    job.observe_pod(pod("d", "driver", "Running"), 2.0)
    screen.update(2.0)
    if with_spark:
        job.observe_pod(pod("e", "executor", "Running"), 3.0)
        job.observe_spark(SPARK, 4.0)
        for _ in range(2):
            screen.link("http://127.0.0.1:4040")
        screen.update(5.0)
    job.observe_pod(pod("d", "driver", "Failed", 3), 10.0)
    screen.update(10.0)


@pytest.mark.parametrize(
    ("with_spark", "middle"),
    [
        (
            True,
            [
                "    1.0 s  executors  2/1",
                "           Spark UI: http://127.0.0.1:4040",
                "    7.0 s  job  with failed tasks",
            ],
        ),
        (False, ["    8.0 s  job"]),
    ],
)
def test_in_a_pipe_phases_are_lines(with_spark: bool, middle: list[str]) -> None:
    written = io.StringIO()
    console = Console(file=written, width=UNWRAPPED_COLUMNS)
    job = JobProgress(instances=1, began_at=0.0)

    run_to_its_end(job, JobScreen(job, console), with_spark=with_spark)
    print_result(console, job, now=10.0, with_tables=False)

    *lines, result = [line.rstrip() for line in written.getvalue().splitlines()]
    start = ["    1.0 s  control plane", "    1.0 s  submit", "    0.0 s  driver"]
    assert sorted(lines) == sorted([*start, *middle])
    assert result.startswith("✗ Failed, exit code 3, in 10.0 s: control plane 1.0 s, submit 1.0 s, ")
    assert "\x1b" not in written.getvalue()


def test_a_job_that_is_ended_has_taken_all_of_its_time() -> None:
    written = io.StringIO()
    job = JobProgress(instances=1, began_at=0.0, stopped_with=143)

    print_result(Console(file=written), job, now=300.0, with_tables=False)

    assert "exit code 143, in 300.0 s" in written.getvalue()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (STARTED, "Start: submit 1.0 s, placement 12.0 s, JVM 2.0 s, register 5.5 s"),
        (None, "Start: submit 1.0 s, placement 12.0 s"),
    ],
    ids=["all is known", "its Spark cannot be asked"],
)
@pytest.mark.parametrize("is_terminal", [True, False])
def test_how_a_start_went_is_one_line_as_soon_as_it_is_known(
    said: SparkProgress | None, expected: str, is_terminal: bool
) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=is_terminal, color_system=None, width=200)
    job = JobProgress(instances=1, began_at=0.0)
    screen = JobScreen(job, console)
    driver = pod("d", "driver", "Running")
    driver["metadata"]["annotations"] = {START: '{"placement": 12, "runningAt": "2026-11-30T08:00:00Z"}'}
    job.end("control plane", 1.0)
    job.observe_pod(driver, 2.0)
    screen.update(2.0)
    assert "Start:" not in written.getvalue()

    job.observe_pod(pod("e", "executor", "Running"), 3.0)
    job.observe_spark(said, 4.0)
    for now in (4.0, 5.0):
        screen.update(now)

    (line,) = [line for line in written.getvalue().splitlines() if "Start:" in line]
    assert line.strip().startswith(expected)


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_on_a_terminal_the_bar_and_its_words_have_lines_of_their_own(columns: int) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system=None, width=columns)
    job = JobProgress(instances=2, began_at=0.0)
    screen = JobScreen(job, console)
    job.end("control plane", 1.0)
    job.observe_pod(pod("d", "driver", "Running"), 2.0)
    job.observe_pod(pod("e", "executor", "Running"), 2.0)
    job.observe_spark(SPARK, 3.0)

    screen.link("http://127.0.0.1:4040")
    screen.start()
    screen.update(4.0)
    screen.stop()

    lines = written.getvalue().splitlines()
    assert any("job 3, stage 2 of 7: groupBy" in line and "━" not in line for line in lines)
    bar = next(line for line in lines if "━" in line)
    assert "71/100 tasks" in bar
    assert "Spark UI: http://127.0.0.1:4040" in written.getvalue()
    if columns > 60:
        assert "4 running, 1 failed, 18.0 MB shuffled" in bar


def test_our_console_is_stderr_which_a_pipe_does_not_wrap(capsys: pytest.CaptureFixture[str]) -> None:
    console = our_console()

    console.print("word " * 100)

    out, err = capsys.readouterr()
    assert (out, err.rstrip("\n").count("\n")) == ("", 0)
    assert not console.is_terminal


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_nothing_is_drawn_into_a_pipe_whatever_is_forced(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")

    assert not our_console().is_terminal
