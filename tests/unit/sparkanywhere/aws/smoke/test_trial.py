"""The trial as a whole: what it promises before it starts, and that whatever happens it clears away."""

from __future__ import annotations

import json
import re
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sparkanywhere.aws.smoke.ground import Exchange, Ground
from sparkanywhere.aws.smoke.outcome import NotHere, StepFailed
from sparkanywhere.aws.smoke.recorder import Recorder
from sparkanywhere.aws.smoke.redaction import Redactor
from sparkanywhere.aws.smoke.step import Step
from sparkanywhere.aws.smoke.trial import STEPS
from sparkanywhere.cli import smoke_command
from sparkanywhere.client.kube_client import Access
from sparkanywhere.local.stop_signals import StoppedBySignal
from tests.aws_box.account import FakeAccount


class Namespaces(Ground):
    """An API that has namespaces alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            Access("http://127.0.0.1:9"),
            FakeAccount().clients(),
            Recorder(folder, Redactor()),
            site=None,
            why_no_site="nobody told",
            context="prod",
            namespace="smoke-1",
            images={},
            renew=lambda: self.access,
        )
        self.known: set[str] = set()

    def call(self, method: str, target: str, **more: Any) -> Exchange:  # Any: as Ground's
        del more
        if method == "POST":
            self.known.add(self.namespace)
            return Exchange(201, (), b"{}")
        if method == "DELETE" and target.endswith(self.namespace):
            self.known.clear()
        return Exchange(200 if self.known else 404, (), b'{"items": []}')


def step(name: str, run: Callable[[Ground], str]) -> Step:
    return Step(name, "something", 0.0, 0.0, run)


def raising(error: BaseException) -> Callable[[Ground], str]:
    def run(_: Ground) -> str:
        raise error

    return run


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Namespaces, list[Any]]]:
    """Return what runs steps as the command does: exit code, the API, and the records of the zip."""

    def run(*steps: Step) -> tuple[int, Namespaces, list[Any]]:
        ground = Namespaces(tmp_path / "records")
        monkeypatch.setattr(smoke_command, "STEPS", steps)
        monkeypatch.setattr(smoke_command, "_ground", lambda *_, **__: ground)
        result = CliRunner().invoke(smoke_command.smoke, ["--on", "prod", "--yes"])
        with zipfile.ZipFile(tmp_path / "records.zip") as archive:
            told = [json.loads(archive.read(name)) for name in sorted(archive.namelist())]
        return result.exit_code, ground, told

    return run


def test_a_step_that_fails_breaks_or_cannot_be_tried_stops_no_other(
    tried: Callable[..., tuple[int, Namespaces, list[Any]]],
) -> None:
    code, ground, told = tried(
        step("fails", raising(StepFailed("it is not so"))),
        step("breaks", raising(KeyError("status"))),
        step("elsewhere", raising(NotHere("no such thing"))),
        step("works", lambda _: "it is so"),
    )

    states = {each["step"]: each["state"] for each in told}
    assert states == {
        "fails": "failed",
        "breaks": "failed",
        "elsewhere": "not here",
        "works": "ok",
        "nothing-left": "ok",
    }
    assert code == 1
    assert not ground.known


def test_what_cannot_be_tried_is_no_failure(tried: Callable[..., tuple[int, Namespaces, list[Any]]]) -> None:
    code, _, _ = tried(step("elsewhere", lambda ground: ground.site.function))

    assert code == 0


def test_ctrl_c_ends_the_steps_and_clears_away(tried: Callable[..., tuple[int, Namespaces, list[Any]]]) -> None:
    code, ground, told = tried(
        step("long", raising(StoppedBySignal(signal.SIGINT))), step("never", lambda _: "it was not to run")
    )

    assert [each["step"] for each in told] == ["nothing-left"]
    assert code == 130
    assert not ground.known


def test_it_takes_forty_minutes_and_a_dollar_at_most_and_every_step_says_what_it_proves() -> None:
    assert sum(each.minutes for each in STEPS) <= 40
    assert sum(each.usd for each in STEPS) < 1
    assert len({each.name for each in STEPS}) == len(STEPS)
    assert all(each.proves for each in STEPS)


def test_the_documentation_names_every_step() -> None:
    page = (Path(__file__).parents[5] / "docs" / "aws.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]

    assert {each.name for each in STEPS} <= {name for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row)}


def test_nothing_starts_before_it_was_said_and_agreed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Ground:
        raise AssertionError("it started")

    monkeypatch.setattr(smoke_command, "_ground", never)

    result = CliRunner().invoke(smoke_command.smoke, ["--on", "prod"], input="n\n")

    assert result.exit_code == 1
    assert "at most $" in result.stdout
    assert "hundred" in result.stdout


def test_steps_are_listed_and_chosen_by_name() -> None:
    listed = CliRunner().invoke(smoke_command.smoke, ["--on", "prod", "--list", "-o", "json", "--only", "gzip"])
    wrong = CliRunner().invoke(smoke_command.smoke, ["--on", "prod", "--list", "--only", "gzipp"])

    assert [each["name"] for each in json.loads(listed.stdout)] == ["gzip"]
    assert (wrong.exit_code, "There is no step gzipp" in wrong.stderr) == (2, True)
