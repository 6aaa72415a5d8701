"""A field of a JobSpec means the same as an option, a key of a job file and a property; the schema agrees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from sparkanywhere.__main__ import main
from sparkanywhere.jobs.job_fields import BY_PROPERTY, JOB_OPTIONS
from sparkanywhere.jobs.job_file import from_document, read
from sparkanywhere.jobs.job_option import JobOption
from sparkanywhere.jobs.job_schema import job_schema
from sparkanywhere.jobs.spark_properties import properties
from sparkanywhere.jobs.spec import SpecError
from tests.unit.sparkanywhere.jobs.typed_job import typed

JAR = "local:///a.jar"
FILES = {"py_files": "local:///b.py", "files": "local:///c.csv", "jars": "local:///d.jar", "archives": "local:///e.zip"}
TEXTS = {
    **FILES,
    "main_class": "com.example.Other",
    "executor_memory": "3g",
    "driver_memory": "3g",
    "packages": "a:b:1,c:d:2",
    "arch": "arm64",
    "max_usd": "5",
    "keep_warm": "10m",
    "keep_shuffle": "s3://bucket/shuffle",
    "image_pull_policy": "Always",
    "spark": "4.1.0",
    "jar_sets": "s3,kafka",
    "catalog": "rest=https://catalog.example",
}
PAIRS = {"secrets": ("db", "/etc/db"), "secret_env": ("PASSWORD", "db:password")}


def said(option: JobOption, folder: Path) -> tuple[list[str], Any]:
    """Return what says a field on the command line, and in a job file: another value than its default."""
    if option.kind is Mapping:
        key, value = PAIRS.get(option.name, ("A", "b"))
        return [str(option.flag), f"{key}={value}"], {key: value}
    if option.kind is bool:
        return [f"--no-{str(option.flag)[2:]}" if option.default else str(option.flag)], not option.default
    if option.kind is int:
        return [str(option.flag), str(option.default + 1)], option.default + 1
    if option.name.endswith("_template") or option.name == "requirements":
        (folder / "pod.yaml").write_text("kind: Pod\n")
        return [str(option.flag), str(folder / "pod.yaml")], str(folder / "pod.yaml")
    text = TEXTS.get(option.name, "x")
    return [str(option.flag), text], text.split(",") if option.kind is tuple else text


@pytest.mark.parametrize("option", [each for each in JOB_OPTIONS.values() if each.flag], ids=lambda each: each.name)
def test_an_option_a_key_and_a_property_say_the_same(option: JobOption, tmp_path: Path) -> None:
    line, value = said(option, tmp_path)
    is_for_python = option.name in ("py_files", "requirements")
    start = [] if is_for_python or option.name == "main_class" else ["--class", "C"]
    program = "local:///a.py" if is_for_python else JAR
    document = {"application": program, **({"class": "C"} if start else {}), option.key: value}

    by_option, by_file = typed(*start, *line, program), from_document(document)

    assert by_option == by_file
    assert getattr(by_option, option.name) != option.default
    jsonschema.validate(document, job_schema())
    if option.conf:
        assert typed(*start, "--conf", f"{option.conf}={line[1]}", program) == by_option
    made = properties(by_option, name="n", app_id="a")
    names = option.makes if option.makes is not None else {option.conf: ""} if option.conf else {}
    key = next(iter(value)) if isinstance(value, dict) else ""
    missing = {name.format(key=key) for name in names} - set(made)
    assert missing == set()


def test_no_two_fields_have_a_flag_a_key_or_a_property_in_common() -> None:
    flags = [flag for option in JOB_OPTIONS.values() for flag in (option.flag, *option.aliases) if flag]

    assert len(set(flags)) == len(flags)
    assert len({option.key for option in JOB_OPTIONS.values()}) == len(JOB_OPTIONS)
    assert len(BY_PROPERTY) == len([option for option in JOB_OPTIONS.values() if option.conf])
    assert [option.name for option in JOB_OPTIONS.values() if not option.doc.endswith(".")] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"executors": "four"},
        {"executors": 0},
        {"executors": 1.5},
        {"executors": True},
        {"spot": "maybe"},
        {"conf": ["a=1"]},
        {"py-files": "a.py"},
        {"name": ["a"]},
        {"arch": "x86"},
        {"image-pull-policy": "Sometimes"},
        {"max-attempts": 101},
        {"max-attempt": 2},
        {"env": {"A": {"b": 1}}},
    ],
)
def test_the_schema_refuses_what_the_parser_refuses(changed: dict[str, Any]) -> None:
    document = {"application": "local:///a.py", **changed}

    with pytest.raises(SpecError):
        from_document(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, job_schema())


@pytest.mark.parametrize(
    "changed",
    [
        {"executors": "3", "spot": "yes", "conf": {"spark.a": 1, "spark.b": True, "spark.c": None}},
        {"args": [1, "b", None, 2.5], "max-usd": 0.5, "spark": 4.1},
    ],
)
def test_the_schema_takes_what_the_parser_takes(changed: dict[str, Any]) -> None:
    document = {"application": "local:///a.py", **changed}

    assert from_document(document)
    jsonschema.validate(document, job_schema())


def test_the_schema_takes_a_variable_for_any_value() -> None:
    document = {"application": "${program}", "executors": "${n:-3}", "spot": "${spot}", "arch": "${arch}"}

    jsonschema.validate(document, job_schema())


def test_the_schema_is_one_and_is_printed() -> None:
    jsonschema.Draft202012Validator.check_schema(job_schema())

    printed = CliRunner().invoke(main, ["job-schema"])

    assert json.loads(printed.output) == job_schema()


JOB_FILE = "application: local:///a.py\nargs: [--day, '${day}', '${stage:-dev}', '$${day}', '${spark.x} ${env:HOME}']\n"


def test_variables_of_a_job_file_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB_FILE + "name: r-${day}\n")

    made = from_document(read(path, {"day": "2026: x"}))

    assert made.args == ("--day", "2026: x", "dev", "${day}", "${spark.x} ${env:HOME}")
    assert made.name == "r-2026: x"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "needs the variable day: --var day=VALUE."),
        ({"day": "1", "dya": "2"}, "has no variable dya: did you mean day?"),
        ({"day": "1", "zzz": "2"}, "has no variable zzz."),
    ],
)
def test_a_slip_in_the_variables_is_one_sentence(tmp_path: Path, variables: dict[str, str], sentence: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB_FILE)

    with pytest.raises(SpecError) as caught:
        read(path, variables)

    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    ("line", "args"),
    [
        (
            ["etl.py", "--day", "7", "--name", "x", "--executors", "9"],
            ("--day", "7", "--name", "x", "--executors", "9"),
        ),
        (["etl.py", "--", "--name", "x"], ("--name", "x")),
        (["etl.py", "a", "--", "b"], ("a", "--", "b")),
        (["--arg", "1", "etl.py", "2"], ("1", "2")),
        (["--", "etl.py", "-v"], ("-v",)),
        (["job.yaml"], ("of the file",)),
        (["job.yaml", "--executors", "9"], ("--executors", "9")),
    ],
)
def test_what_follows_the_program_is_the_programs(
    line: list[str], args: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etl.py").write_text("x")
    (tmp_path / "job.yaml").write_text("application: etl.py\nargs: [of the file]\n")
    monkeypatch.chdir(tmp_path)

    spec = typed(*line)

    assert (spec.args, spec.name, spec.executors) == (args, "", 2)
