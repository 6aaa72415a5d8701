"""`chalice local --docker` in environments of people's own: pip and uv, installed, editable and synced."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.functional.local_server import PROJECT, chalice_local

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # whole environments are installed

SECONDS = 600.0  # for one installer on a slow network


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command that must succeed, outside any other environment; return what it prints."""
    hidden = ("VIRTUAL_ENV", "PYTHONPATH", "CONDA_PREFIX")
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


def new_environment(folder: Path) -> Path:
    """Make a virtual environment with pip; return its bin folder."""
    run(sys.executable, "-m", "venv", folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uv command, in an environment of its own."""
    binaries = new_environment(tmp_path_factory.mktemp("uv"))
    run(binaries / "python", "-m", "pip", "install", "--quiet", "uv")
    return binaries / "uv"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone's files: what is in the repository, and nothing else."""
    folder = tmp_path_factory.mktemp("clone") / "sparkanywhere"
    for name in run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=PROJECT
    ).splitlines():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).is_file():
            shutil.copy(PROJECT / name, target)
    return folder


@pytest.fixture(scope="module")
def wheel(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, project)
    return next(folder.glob("*.whl"))


@dataclass(frozen=True)
class Given:
    """What an installer may use."""

    project: Path
    wheel: Path
    uv: Path


@pytest.fixture(scope="module")
def given(project: Path, wheel: Path, uv: Path) -> Given:
    """All of it."""
    return Given(project, wheel, uv)


def pip_then_chalice_again(folder: Path, given: Given) -> Path:
    """Install our wheel with pip, then chalice once more over it."""
    binaries = new_environment(folder)
    pip = (binaries / "python", "-m", "pip", "install", "--quiet")
    run(*pip, given.wheel)
    run(*pip, "--force-reinstall", "--no-deps", "chalice")
    return binaries


def pip_editable(folder: Path, given: Given) -> Path:
    """Install the project for work on it, with pip."""
    binaries = new_environment(folder)
    run(binaries / "python", "-m", "pip", "install", "--quiet", "--editable", given.project)
    return binaries


def uv_pip(folder: Path, given: Given) -> Path:
    """Install our wheel with uv pip."""
    run(given.uv, "venv", "--quiet", "--python", sys.executable, folder)
    run(given.uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", given.wheel)
    return folder / "bin"


def uv_sync(folder: Path, given: Given) -> Path:
    """Let uv make the project's own environment."""
    copy = folder / "project"
    shutil.copytree(given.project, copy)
    run(given.uv, "sync", "--quiet", "--no-dev", "--python", sys.executable, cwd=copy)
    return copy / ".venv" / "bin"


Installer = Callable[[Path, Given], Path]


@pytest.mark.parametrize("install", [pip_then_chalice_again, pip_editable, uv_pip, uv_sync])
def test_the_option_is_there_however_we_are_installed(
    install: Installer, tmp_path: Path, given: Given
) -> None:
    binaries = install(tmp_path / "environment", given)

    assert "--docker / --no-docker" in run(binaries / "chalice", "local", "--help", cwd=given.project)
    assert "--docker" not in run(binaries / "chalice", "deploy", "--help", cwd=given.project)
    assert run(binaries / "python", "-c", "import sys; print('sparkanywhere' in sys.modules)") == "False\n"


def test_it_serves_reloads_and_leaves_without_a_trace(tmp_path: Path, project: Path, wheel: Path) -> None:
    binaries = new_environment(tmp_path / "environment")
    run(binaries / "python", "-m", "pip", "install", "--quiet", wheel)
    command = (str(binaries / "chalice"),)
    options = ("--provider", "none", "--port", "0")

    with chalice_local(tmp_path / "state", *options, command=command, project=project) as server:
        server.wait_until_ready()
        assert server.end() == 0
    with chalice_local(
        tmp_path / "state", *options, "--autoreload", command=command, project=project
    ) as server:
        server.wait_until_ready()
        with (project / "app.py").open("a") as file:
            file.write("\n")
        server.wait_until_ready(times=2)
        assert server.end() == 0
    run(binaries / "python", "-m", "pip", "uninstall", "--quiet", "--yes", "sparkanywhere")

    assert "--docker" not in run(binaries / "chalice", "local", "--help", cwd=tmp_path)
    assert run(binaries / "python", "-c", "pass") == ""
