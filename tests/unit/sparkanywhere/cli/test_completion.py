"""What a shell is told while its user types."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sparkanywhere.__main__ import COMMANDS, main
from sparkanywhere.cli.command_habits import HABITS, meant
from sparkanywhere.cli.completion import VARIABLE


def completed(*words: str, env: dict[str, str] | None = None) -> list[str]:
    """Return what bash is offered for the last of the words."""
    line = {"COMP_WORDS": " ".join(("sparkanywhere", *words)), "COMP_CWORD": str(len(words))}
    result = CliRunner().invoke(
        main, [], prog_name="sparkanywhere", env={VARIABLE: "bash_complete", **line, **(env or {})}
    )
    assert result.stderr == ""
    return result.output.split()


def test_commands_are_completed_by_their_beginning() -> None:
    assert completed("des") == ["plain,describe"]
    assert {f"plain,{name}" for name in COMMANDS} == set(completed(""))


@pytest.mark.parametrize("words", [("run", ""), ("run", "etl.py", ""), ("run", "--env-file", "")])
def test_files_are_left_to_the_shell(words: tuple[str, ...]) -> None:
    assert completed(*words) == ["file,"]


def test_choices_and_options_are_completed() -> None:
    assert completed("run", "--arch", "ar") == ["plain,arm64"]
    assert "plain,--executors" in completed("run", "--exec")


def test_applications_of_no_control_plane_are_none(tmp_path: Path) -> None:
    nowhere = tmp_path / "kubeconfig"
    nowhere.write_text(
        "contexts: [{name: a, context: {cluster: c}}]\ncurrent-context: a\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
    )

    assert completed("logs", "", env={"KUBECONFIG": str(nowhere), "SPARKANYWHERE_CONTEXT": "a"}) == []
    assert completed("logs", "", env={"KUBECONFIG": str(tmp_path / "none"), "SPARKANYWHERE_STATE": str(tmp_path)}) == []


@pytest.mark.parametrize("words", [("use", ""), ("logs", "--on", ""), ("run", "--context", "")])
def test_control_planes_are_completed(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "config").write_text("contexts: [{name: prod, context: {cluster: c}}]")
    env = {"KUBECONFIG": str(tmp_path / "config"), "SPARKANYWHERE_STATE": str(tmp_path)}

    assert completed(*words, env=env) == ["plain,laptop", "plain,prod"]
    assert completed(*words[:-1], "p", env=env) == ["plain,prod"]
    assert completed(*words, env={**env, "KUBECONFIG": str(tmp_path)}) == []  # it cannot be read


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_each_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])

    assert result.exit_code == 0
    assert VARIABLE in result.output


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("runn", "run"),
        ("list", "ps"),
        ("cancel", "kill"),
        ("stop", "kill"),
        ("desribe", "describe"),
        ("a.py", "run a.py"),
    ],
)
def test_a_mistyped_command_is_answered_with_what_was_meant(word: str, near: str) -> None:
    result = CliRunner().invoke(main, [word])

    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: No such command {word!r}. Did you mean `sparkanywhere {near}`?\n",
    )


def test_a_word_that_nothing_is_near_to_leads_to_the_list() -> None:
    result = CliRunner().invoke(main, ["zzzzzz"])

    assert (result.exit_code, result.stderr) == (
        2,
        "Error: No such command 'zzzzzz'. `sparkanywhere --help` lists them.\n",
    )


def test_no_habit_is_a_command_of_ours() -> None:
    assert not HABITS.keys() & COMMANDS.keys()
    assert meant("use-less", ["ps"]) == ""
