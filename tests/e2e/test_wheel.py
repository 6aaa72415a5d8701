"""The wheel, installed without extras into a clean environment, in an empty folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from chalicelib.config import Settings
from chalicelib.extras import PACKAGES
from sparkanywhere.project import PROJECT
from tests.wheel import Installed, build, install

# What is imported only once it has been made sure that an extra is installed.
NEED_EXTRAS = (
    "sparkanywhere._plane.providers.azure.",
    "sparkanywhere._plane.providers.docker.",
    "sparkanywhere._plane.storage.dynamodb.",
    "sparkanywhere.jobs.s3_objects",
    "sparkanywhere.connect.gateway",
    "sparkanywhere.cli.connect_gateway",  # a program that is started once the command has asked
)
COMMAND_SECONDS = 60  # each answers within one; a loaded machine gets patience
JOB_SECONDS = 240  # eight seconds with nothing else to do; a loaded machine gets patience

# Needs pandas and pyarrow in executors, by the function on columns, and in the driver.
PROGRAM = """
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf

rows = SparkSession.builder.getOrCreate().range(7)
doubled = rows.select(pandas_udf(lambda each: 2 * each, "long")("id").alias("doubled"))
print(f"rows {rows.count()}, on columns {list(doubled.toPandas()['doubled'])}")
"""

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


def run(
    installed: Installed, folder: Path, *command: str, seconds: float = COMMAND_SECONDS, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment in a folder that is also its home."""
    return subprocess.run(
        [str(installed.folder / "bin" / command[0]), *command[1:]],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environ},
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def test_wheel_has_nothing_beside_its_own_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        spelled = [name for name in names if name.endswith(".py") and b"chalicelib" in archive.read(name)]

    assert {re.sub(r"-.*", "", name.partition("/")[0]) for name in names} == {"sparkanywhere"}
    assert spelled == []  # an import, or a name that is put together at run time


def test_wheel_tells_nothing_of_deployments(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        config = json.loads(archive.read("sparkanywhere/_project/.chalice/config.json"))

    assert config["stages"] == {}


def test_every_module_of_the_wheel_is_ours_beside_another_chalice_project(installed: Installed, foreign: Path) -> None:
    ended = run(installed, foreign, "python", "-c", IMPORT_ALL)

    assert (ended.returncode, ended.stderr) == (0, "")
    lacking = dict(line.split() for line in ended.stdout.splitlines() if line)
    needed = {package for packages in PACKAGES.values() for package in packages}
    assert set(lacking.values()) == needed - {"azure.identity"}  # which is imported at its first use
    assert {name for name in lacking if not name.startswith(NEED_EXTRAS)} == set()


# What is typed, its exit code, words of its answer.
COMMANDS = {
    "run missing.py": (2, "missing.py"),
    "serve --docker --port 0": (1, 'docker must be installed: pip install "sparkanywhere[docker]"'),
    "serve --storage dynamodb --port 0": (1, 'boto3 and pynamodb must be installed: pip install "sparkanywhere[aws]"'),
    "image": (1, 'docker must be installed: pip install "sparkanywhere[docker]"'),
    "run --provider docker app.py": (1, 'docker must be installed: pip install "sparkanywhere[docker]"'),
    "pi --provider docker": (1, 'docker must be installed: pip install "sparkanywhere[docker]"'),
    "ps": (0, "sparkanywhere serve"),
    "down": (0, "No control plane has left anything"),
    "doctor": (0, "ok  smoke job: a control plane started in "),
}


@pytest.mark.parametrize("typed", COMMANDS)
def test_command_answers_without_checkout_and_extras(typed: str, installed: Installed, foreign: Path) -> None:
    code, words = COMMANDS[typed]

    ended = run(installed, foreign, "sparkanywhere", *typed.split())

    said = ended.stdout + ended.stderr
    assert (ended.returncode, words in said, "Traceback" in said) == (code, True, False), said


def test_provider_of_somebody_else_finds_its_contract(installed: Installed, foreign: Path) -> None:
    (foreign / "own").mkdir()
    shutil.copy(PROJECT / "tests" / "example_provider.py", foreign / "own")
    find = "from sparkanywhere._plane.providers import registry; print(registry.find('own.example_provider').name)"

    ended = run(installed, foreign, "python", "-c", find)

    assert (ended.stdout, ended.stderr) == ("example\n", "")


@pytest.mark.spark
def test_job_runs_in_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    cache = {"SPARKANYWHERE_CACHE": str(Settings.from_env().cache_dir())}
    (tmp_path / "job.py").write_text(PROGRAM)

    ended = run(installed, tmp_path, "sparkanywhere", "run", "--executors", "1", "job.py", seconds=JOB_SECONDS, **cache)

    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^Python 3\.\d+ \(.+\), with pandas \S+ and pyarrow \S+$", ended.stderr, re.MULTILINE), (
        ended.stderr
    )
    assert "rows 7, on columns [0, 2, 4, 6, 8, 10, 12]" in ended.stdout.splitlines()


def test_an_index_would_take_the_wheel_and_show_its_readme(wheel: Path) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", str(wheel)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS)

    assert checked.returncode == 0, checked.stdout


def test_metadata_tell_licence_pythons_and_extras(installed: Installed) -> None:
    told = metadata.PathDistribution(
        next(installed.folder.glob("lib/*/site-packages/sparkanywhere-*.dist-info"))
    ).metadata

    assert told["License-Expression"] == "Apache-2.0"
    assert told["Description-Content-Type"] == "text/markdown"
    assert set(told.get_all("Provides-Extra") or ()) == {"aws", "azure", "connect", "dev", "docker"}
    versions = {each.rpartition(" ")[2] for each in told.get_all("Classifier") or () if ":: Python :: 3." in each}
    assert versions == {"3.11", "3.12", "3.13"}
