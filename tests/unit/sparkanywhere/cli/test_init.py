"""`sparkanywhere init` writes a job that runs as it stands, and overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from sparkanywhere.__main__ import main
from sparkanywhere.jobs.job_file import from_document, read
from sparkanywhere.jobs.job_schema import job_schema

NAMES = ["job.py", "job.yaml", "requirements.txt"]


def test_a_new_job_is_one_that_can_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my jobs" / "sums"

    result = CliRunner().invoke(main, ["init", str(folder)])

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [str(folder / name) for name in NAMES]
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert f"cd '{folder}' && sparkanywhere run job.yaml" in result.stderr
    compile((folder / "job.py").read_text(), "job.py", "exec")
    jsonschema.validate(yaml.safe_load((folder / "job.yaml").read_text()), job_schema())
    monkeypatch.chdir(folder)
    assert from_document(read(Path("job.yaml"), {"rows": "5"})).args == ("--rows", "5")


@pytest.mark.parametrize("there", NAMES)
def test_a_file_that_is_there_is_kept_and_nothing_is_written(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")

    result = CliRunner().invoke(main, ["init", str(tmp_path)])

    assert result.exit_code == 2
    assert result.stderr == f"Error: {tmp_path / there} would be overwritten: nothing is written.\n"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


def test_a_link_to_nothing_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "job.py").symlink_to(tmp_path / "elsewhere")

    assert CliRunner().invoke(main, ["init", str(tmp_path)]).exit_code == 2
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    result = CliRunner().invoke(main, ["init", str(tmp_path / "file" / "sub")])

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
