"""`chalice local --docker` and `make serve` in an environment that `make` has prepared."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.local_server import PROJECT, chalice_local
from tests.functional.web_client import connected
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a whole environment is installed

SECONDS = 600.0  # for one installation on a slow network


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, outside any other environment; return what it prints."""
    hidden = ("VIRTUAL_ENV", "PYTHONPATH", "CONDA_PREFIX", "MAKEFLAGS", "MAKELEVEL")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        env=env,
        timeout=SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone's files, and the environment that `make` prepares for people who run it."""
    folder = tmp_path_factory.mktemp("clone") / "sparkanywhere"
    tracked = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=PROJECT)
    for name in tracked.splitlines():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).is_file():
            shutil.copy(PROJECT / name, target)
    prepare(folder)
    return folder


def prepare(project: Path) -> None:
    """Let `make` prepare the environment."""
    run("make", f"PYTHON={sys.executable}", ".venv/.ready", cwd=project)


def test_local_has_our_options_and_every_other_command_is_as_it_ships(project: Path) -> None:
    chalice = project / ".venv" / "bin" / "chalice"

    assert "--docker / --no-docker" in run(chalice, "local", "--docker", "--help", cwd=project)
    assert "--docker" not in run(chalice, "deploy", "--help", cwd=project)
    assert "--docker" not in run(chalice, "package", "--help", cwd=project)
    assert run(chalice, "--version", cwd=project).startswith("chalice 1.34")
    assert "--docker" not in run(chalice, "local", "--help", cwd=project.parent)


def test_the_options_are_back_after_chalice_was_installed_again(project: Path) -> None:
    binaries = project / ".venv" / "bin"
    run(
        *(binaries / "python", "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", "chalice"),
        cwd=project,
    )
    assert "--docker" not in run(binaries / "chalice", "local", "--help", cwd=project)
    (project / "pyproject.toml").touch()

    prepare(project)

    assert "--docker" in run(binaries / "chalice", "local", "--help", cwd=project)


def test_nothing_of_ours_is_imported_at_the_start_of_python(project: Path) -> None:
    code = "import sys; print([name for name in sys.modules if 'sparkanywhere' in name or 'chalice' in name])"

    assert run(project / ".venv" / "bin" / "python", "-c", code, cwd=project.parent) == "[]\n"


def test_it_serves_and_reloads(project: Path, tmp_path: Path) -> None:
    command = (str(project / ".venv" / "bin" / "chalice"),)
    options = ("--provider", "none", "--port", "0")

    with chalice_local(tmp_path, *options, command=command, project=project) as server:
        server.wait_until_ready()
        assert server.end() == 0
    with chalice_local(tmp_path, *options, "--autoreload", command=command, project=project) as server:
        server.wait_until_ready()
        with (project / "app.py").open("a") as file:
            file.write("\n")
        server.wait_until_ready(times=2)
        assert server.end() == 0


def is_listening(port: int) -> bool:
    """Return whether somebody listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_make_serve_serves(project: Path, tmp_path: Path) -> None:
    command = ("make", "--no-print-directory", "serve", "PROVIDER=none", "PORT=0")

    with chalice_local(tmp_path, command=command, verb=(), project=project) as server:
        server.wait_until_ready()
        with connected(server.port) as client:
            assert client.get("/api/v1/namespaces/default").status == 200

        port = server.port
        server.end()  # make dies of the signal, and hands it on

    until(lambda: not is_listening(port), "the server to end")
