"""What is wrong with the machine is one sentence in every command, with exit code 1, and leaves nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.config import Settings
from tests.e2e.spark_cluster import processes_below, without_own_settings

ROOT = Path(__file__).resolve().parents[2]
BEFORE = ("Sparkanywhere on this laptop", "Python 3.")  # what commands say of where and with what they run a job
LIMITED = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")  # a file that may not grow is met as a full disk is
JOB = ("run", "--provider", "process", "{job}")


@pytest.fixture
def taken() -> Iterator[int]:
    """Yield a port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state folder that is not there yet."""
    return tmp_path / "state"


def refusal(state: Path, *arguments: str, before: tuple[str, ...] = (), **environ: str) -> str:
    """Return the one line that a command says and fails with; see that it leaves nothing in the state folder."""
    cache = str(Settings.from_env().cache_dir())
    env = {**without_own_settings(), "SPARKANYWHERE_CACHE": cache, "SPARKANYWHERE_STATE": str(state), **environ}
    job = state.parent / "job.py"
    job.write_text("print('never')\n")
    command = [*before, sys.executable, "-m", "sparkanywhere", *(each.format(job=job) for each in arguments)]
    env = {**env, "PYTHONPATH": str(ROOT), "KUBECONFIG": os.devnull}

    ran = subprocess.run(command, env=env, cwd=state.parent, capture_output=True, text=True, timeout=100, check=False)

    assert (ran.returncode, ran.stdout) == (1, ""), ran.stderr
    assert not state.is_dir() or list(state.iterdir()) == []
    assert processes_below(state) == []
    (line,) = [line for line in ran.stderr.splitlines() if not line.startswith(BEFORE)]
    return line.removeprefix("Error: ")


@pytest.mark.spark
@pytest.mark.parametrize("command", [JOB, ("pi",)], ids=["run", "pi"])
def test_a_state_folder_that_cannot_be_made(command: tuple[str, ...], state: Path) -> None:
    state.write_text("")

    said = refusal(state, *command)

    assert said.startswith(f"The control plane has no place for its state: {state}/")
    assert said.endswith(": not a directory.")


@pytest.mark.spark
@pytest.mark.parametrize("command", [JOB, ("pi",)], ids=["run", "pi"])
def test_a_full_disk(command: tuple[str, ...], state: Path) -> None:
    said = refusal(state, *command, before=LIMITED)

    assert said == "The control plane did not start: it printed nothing: the disk may be full, or it was killed"


@pytest.mark.spark
def test_a_port_in_use(taken: int, state: Path) -> None:
    words = f"Can't listen on 127.0.0.1 port {taken}: address already in use; --port gives another."

    assert refusal(state, "serve", "--port", str(taken)) == words
    assert refusal(state, "pi", "--port", str(taken)) == f"The control plane did not start: {words}"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DOCKER_HOST", "unix:///none.sock", "No Docker engine answers at unix:///none.sock: start one, or say with "),
        ("DOCKER_CONTEXT", "none", "The Docker context 'none' is not there: docker context ls lists those that are."),
    ],
    ids=["no engine", "no such context"],
)
@pytest.mark.parametrize(
    "command",
    [("run", "--provider", "docker", "{job}"), ("serve", "--provider", "docker", "--port", "0"), ("image",)],
    ids=["run", "serve", "image"],
)
def test_no_docker(
    command: tuple[str, ...], name: str, value: str, words: str, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv(name, value)

    assert refusal(state, *command).startswith(words)


@pytest.mark.parametrize("command", [JOB, ("pi",), ("down",), ("spark", "install", "4.3.0"), ("serve", "--port", "0")])
def test_a_setting_that_will_not_do(command: tuple[str, ...], state: Path) -> None:
    said = refusal(state, *command, SPARKANYWHERE_INSTANCE="a b")

    assert said.startswith("SPARKANYWHERE_INSTANCE is 'a b', but takes a name of up to 63 letters")
