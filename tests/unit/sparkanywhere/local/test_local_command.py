"""What becomes of chalice's command line."""

from __future__ import annotations

import importlib.util
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import chalice
import click
import pytest

from sparkanywhere.local import chalice_hook
from sparkanywhere.local.local_command import OURS, extend


@pytest.fixture
def cli() -> ModuleType:
    """chalice.cli as it ships, freshly loaded and nobody else's: our hook may be at work in this environment."""
    spec = PathFinder.find_spec("chalice.cli", list(chalice.__path__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    assert after == before | set(OURS)


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


def test_a_failure_of_ours_is_a_hint_and_the_module_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    class Loader:
        """Loads a chalice.cli without commands."""

        def exec_module(self, module: ModuleType) -> None:
            """Run the module."""
            module.__dict__["loaded"] = True

    module = ModuleType("chalice.cli")
    chalice_hook._Loader(Loader()).exec_module(module)

    assert module.__dict__["loaded"] is True
    assert "`chalice local` is left as it ships" in capsys.readouterr().err


def test_the_hook_is_put_in_place_once_and_finds_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = len(sys.meta_path)

    chalice_hook.install()
    chalice_hook.install()

    assert len(sys.meta_path) - before <= 1
    assert sys.meta_path[0].find_spec("chalice.cli.factory", None) is None


def test_the_page_about_the_local_server_tells_every_option(cli: ModuleType) -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "local-server.md").read_text()
    extend(cli)

    told = set(re.findall(r"--[a-z][a-z-]*", page.partition("\n## ")[0]))

    options = {word for one in cli.cli.commands["local"].params for word in (*one.opts, *one.secondary_opts)}
    assert options - told <= {"--stage", "--no-autoreload"}
    assert told <= options
