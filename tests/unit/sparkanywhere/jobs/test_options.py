"""What is typed, said in a properties file or in a job file becomes one job, and slips become one sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sparkanywhere.jobs.driver_pod import read_template
from sparkanywhere.jobs.jar_sets import wanted_sets
from sparkanywhere.jobs.job_fields import KEEPS_SHUFFLE
from sparkanywhere.jobs.job_file import from_document
from sparkanywhere.jobs.spark_properties import properties
from sparkanywhere.jobs.spec import SpecError
from tests.unit.sparkanywhere.jobs.typed_job import typed

PROJECT = Path(__file__).resolve().parents[4]


@pytest.fixture
def job_file(tmp_path: Path) -> str:
    path = tmp_path / "job.yaml"
    path.write_text("application: local:///a.py\nexecutors: 7\nconf: {spark.a: 1, spark.executor.memory: 3g}\n")
    return str(path)


def test_a_setting_that_means_an_option_is_that_option() -> None:
    spec = typed(
        *("--conf", "spark.driver.memory=3g", "--conf", "spark.executor.instances=9", "--conf", "spark.x=y"),
        "local:///a.py",
    )

    assert (spec.driver_memory, spec.executors, spec.conf) == ("3g", 9, {"spark.x": "y"})


def test_options_win_over_conf_and_conf_over_the_properties_file(tmp_path: Path) -> None:
    path = tmp_path / "spark-defaults.conf"
    path.write_text("spark.master yarn\nspark.executor.memory 1g\nspark.executor.cores 2\nspark.a file\nspark.b file\n")

    spec = typed(
        *("--properties-file", str(path), "--executor-memory", "5g", "--conf", "spark.a=conf"), "local:///a.py"
    )

    assert (spec.executor_memory, spec.executor_cores) == ("5g", 2)
    assert spec.conf == {"spark.a": "conf", "spark.b": "file"}


def test_options_win_over_a_job_file(job_file: str) -> None:
    spec = typed("--executors", "8", "--conf", "spark.b=2", "--label", "team=data", job_file)

    assert (spec.application, spec.executors, spec.executor_memory) == ("local:///a.py", 8, "3g")
    assert (spec.conf, spec.labels) == ({"spark.a": "1", "spark.b": "2"}, {"team": "data"})


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["--executor-memory", "4g", "--conf", "spark.executor.memory=2g"], "contradicts --executor-memory 4g"),
        (["--conf", "spark.executor.cores=two"], "--conf spark.executor.cores is a whole number, not 'two'"),
        (["--conf", "spark.a=1", "--conf", "spark.a=2"], "spark.a is given twice"),
        (["--conf", "spark.master=yarn"], "--conf spark.master cannot be set"),
        (["--conf", "spark.driver.memoryOverhead=lots"], "--conf spark.driver.memoryOverhead: 'lots'"),
        (["--dynamic-allocation", "--conf", "spark.dynamicAllocation.enabled=false"], "contradicts --dynamic"),
        (["--properties-file", "/nowhere"], "--properties-file /nowhere is not there"),
        (["--packages", "hadoop-aws"], "group:artifact:version"),
        (["--secret", "db=etc"], "--secret db=etc names no folder"),
        (["--secret-env", "A=db"], "--secret-env A=db names no key"),
        (["--env", "A=1", "--secret-env", "A=db:a"], "both set A"),
        (["--max-attempts", "0"], "--max-attempts must be at least 1"),
        (["--time-limit", "-1"], "--time-limit must be at least 0"),
        (["--driver-template", "/nowhere.yaml"], "/nowhere.yaml is not there"),
        (["--files", "s3://bucket"], "s3://bucket/key"),
        (["--files", "s3://a/x.csv,s3://b/x.csv"], "called x.csv"),
        (["--archives", "s3://a/x.zip#a b"], "no blanks"),
        (["--jars", "s3://a/x.jar#y"], "only --files and --archives"),
    ],
)
def test_a_slip_is_one_sentence_that_names_the_option(line: list[str], sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        typed(*line, "local:///a.py")

    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is a folder"):
        typed("--files", str(tmp_path), "local:///a.py")


def test_python_files_do_not_go_with_a_jar() -> None:
    with pytest.raises(SpecError, match="use --jars"):
        typed("--class", "C", "--py-files", "local:///b.py", "local:///a.jar")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"executors": "four"}, "executors in the job file is a whole number, not 'four'"),
        ({"executors": True}, "executors in the job file is a whole number"),
        ({"spot": "maybe"}, "spot in the job file is true or false"),
        ({"conf": ["a=1"]}, "conf in the job file is a mapping"),
        ({"py-files": "a.py"}, "py-files in the job file is a list"),
        ({"name": ["a"]}, "name in the job file is a text"),
        ({"executors": "1_000"}, "executors in the job file is a whole number, not '1_000'"),
        ({"conf": {"spark.executor.memory": "1g"}, "executor-memory": "2g"}, "contradicts --executor-memory 2g"),
        ({"max-attempt": 2}, "did you mean max-attempts"),
        ({"zzz": 2}, "Unknown key 'zzz'"),
        ({"application": ""}, "names no application"),
    ],
)
def test_a_slip_in_a_job_file_is_one_sentence(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_document({"application": "local:///a.py", **changed})

    assert sentence in str(caught.value)


SCALARS = (
    *("12:30:45", "3.10", "010", "0o17", "0x1F", "1_000", "1e3", ".5", "+1", "-0", ".inf", ".nan", "1.", "0b101"),
    *("yes", "no", "on", "off", "y", "n", "Yes", "TRUE", "true", "false", "null", "~", "Null", "=", "<<"),
    *("2026-11-23", "2026-11-23 10:00:00", "2026-11-23T10:00:00Z", "2026-11-23T10:00:00.5+02:00"),
    *("--flag", "a=b", "$(X)", "1.10.0", "0.10", "007", "é", "a,b", "100%", "190:20:30"),
)


@pytest.mark.parametrize("text", SCALARS)
def test_a_text_of_a_job_file_is_the_one_that_was_typed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(
        f"application: local:///a.py\nname: {text}\nargs:\n- {text}\n- '{text}'\n"
        f"env:\n  A: {text}\nlabels:\n  A: {text}\nconf:\n  spark.a: {text}\n",
        encoding="utf-8",
    )

    spec = typed(str(path))

    assert (spec.name, spec.args) == (text, (text, text))
    assert (spec.env, spec.labels, spec.conf) == ({"A": text}, {"A": text}, {"spark.a": text})


def test_a_key_of_a_job_file_is_a_text_too(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("application: local:///a.py\nenv: {010: a, yes: b, 3.10: c}\nspot: yes\nexecutors: '3'\n")

    spec = typed(str(path))

    assert (spec.env, spec.spot, spec.executors) == ({"010": "a", "yes": "b", "3.10": "c"}, True, 3)


def test_a_job_file_may_merge_mappings_and_end_in_a_separator(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("---\n# one\napplication: local:///a.py\nconf: &c {spark.a: 1}\nenv: {<<: *c, B: 2}\n---\n")

    assert typed(str(path)).env == {"spark.a": "1", "B": "2"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("application: a.py\n---\napplication: b.py\n", "holds 2 documents: leave one of them"),
        ("application: a.py\nargs: [1]\nargs: [2]\n", "'args' is there twice"),
        ("application: a.py\nargs: !!python/object:x {}\n", "cannot be read"),
        ("application: [\n", "cannot be read"),
    ],
)
def test_a_job_file_that_means_nothing_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)

    with pytest.raises(SpecError, match=re.escape(sentence)) as caught:
        typed(str(path))

    assert "\n" not in str(caught.value)


POD = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: c, env: [{name: A, value: 12:30:45}]}]}\n"


@pytest.mark.parametrize("text", [POD, f"---\n{POD}---\n", f"# note\n---\n---\n{POD}...\n", f"\ufeff{POD}"])
def test_a_template_may_have_separators_around_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "pod.yaml").write_text(text, encoding="utf-8")

    found = read_template(str(tmp_path / "pod.yaml"), "--driver-template")

    assert found["spec"]["containers"][0]["env"] == [{"name": "A", "value": "12:30:45"}]


def test_a_template_of_several_documents_is_refused_as_stock_spark_refuses_it(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(f"{POD}---\n{POD}")

    with pytest.raises(SpecError, match=r"--driver-template .* holds 2 documents: leave one of them"):
        read_template(str(tmp_path / "pod.yaml"), "--driver-template")


@pytest.mark.parametrize("page", ["jobs.md", "aws-quickstart.md", "migrating.md"])
def test_the_job_files_of_the_docs_are_jobs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    for name in ("report.py", "sums.py", "lib/helpers.zip", "lib/everything.zip", "env.tar.gz"):
        (tmp_path / name).write_text("x")
    text = (PROJECT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(application: .*?)```", text, re.DOTALL)

    assert [from_document(yaml.safe_load(each)).is_python for each in blocks] == [True] * len(blocks)
    assert blocks


def test_a_file_that_is_no_zip_is_no_jar(tmp_path: Path) -> None:
    (tmp_path / "app.jar").write_text("<html>404</html>")

    with pytest.raises(SpecError, match="is not a valid jar"):
        typed("--class", "C", str(tmp_path / "app.jar"))


def test_a_job_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("a: [1\nb: }")

    with pytest.raises(SpecError, match="cannot be read") as caught:
        typed(str(path))

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "path", "sets"),
    [
        ("s3://bucket/shuffle", "s3://bucket/shuffle/", ("s3",)),
        ("gs://bucket/shuffle/", "gs://bucket/shuffle/", ("gcs",)),
        ("abfss://c@a/shuffle", "abfss://c@a/shuffle/", ("azure",)),
        ("/data/shuffle", "file:///data/shuffle/", ()),
        ("file:///data/shuffle", "file:///data/shuffle/", ()),
    ],
)
def test_shuffle_data_is_kept_where_it_is_said(place: str, path: str, sets: tuple[str, ...]) -> None:
    spec = typed("--keep-shuffle", place, "--dynamic-allocation", "local:///a.py")

    made = properties(spec, name="a", app_id="spark-1")

    assert wanted_sets(spec) == sets
    assert made["spark.storage.decommission.fallbackStorage.path"] == path
    assert {made[key] for key in KEEPS_SHUFFLE} == {"true"}
    assert made["spark.dynamicAllocation.shuffleTracking.enabled"] == "false"


def test_nothing_is_set_where_no_shuffle_data_is_kept() -> None:
    assert not [key for key in properties(typed("local:///a.py"), name="a", app_id="s") if "decommission" in key]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["--keep-shuffle", "shuffle"], "--keep-shuffle shuffle: name a bucket"),
        (["--keep-shuffle", "s3://"], "--keep-shuffle s3:// names no bucket"),
        (["--keep-shuffle", __file__], "is a file: name a folder"),
        (["--keep-shuffle", "hdfs://h/x"], "--keep-shuffle hdfs://h/x: name a bucket"),
        *(
            (["--keep-shuffle", "/x", "--conf", f"{key}=false"], f"--conf {key}=false contradicts --keep-shuffle")
            for key in KEEPS_SHUFFLE
        ),
        (
            ["--keep-shuffle", "/x", "--conf", "spark.shuffle.service.enabled=true"],
            "which --keep-shuffle does not move",
        ),
        (["--keep-shuffle", "/x", "--conf", "spark.shuffle.manager=celeborn"], "which --keep-shuffle does not move"),
    ],
)
def test_shuffle_data_that_cannot_be_kept_is_refused(line: list[str], sentence: str) -> None:
    with pytest.raises(SpecError, match=re.escape(sentence)):
        typed(*line, "local:///a.py")
