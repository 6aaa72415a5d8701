"""Which Python a job of this machine's processes runs: the user's, unless it cannot run that Spark."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.user_python import probe, with_users_python


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the caller's folder, in no project's environment."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "etl.py").write_text("1\n")
    monkeypatch.chdir(folder)
    return folder


def interpreter(path: Path, version: tuple[int, int] = (3, 12), **packages: str) -> str:
    """Make a program that answers as a Python does; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{json.dumps([str(path), version, packages])}'\n")
    path.chmod(0o755)
    return str(path)


def chosen(environ: dict[str, str], said: list[str] | None = None, **wanted: Any) -> str:
    spec = JobSpec(**{"application": "etl.py", **wanted})
    return with_users_python(spec, environ, say=(said if said is not None else []).append).python


def test_the_active_environment_comes_before_the_path(here: Path, tmp_path: Path) -> None:
    virtual = interpreter(here / ".venv/bin/python", pandas="2.3.3", pyarrow="21.0")
    conda = interpreter(tmp_path / "conda/bin/python")
    on_path = interpreter(tmp_path / "bin/python")
    environ = {
        "PATH": str(tmp_path / "bin"),
        "CONDA_PREFIX": str(tmp_path / "conda"),
        "VIRTUAL_ENV": str(here / ".venv"),
    }
    said: list[str] = []

    assert chosen(environ, said) == virtual
    assert said == ["Python 3.12 (.venv), with pandas 2.3.3 and pyarrow 21.0"]
    del environ["VIRTUAL_ENV"]
    assert chosen(environ) == conda
    del environ["CONDA_PREFIX"]
    assert chosen(environ, said) == on_path
    assert said[-1] == f"Python 3.12 ({on_path}), without pandas"
    assert chosen({"PATH": "/nowhere"}) == sys.executable


def test_the_one_that_is_named_comes_first(here: Path, tmp_path: Path) -> None:
    named = interpreter(tmp_path / "bin/python3.13", (3, 13))
    environ = {"PATH": str(tmp_path / "bin"), "VIRTUAL_ENV": str(here)}

    assert chosen(environ, python=named) == named
    assert chosen(environ, python="python3.13") == named
    assert chosen(environ, python="../bin/python3.13") == named


@pytest.mark.parametrize(
    ("spark", "version", "is_fit"),
    [
        ("4.3.0", (3, 10), False),
        ("4.3.0", (3, 11), True),
        ("4.1.2", (3, 9), False),
        ("4.1.2", (3, 10), True),
        ("4.0.1", (3, 9), True),
        ("3.5.9", (3, 8), True),
        ("3.5.9", (3, 7), False),
    ],
)
def test_an_environment_too_old_for_spark_is_one_sentence(
    here: Path, spark: str, version: tuple[int, int], is_fit: bool
) -> None:
    path = interpreter(here / ".venv/bin/python", version)
    environ = {"VIRTUAL_ENV": str(here / ".venv"), "PATH": ""}

    if is_fit:
        assert chosen(environ, spark=spark) == path
        return
    with pytest.raises(SpecError) as error:
        chosen(environ, spark=spark)
    assert str(error.value).startswith(f"Your Python (.venv) is 3.{version[1]}, and Spark {spark} needs 3.")
    assert "--python" in str(error.value)


@pytest.mark.usefixtures("here")
def test_one_on_the_path_that_is_too_old_or_broken_is_passed_over(tmp_path: Path) -> None:
    interpreter(tmp_path / "bin/python", (2, 7))
    broken = Path(interpreter(tmp_path / "bin/python3"))
    broken.write_text("#!/bin/sh\nexit 1\n")

    assert chosen({"PATH": str(tmp_path / "bin")}) == sys.executable


@pytest.mark.usefixtures("here")
def test_an_environment_that_does_not_run_is_one_sentence() -> None:
    with pytest.raises(SpecError, match=r"Your Python \(/gone\) does not run"):
        chosen({"VIRTUAL_ENV": "/gone", "PATH": ""})


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "wanted",
    [{"env": {"PYSPARK_PYTHON": "/x"}}, {"archives": ("etl.py#env",), "python": "./env/bin/python"}],
    ids=["variable", "in an archive"],
)
def test_what_a_job_says_of_its_python_stands(wanted: dict[str, Any]) -> None:
    assert chosen({"VIRTUAL_ENV": "/gone"}, **wanted) == wanted.get("python", "")


def test_a_real_python_says_what_it_is() -> None:
    found = probe(sys.executable, "ours")

    assert found is not None
    assert (found.path, found.version) == (sys.executable, sys.version_info[:2])
    assert set(found.packages) == {"pandas", "pyarrow"}
