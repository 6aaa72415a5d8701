"""Commands that are sent to a control plane that cannot be used: one sentence, exit 1, and nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sparkanywhere.__main__ import main
from sparkanywhere.client.access import VARIABLE
from tests.unit.sparkanywhere.client.test_kube_client import closed_port

# The contexts of the kubeconfig, by the user that each has; all lead to a port at which nothing listens.
USERS = {
    "dead": {},
    "no-plugin": {"exec": {"command": "no-such-plugin", "installHint": "brew install it."}},
    "plugin-in-a-folder": {"exec": {"command": "./no-such-plugin"}},
    "expired": {"exec": {"command": "sh", "args": ["-c", "echo The SSO session has expired. >&2; exit 255"]}},
    "mute": {"exec": {"command": "false"}},
    "no-token": {"exec": {"command": "echo", "args": ['{"status": {}}']}},
    "no-json": {"exec": {"command": "echo", "args": ["hello"]}},
    "no-command": {"exec": {}},
    "no-object": {"exec": "aws"},
    "no-file": {"tokenFile": "token"},
}
COMMANDS = (
    ["ps"],
    ["logs", "x"],
    ["kill", "x"],
    ["history"],
    ["connect"],
    ["run", "{program}"],
    ["run", "-d", "{program}"],
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a kubeconfig and a program."""
    (tmp_path / "job.py").write_text("print(1)\n")
    (tmp_path / ".kube").mkdir()
    config = {
        "contexts": [{"name": name, "context": {"cluster": "c", "user": name}} for name in USERS],
        "clusters": [{"name": "c", "cluster": {"server": f"http://{closed_port()}"}}],
        "users": [{"name": name, "user": user} for name, user in USERS.items()],
    }
    (tmp_path / ".kube" / "config").write_text(json.dumps(config))
    return tmp_path


def ran(home: Path, *words: str, context: str = "") -> tuple[int, str]:
    """Run a command of that home; return its exit code and what it said on stderr. It prints and leaves nothing."""
    before = sorted(home.rglob("*"))
    env = {"HOME": str(home), "SPARKANYWHERE_STATE": str(home / "state"), VARIABLE: context}
    result = CliRunner().invoke(main, [*words], env=env)
    assert result.stdout == ""
    assert sorted(home.rglob("*")) == before
    return result.exit_code, result.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_says_where_it_works_and_that_nobody_answers(home: Path, words: list[str]) -> None:
    code, err = ran(home, *(word.format(program=home / "job.py") for word in words), context="dead")

    first, *_, last = err.splitlines()
    assert code == 1
    assert first.startswith("Sparkanywhere on dead (http://127.0.0.1:")
    assert last.startswith("Error: http://127.0.0.1:")
    assert last.endswith("did not answer: connection refused")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ("no-plugin", "The credential plugin 'no-such-plugin' is not installed. brew install it."),
        ("plugin-in-a-folder", "The credential plugin './no-such-plugin' is not installed."),
        ("expired", "The credential plugin 'sh' ended with 255: The SSO session has expired."),
        ("mute", "The credential plugin 'false' ended with 1: it said nothing"),
        ("no-token", "The credential plugin 'echo' gave no token: 'token'"),
        ("no-json", "The credential plugin 'echo' gave no token: Expecting value: line 1 column 1 (char 0)"),
        ("no-command", "The exec of the context's user names no command."),
        ("no-object", "The exec of the context's user names no command."),
        ("no-file", "token'"),
        ("ded", "did you mean 'dead'?"),
        ("laptop", "No server runs on this laptop: `sparkanywhere serve` starts one."),
        ("laptop/x", "No server of instance x runs on this laptop: `sparkanywhere serve --instance x` starts one."),
    ],
)
def test_a_context_that_leads_nowhere_is_one_sentence(home: Path, context: str, words: str) -> None:
    code, err = ran(home, "logs", "x", context=context)

    assert code == 1
    assert len(err.splitlines()) == 1
    assert err.startswith("Error: ")
    assert words in err


@pytest.mark.parametrize("words", [["ps"], ["contexts"], ["use", "dead"], ["run", "--master", "k8s://x", "{program}"]])
def test_a_kubeconfig_that_is_not_yaml_is_one_sentence(home: Path, words: list[str]) -> None:
    (home / ".kube" / "config").write_text("clusters: [\n")

    code, err = ran(home, *(word.format(program=home / "job.py") for word in words), context="dead")

    assert code == 1
    assert err.startswith(f"Error: {home}/.kube/config is not YAML: ")
    assert len(err.splitlines()) == 1


def test_what_is_mistyped_is_not_kept(home: Path) -> None:
    code, err = ran(home, "use", "daed")

    assert code == 1
    assert err.startswith("Error: No context 'daed' (set by the command line) in ")
    assert "did you mean 'dead'?" in err
