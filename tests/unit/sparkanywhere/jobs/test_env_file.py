"""A file of environment variables is read as docker reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkanywhere.jobs.env_file import read_env_file
from sparkanywhere.jobs.spec import SpecError
from tests.unit.sparkanywhere.jobs.typed_job import typed


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("A=1", {"A": "1"}),
        ("  A=1", {"A": "1"}),
        ("A='1 2' ", {"A": "'1 2' "}),
        ("A=b=c", {"A": "b=c"}),
        ("A=", {"A": ""}),
        ("A=1 # no comment", {"A": "1 # no comment"}),
        ("# A=1", {}),
        ("", {}),
        ("HOME", {"HOME": "/home/ana"}),
        ("NOT_SET", {}),
        ("\ufeffA=1", {"A": "1"}),
    ],
)
def test_a_line_is_read_as_docker_reads_it(tmp_path: Path, line: str, found: dict[str, str]) -> None:
    (tmp_path / ".env").write_text(f"{line}\n", encoding="utf-8")

    assert read_env_file(str(tmp_path / ".env"), {"HOME": "/home/ana"}) == found


@pytest.mark.parametrize("line", ["=1", "A B=1", "A =1"])
def test_a_line_without_a_name_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"# one\n{line}\n")

    with pytest.raises(SpecError, match=r"line 2: .* is no name"):
        read_env_file(str(tmp_path / ".env"), {})


def test_an_option_wins_over_files_and_a_later_file_over_an_earlier_one(tmp_path: Path) -> None:
    for name, text in {"one": "A=1\nB=1\nC=1\n", "two": "B=2\nC=2\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "job.yaml").write_text("application: local:///a.py\nenv: {C: 0, D: 0}\n")
    files = ["--env-file", str(tmp_path / "one"), "--env-file", str(tmp_path / "two")]

    spec = typed(*files, "--env", "C=3", str(tmp_path / "job.yaml"))

    assert spec.env == {"A": "1", "B": "2", "C": "3", "D": "0"}


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SpecError, match="--env-file /nowhere is not there"):
        typed("--env-file", "/nowhere", "local:///a.py")
