"""`sparkanywhere run` as it is typed: what it takes, and what it refuses before anything runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sparkanywhere.__main__ import main
from sparkanywhere.cli.job_options import properties
from sparkanywhere.cli.target_options import USAGE
from sparkanywhere.jobs.spec import JobSpec


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "job.py"
    path.write_text("print(1)\n")
    return str(path)


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("spark.a 1", "spark.a", "1"),
        ("spark.a=1", "spark.a", "1"),
        ("spark.a = 1", "spark.a", "1"),
        ("spark.a:1", "spark.a", "1"),
        ("spark.a  -Da=b -Dc=d", "spark.a", "-Da=b -Dc=d"),
        ("spark.a=b=c d", "spark.a", "b=c d"),
        ("spark.a", "spark.a", ""),
    ],
)
def test_a_properties_file_is_read_as_spark_reads_it(tmp_path: Path, line: str, key: str, value: str) -> None:
    path = tmp_path / "spark-defaults.conf"
    path.write_text(f"# comment\n\n  {line}\n")

    assert properties(str(path)) == {key: value}


def test_a_job_is_not_detached_from_a_control_plane_that_ends_with_the_command(program: str) -> None:
    result = CliRunner().invoke(main, ["run", "--provider", "process", "--detach", program])

    assert result.exit_code == USAGE
    assert "--detach would end both" in result.output


def test_detaching_without_a_control_plane_starts_none(program: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "SPARKANYWHERE_STATE": str(tmp_path)}

    result = CliRunner().invoke(main, ["run", "--detach", program], env=environment)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: No server runs on this laptop: `sparkanywhere serve` starts one.\n"


def test_a_plane_of_its_own_is_not_another_one(program: str) -> None:
    result = CliRunner().invoke(main, ["run", "--provider", "process", "--on", "prod", program])

    assert result.exit_code == USAGE
    assert "--on names another" in result.stderr


@pytest.mark.parametrize(
    ("behind", "note"),
    [
        (["--executors", "3"], "Note: --executors goes to"),
        (["--name=x"], "Note: --name=x goes to"),
        (["--", "--executors", "3"], ""),
        (["--day", "7"], ""),
    ],
)
def test_an_option_of_ours_behind_the_program_is_told(program: str, behind: list[str], note: str) -> None:
    result = CliRunner().invoke(main, ["run", "--secret", "x", program, *behind])  # refused: nothing runs

    assert result.exit_code == USAGE
    assert (note in result.stderr) if note else ("Note" not in result.stderr)


def test_a_dry_run_without_a_control_plane_starts_none(program: str, tmp_path: Path) -> None:
    environment = {"KUBECONFIG": str(tmp_path / "none"), "SPARKANYWHERE_STATE": str(tmp_path / "state")}

    result = CliRunner().invoke(main, ["run", "--dry-run", "--executors", "3", program, "--day", "7"], env=environment)

    assert result.exit_code == 0, result.output
    assert f"{program} --day 7 would run on this laptop, by a control plane of its own" in result.stdout
    assert re.search(r"^executors +3 ", result.stdout, re.MULTILINE)
    assert not (tmp_path / "state").exists()


KUBECONFIG = """
contexts: [{name: prod, context: {cluster: c, namespace: jobs}}, {name: plain, context: {cluster: c}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
"""


@pytest.mark.parametrize(
    ("line", "namespace"),
    [
        (["--on", "prod", "{program}"], "jobs"),
        (["--on", "plain", "{program}"], "default"),
        (["--on", "prod", "-n", "other", "{program}"], "other"),
        (["--on", "prod", "--conf", "spark.kubernetes.namespace=other", "{program}"], "other"),
        (["--on", "prod", "{job}"], "of-the-file"),
        (["--provider", "process", "{program}"], "default"),
    ],
)
def test_a_job_runs_in_the_namespace_of_its_context(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: list[str], namespace: str
) -> None:
    (tmp_path / "config").write_text(KUBECONFIG)
    (tmp_path / "job.yaml").write_text(f"application: {program}\nnamespace: of-the-file\n")
    ran: list[JobSpec] = []
    monkeypatch.setattr("sparkanywhere.cli.submit_run.run", lambda spec, _: ran.append(spec))

    typed = [word.format(program=program, job=tmp_path / "job.yaml") for word in line]
    result = CliRunner().invoke(main, ["run", *typed], env={"KUBECONFIG": str(tmp_path / "config")})

    assert [spec.namespace for spec in ran] == [namespace], result.output


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["--spark", "abc"], "--spark abc is no version of Spark"),
        (["--spark", "4"], "--spark 4 is no version of Spark"),
        (["-n", "Bad NS"], "--namespace 'Bad NS' is no name"),
        (["--python", "/nope/python"], "Your Python (/nope/python) does not run"),
        (["--python", "/bin/ls"], "Your Python (/bin/ls) does not run"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_starts(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: list[str], sentence: str, more: list[str]
) -> None:
    monkeypatch.setattr("sparkanywhere.cli.submit_run.own_plane", None)  # would fail if it were started
    environment = {"HOME": str(tmp_path), "SPARKANYWHERE_STATE": str(tmp_path), "SPARKANYWHERE_CONTEXT": ""}

    result = CliRunner().invoke(main, ["run", *line, *more, program], env=environment)

    assert (result.exit_code, result.stdout) == (USAGE, ""), result.output
    assert result.stderr.count("Error: ") == 1
    assert sentence in result.stderr
