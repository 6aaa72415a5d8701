"""A job's --requirements: a folder on PYTHONPATH of local processes, an archive for containers."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sparkanywhere.jobs.job_files import FileFailed
from sparkanywhere.jobs.requirements import UNPACKED, with_requirements
from sparkanywhere.jobs.spec import JobSpec, SpecError
from tests.unit.sparkanywhere.jobs.kube_in_process import InProcessClient


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return variables with a cache of its own; the current folder has a program and a list of nothing."""
    (tmp_path / "etl.py").write_text("1\n")
    (tmp_path / "requirements.txt").write_text("# nothing yet\n")
    monkeypatch.chdir(tmp_path)
    return {"SPARKANYWHERE_CACHE": str(tmp_path / "cache")}


def completed(kube: InProcessClient, environ: dict[str, str], *, is_local: bool, **wanted: Any) -> JobSpec:
    spec = JobSpec(**{"application": "etl.py", "requirements": "requirements.txt", **wanted})
    return with_requirements(kube, spec, environ, is_local=is_local, say=lambda _line: None)


def test_processes_import_them_from_the_cache(kube: InProcessClient, environ: dict[str, str]) -> None:
    spec = completed(kube, environ, is_local=True, python=sys.executable, env={"PYTHONPATH": "/mine"})

    folder, mine = spec.env["PYTHONPATH"].split(":")
    assert Path(folder).is_dir()
    assert folder.startswith(environ["SPARKANYWHERE_CACHE"])
    assert mine == "/mine"
    assert spec.archives == ()


def test_containers_get_an_archive_that_spark_unpacks(kube: InProcessClient, environ: dict[str, str]) -> None:
    spec = completed(kube, environ, is_local=False, archives=("etl.py#other",))

    own, archive = spec.archives
    assert own == "etl.py#other"
    assert archive.endswith(".tar.gz#requirements")
    assert tarfile.is_tarfile(archive.partition("#")[0])
    assert spec.env["PYTHONPATH"] == UNPACKED
    assert completed(kube, environ, is_local=False, arch="arm64").archives != (archive,)


def test_what_cannot_be_had_is_one_sentence(kube: InProcessClient, environ: dict[str, str]) -> None:
    with pytest.raises(SpecError, match=r"^none.txt is not there\.$"):
        completed(kube, environ, is_local=True, requirements="none.txt")
    with pytest.raises(FileFailed, match=r"^/none/python does not run: "):
        completed(kube, environ, is_local=True, python="/none/python")
    with pytest.raises(SpecError, match=r"^--requirements are for a Python program"):
        completed(kube, environ, is_local=True, application="local:///a.jar", main_class="A")
