"""What becomes of chalice's command line."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from sparkanywhere.local.chalice_command import extend, main
from sparkanywhere.local.server_options import server_options

PROJECT = Path(__file__).resolve().parents[4]


@pytest.fixture
def cli() -> ModuleType:
    """chalice.cli as it ships, loaded for this test alone."""
    spec = importlib.util.find_spec("chalice.cli")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def command(cli: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """chalice.cli as main() finds it, asked for its version."""
    monkeypatch.setattr("chalice.cli", cli)
    monkeypatch.setattr(sys, "argv", ["chalice", "--version"])
    return cli


def described(cli: ModuleType) -> dict[str, Any]:
    """Return what each command says of itself."""

    def describe(command: click.Command) -> Any:
        if isinstance(command, click.Group):
            return {name: describe(one) for name, one in command.commands.items()}
        return command.to_info_dict(click.Context(command))

    found = describe(cli.cli)
    assert isinstance(found, dict)
    return found


def test_local_gets_our_options_and_keeps_its_own(cli: ModuleType) -> None:
    before = {parameter.name for parameter in cli.cli.commands["local"].params}

    extend(cli)

    after = {parameter.name for parameter in cli.cli.commands["local"].params}
    assert after == before | {option.name for option in server_options()}


def test_every_other_command_stays_as_it_is(cli: ModuleType) -> None:
    before = described(cli)

    extend(cli)

    after = described(cli)
    assert before.pop("local") != after.pop("local")
    assert after == before


def test_a_chalice_we_do_not_know_is_left_alone(cli: ModuleType) -> None:
    local = cli.cli.commands["local"]
    local.params = [parameter for parameter in local.params if parameter.name != "stage"]
    before = described(cli)

    with pytest.raises(AttributeError, match=r"chalice 1\.34"):
        extend(cli)

    assert described(cli) == before


def test_a_failure_of_ours_is_a_hint_and_chalice_still_runs(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del command.cli.commands["local"]
    monkeypatch.chdir(PROJECT)

    with pytest.raises(SystemExit, match="0"):
        main()

    told = capsys.readouterr()
    assert "`chalice local` is left as it ships" in told.err
    assert "chalice 1.34" in told.out


def test_other_projects_get_the_stock_command(
    command: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = described(command)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit, match="0"):
        main()

    assert described(command) == before


def test_the_page_about_the_local_server_tells_every_option(cli: ModuleType) -> None:
    page = (PROJECT / "docs" / "local-server.md").read_text()
    extend(cli)

    told = set(re.findall(r"--[a-z][a-z-]*", page.partition("\n## ")[0]))

    options = {word for one in cli.cli.commands["local"].params for word in (*one.opts, *one.secondary_opts)}
    assert options - told <= {"--stage", "--no-autoreload"}
    assert told <= options
