"""Which Python a job of this machine's processes runs: the user's, unless it cannot run that Spark."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.user_python import probe, with_users_python
from sparkanywhere.python_packages import PackagesFailed, Runtime


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the caller's folder, in no project's environment."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "etl.py").write_text("1\n")
    monkeypatch.chdir(folder)
    return folder


def interpreter(path: Path, version: tuple[int, int] = (3, 12), /, **packages: str) -> str:
    """Make a program that answers as a Python does; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{json.dumps([str(path), version, packages])}'\n")
    path.chmod(0o755)
    return str(path)


class Installer:
    """Says what it would install; `keeps` are the packages in the folder that it returns, None where it fails."""

    def __init__(self, folder: Path, keeps: dict[str, str] | None) -> None:
        self.folder = folder
        self.keeps = keeps
        self.asked: list[tuple[str, str, Path]] = []

    def __call__(self, lines: str, runtime: Runtime, *, cache: Path, before: Callable[[], None]) -> Path:
        before()
        self.asked.append((lines, runtime.interpreter, cache))
        if self.keeps is None:
            raise PackagesFailed("pip failed: it reached no package index")
        for name, version in self.keeps.items():
            (self.folder / f"{name}-{version}.dist-info").mkdir(parents=True)
            metadata = self.folder / f"{name}-{version}.dist-info" / "METADATA"
            metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        return self.folder


def chosen(environ: dict[str, str], said: list[str] | None = None, **wanted: Any) -> str:
    spec = JobSpec(**{"application": "etl.py", **wanted})
    say = (said if said is not None else []).append
    return with_users_python(spec, environ, say=say, ensure=Installer(Path("/none"), None)).python


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
    assert said[-1].startswith(f"Python 3.12 ({on_path}), without pandas: ")
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
    assert set(found.packages) >= {"pandas", "pyarrow", "numpy"}


ALL = {"pandas": "2.3.3", "pyarrow": "21.0"}
ASKED = "--only-binary :all:\n"


@pytest.mark.parametrize(
    ("has", "spark", "asked"),
    [
        ({}, "4.3.0", "pandas>=2.2,<3\npyarrow>=18\n"),
        ({}, "3.5.9", "pandas>=2,<2.3\nnumpy<2\npyarrow>=12,<20\n"),
        ({"numpy": "1.26.4", "six": "1.16"}, "3.5.9", "pandas>=2,<2.3\npyarrow>=12,<20\nnumpy==1.26.4\nsix==1.16\n"),
        ({"pandas": "1.5.3", "numpy": "1.24.2"}, "4.3.0", "pyarrow>=18\n"),
        ({"pyarrow": "14.0", "numpy": "1.24.2"}, "4.3.0", "pandas>=2.2,<3\nnumpy==1.24.2\n"),
    ],
)
@pytest.mark.usefixtures("here")
def test_one_that_nobody_chose_gets_what_it_lacks(has: dict[str, str], spark: str, asked: str, tmp_path: Path) -> None:
    path = interpreter(tmp_path / "bin/python", (3, 12), **has)
    installer = Installer(tmp_path / "kept", {name: version for name, version in ALL.items() if name not in has})
    said: list[str] = []
    job = JobSpec(application="etl.py", spark=spark, env={"PYTHONPATH": "/mine"})

    environ = {"PATH": str(tmp_path / "bin"), "SPARKANYWHERE_CACHE": str(tmp_path / "cache")}
    spec = with_users_python(job, environ, say=said.append, ensure=installer)

    shown = {**ALL, **has}
    assert installer.asked == [(ASKED + asked, path, tmp_path / "cache")]
    assert (spec.python, spec.env) == (path, {"PYTHONPATH": f"/mine:{tmp_path}/kept"})
    assert said == [
        f"Installing {' and '.join(name for name in ALL if name not in has)} for Python 3.12 (once) ...",
        f"Python 3.12 ({path}), with pandas {shown['pandas']} and pyarrow {shown['pyarrow']}",
    ]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("way", ["complete", "named", "active", "a jar"])
def test_one_that_is_complete_or_chosen_is_left_alone(way: str, tmp_path: Path) -> None:
    path = interpreter(tmp_path / "bin/python", (3, 12), **(ALL if way == "complete" else {}))
    installer = Installer(tmp_path / "kept", ALL)
    environ = {"PATH": str(tmp_path / "bin"), **({"VIRTUAL_ENV": str(tmp_path)} if way == "active" else {})}
    job = JobSpec(application="etl.py", python=path if way == "named" else "")
    if way == "a jar":
        job = JobSpec(application="local:///a.jar", main_class="A")

    spec = with_users_python(job, environ, ensure=installer)

    assert (installer.asked, spec.env) == ([], {})


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("has", "told"), [({}, "without pandas"), ({"pandas": "2.3.3"}, "with pandas 2.3.3, without pyarrow")]
)
def test_a_job_goes_on_without_what_cannot_be_installed(has: dict[str, str], told: str, tmp_path: Path) -> None:
    path = interpreter(tmp_path / "bin/python", (3, 12), **has)
    said: list[str] = []
    installer = Installer(tmp_path, None)

    spec = with_users_python(
        JobSpec(application="etl.py"), {"PATH": str(tmp_path / "bin")}, say=said.append, ensure=installer
    )

    assert (spec.python, spec.env) == (path, {})
    assert said[-1] == f"Python 3.12 ({path}), {told}: pip failed: it reached no package index"
