"""Functions end what they have begun: the time they wait for it is less than the time that they have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chalice.config import Config

from chalicelib.plane.host import LAMBDA

CONFIG = json.loads((Path(__file__).parents[3] / ".chalice" / "config.json").read_text())
BEFORE_SECONDS = 14  # for what comes first: the event itself, or all chores once


def timeout_seconds(stage: str, function: str) -> int:
    """Return how long an invocation may take."""
    found: int = Config(chalice_stage=stage, function_name=function, config_from_disk=CONFIG).lambda_timeout
    return found


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_function_has_time_for_what_it_waits_for_and_what_comes_before(stage: str) -> None:
    assert LAMBDA.settle is not None
    assert timeout_seconds(stage, "task_events") >= LAMBDA.settle.event + BEFORE_SECONDS
    assert timeout_seconds(stage, "resync") >= LAMBDA.settle.schedule + BEFORE_SECONDS
    assert timeout_seconds(stage, "launch") >= LAMBDA.settle.launch + BEFORE_SECONDS
    assert timeout_seconds(stage, "stream") >= (LAMBDA.stream_seconds or 0) + BEFORE_SECONDS


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_schedule_begins_again_when_its_function_must_have_ended(stage: str) -> None:
    assert timeout_seconds(stage, "resync") <= 60


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_api_answers_before_the_gateway_gives_up(stage: str) -> None:
    assert timeout_seconds(stage, "api_handler") <= 29
