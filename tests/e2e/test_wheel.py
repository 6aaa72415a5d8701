"""The wheel, installed without extras into a clean environment, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from chalicelib.extras import PACKAGES
from tests.wheel import Installed, build, install

# What is imported only once it has been made sure that an extra is installed.
NEED_EXTRAS = (
    "sparkanywhere._plane.providers.docker.",
    "sparkanywhere._plane.storage.dynamodb.",
    "sparkanywhere.jobs.s3_objects",
)
COMMAND_SECONDS = 60  # each answers within one; a loaded machine gets patience

# Prints each module that cannot be imported, and the package that is missing for it.
IMPORT_ALL = """
import importlib, pkgutil, sys
import sparkanywhere
for each in pkgutil.walk_packages(sparkanywhere.__path__, "sparkanywhere."):
    try:
        importlib.import_module(each.name)
    except ModuleNotFoundError as error:
        print(each.name, error.name)
print(*[name for name in sys.modules if name.partition(".")[0] == "chalicelib"])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(wheel, tmp_path_factory.mktemp("venv"))


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Return the folder of another Chalice project."""
    (tmp_path / "chalicelib").mkdir()
    for name in ("chalicelib/__init__.py", "app.py"):
        (tmp_path / name).write_text("raise AssertionError('this is not yours to import')\n")
    return tmp_path


def run(installed: Installed, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment in a folder that is also its home."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(installed.folder / "bin" / command[0]), *command[1:]],
        cwd=folder,
        env={**environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )


def test_wheel_has_nothing_beside_its_own_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        spelled = [name for name in names if name.endswith(".py") and b"chalicelib" in archive.read(name)]

    assert {re.sub(r"-.*", "", name.partition("/")[0]) for name in names} == {"sparkanywhere"}
    assert spelled == []  # an import, or a name that is put together at run time


def test_every_module_of_the_wheel_is_ours_beside_another_chalice_project(installed: Installed, foreign: Path) -> None:
    ended = run(installed, foreign, "python", "-c", IMPORT_ALL)

    assert (ended.returncode, ended.stderr) == (0, "")
    lacking = dict(line.split() for line in ended.stdout.splitlines() if line)
    assert set(lacking.values()) == {package for packages in PACKAGES.values() for package in packages}
    assert {name for name in lacking if not name.startswith(NEED_EXTRAS)} == set()
