"""What is read from `docker inspect`; the recordings are of engine 20.10.24 (tests/data/docker)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib.providers.docker.snapshots import moment, snapshot
from chalicelib.providers.docker.task_state import container_state

RECORDED = Path(__file__).parents[3] / "data" / "docker" / "inspect.json"


@pytest.fixture(scope="module")
def inspected() -> dict[str, Any]:
    """Return the recorded answers by name."""
    recorded: dict[str, Any] = json.loads(RECORDED.read_text())["containers"]
    return recorded


@pytest.mark.parametrize(
    ("name", "phase", "code", "reason"),
    [
        ("exited", "stopped", 3, "Error"),
        ("oom", "stopped", 137, "OOMKilled"),
        ("oom-child", "stopped", 3, "Error"),  # a child was killed, the container ended in its own way
        ("running", "running", None, ""),
        ("no-user", "stopped", 128, "StartError"),
        ("restarting", "waiting", None, "CrashLoopBackOff"),
    ],
)
def test_a_recorded_container_is_understood(
    inspected: dict[str, Any], name: str, phase: str, code: int | None, reason: str
) -> None:
    state = container_state(snapshot(inspected[name]))

    assert (state.phase, state.exit_code, state.reason) == (phase, code, reason)
    assert (state.name, state.image) == ("main", "busybox")


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [("", 0, "stopped"), ("on-failure", 0, "stopped"), ("on-failure", 3, "waiting"), ("always", 0, "waiting")],
)
def test_a_container_that_podman_has_not_cleaned_up_has_ended_or_goes_on(
    inspected: dict[str, Any], policy: str, code: int, phase: str
) -> None:
    raw = json.loads(json.dumps(inspected["exited"]))
    raw["State"] |= {"Status": "stopped", "ExitCode": code}
    raw["HostConfig"]["RestartPolicy"]["Name"] = policy

    assert container_state(snapshot(raw)).phase == phase


def test_the_engines_words_on_a_failed_start_are_kept(inspected: dict[str, Any]) -> None:
    assert "unable to find user nobody-here" in container_state(snapshot(inspected["no-user"])).message


def test_times_are_read_to_the_microsecond(inspected: dict[str, Any]) -> None:
    assert snapshot(inspected["exited"]).started_at == datetime(2026, 11, 23, 1, 48, 28, 374811, tzinfo=UTC)


def test_an_end_before_its_start_is_put_right(inspected: dict[str, Any]) -> None:
    raw = json.loads(json.dumps(inspected["exited"]))
    raw["State"]["StartedAt"], raw["State"]["FinishedAt"] = (raw["State"]["FinishedAt"], raw["State"]["StartedAt"])

    read = snapshot(raw)

    assert read.finished_at == read.started_at


@pytest.mark.parametrize("text", [None, "", "0001-01-01T00:00:00Z"])
def test_a_time_that_has_not_come_is_none(text: str | None) -> None:
    assert moment(text) is None


def test_a_restart_tells_when_the_run_before_ended(inspected: dict[str, Any]) -> None:
    raw = json.loads(json.dumps(inspected["running"]))
    raw["RestartCount"] = 1
    raw["State"]["FinishedAt"] = "2026-11-23T01:00:00.5Z"

    assert snapshot(raw).previous_end == datetime(2026, 11, 23, 1, 0, 0, 500000, tzinfo=UTC)
