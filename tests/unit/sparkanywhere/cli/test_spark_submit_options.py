"""Each option of spark-submit works here, or is refused in one sentence that says what to do instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sparkanywhere.__main__ import main
from sparkanywhere.cli import run_command
from sparkanywhere.cli.spark_submit_options import REFUSED, context_of, other_command
from sparkanywhere.jobs.job_fields import JOB_OPTIONS
from sparkanywhere.jobs.spec import JobSpec, SpecError

# Those of `spark-submit --help` of Spark 4.3.0, each with a value where it takes one.
OPTIONS = (
    *("--master=local[2]", "--deploy-mode=client", "--class=C", "--name=n", "--jars=local:///j.jar"),
    *("--packages=a:b:1", "--exclude-packages=a:c", "--repositories=https://r"),
    *("--py-files=local:///p.zip", "--files=local:///f", "--archives=local:///a.zip", "--conf=spark.x=y"),
    *("-c=spark.x=y", "--properties-file=spark-defaults.conf", "--load-spark-defaults"),
    *("--driver-memory=2g", "--driver-java-options=-Dx=y", "--driver-library-path=/l"),
    *("--driver-class-path=/c", "--executor-memory=3g", "--proxy-user=u", "--help", "-h", "--verbose"),
    *("-v", "--version", "--remote=sc://h", "--driver-cores=2", "--supervise", "--kill=driver"),
    *("--status=driver", "--total-executor-cores=6", "--executor-cores=2", "--num-executors=4"),
    *("--principal=p", "--keytab=k", "--queue=q"),
)
ANSWERED = {"--help", "-h", "--version", "--kill", "--status"}  # by something else than a job

BESIDE_THE_JOB = {"--deploy-mode", "--verbose", "-v", "--master"}


class Ran(Exception):
    """A job would run; args are its specification and where."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that commands run in, from where no job starts: that raises Ran."""

    def run(spec: JobSpec, options: Any) -> int:
        raise Ran(spec, options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sparkanywhere.cli.submit_run.run", run)
    (tmp_path / "spark-defaults.conf").write_text("spark.y z\n")
    return tmp_path


def typed(option: str) -> tuple[str, list[str]]:
    name, equals, value = option.partition("=")
    return name, [name, value] if equals else [name]


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_spark_submit_works_or_is_refused(option: str, folder: Path) -> None:
    name, words = typed(option)
    program = ["local:///a.py", "7"]
    if name in ("--class", "--jars"):
        program = [*(["--class", "C"] if name == "--jars" else []), "local:///a.jar", "7"]

    result = CliRunner().invoke(main, ["submit", *words, *program], env={"KUBECONFIG": str(folder / "none")})

    if name in ANSWERED:
        assert "No such option" not in result.output
        assert not isinstance(result.exception, Ran)
    elif name in REFUSED:
        assert (result.exit_code, result.stderr) == (2, f"Error: {name}: {REFUSED[name][1]}\n")
    else:
        assert isinstance(result.exception, Ran), result.output
        spec, where = result.exception.args
        assert spec.args == ("7",)
        changed = {each.name for each in JOB_OPTIONS.values() if getattr(spec, each.name) != each.default}
        assert changed - {"application", "args"} or name in BESIDE_THE_JOB
        assert (where.provider is not None) is (name == "--master")


@pytest.mark.usefixtures("folder")
def test_the_cores_of_all_executors_say_how_many_there_are() -> None:
    line = ["--total-executor-cores", "7", "--executor-cores", "2", "local:///a.py"]

    ran = CliRunner().invoke(run_command.run_command, line).exception
    refused = CliRunner().invoke(main, ["run", "--num-executors", "2", *line])

    assert isinstance(ran, Ran)
    assert ran.args[0].executors == 4
    assert refused.exit_code == 2
    assert "leave one of them out" in refused.stderr


CONTEXTS = {"laptop": "http://127.0.0.1:8001", "prod": "https://api.example.com/v1/"}


@pytest.mark.parametrize(
    ("master", "context"),
    [
        ("k8s://http://127.0.0.1:8001", "laptop"),
        ("k8s://https://api.example.com/v1", "prod"),
        ("k8s://api.example.com/v1", "prod"),
    ],
)
def test_a_master_is_the_context_with_its_url(master: str, context: str) -> None:
    assert context_of(master, CONTEXTS) == context


@pytest.mark.parametrize(
    ("master", "sentence"),
    [
        ("yarn", "--master yarn: jobs run on a control plane here: k8s://URL, or local for this machine."),
        ("spark://h:7077", "jobs run on a control plane here"),
        ("k8s://https://other", "is no control plane of your kubeconfig; it has: laptop, prod."),
    ],
)
def test_another_master_is_refused(master: str, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        context_of(master, CONTEXTS)

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"status": "x-driver"}, ["describe", "x-driver"]),
        ({"kill": "jobs:x-driver"}, ["kill", "-n", "jobs", "x-driver"]),
        ({"kill": "x-driver", "namespace": "jobs"}, ["kill", "--context", "prod", "-n", "jobs", "x-driver"]),
        ({}, []),
    ],
)
def test_status_and_kill_are_the_commands_of_those_names(options: dict[str, str], line: list[str]) -> None:
    given = {"status": "", "kill": "", "namespace": "", "application": "", **options}

    assert other_command(given, "prod" if "--context" in line else "") == line
