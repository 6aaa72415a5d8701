"""What --with and --catalog make of a job: its Spark, its settings, its jars, and refusals in one sentence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from sparkanywhere.__main__ import main
from sparkanywhere.jars.jar_cache import cached
from sparkanywhere.jars.table import EXTENSIONS, jar_table
from sparkanywhere.jobs.jar_files import EXECUTORS_CLASS_PATH, with_jars
from sparkanywhere.jobs.jar_sets import wanted_sets
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK
from sparkanywhere.jobs.spark_properties import properties
from sparkanywhere.jobs.spec import JobSpec, SpecError

ICEBERG = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
PROGRAM = "local:///etl.py"
END_OF_ZIP = b"PK\5\6".ljust(22, b"\0")  # of an archive without files


def job(**fields: object) -> JobSpec:
    return JobSpec(application=PROGRAM, **fields)  # type: ignore[arg-type]  # the fields of each test


def settings(spec: JobSpec) -> dict[str, str]:
    return properties(spec, name="etl", app_id="spark-1")


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    """Return an environment whose cache has the jars of Delta and S3, by size, and whose repository has none."""
    cache = tmp_path / "my cache"
    for spark in jar_table().sparks.values():
        if jar_table().newest_spark(["delta"]) >= spark:
            for jar in jar_table().jars(["delta", "s3"], spark):
                path = cached(jar, cache)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                os.truncate(path, jar.size - len(END_OF_ZIP))
                with path.open("ab") as file:
                    file.write(END_OF_ZIP)
    return {"SPARKANYWHERE_CACHE": str(cache), "SPARKANYWHERE_MAVEN_MIRROR": "http://127.0.0.1:1"}


def test_a_job_without_sets_has_the_default_spark_and_no_setting_of_theirs() -> None:
    spec = job()

    assert spec.spark == DEFAULT_SPARK
    assert EXTENSIONS not in settings(spec)


def test_the_newest_spark_with_builds_is_taken_and_one_that_is_asked_for_kept() -> None:
    assert job(jar_sets=("iceberg",)).spark == "4.1.4"
    assert job(jar_sets=("iceberg",), spark="3.5.2").spark == "3.5.2"
    assert job(catalog="glue").spark == "4.1.4"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"jar_sets": ("iceberg",), "spark": DEFAULT_SPARK}, "--with iceberg has no build for Spark 4.3.0"),
        ({"jar_sets": ("delta", "hudi")}, "--with delta and hudi do not go together"),
        ({"jar_sets": ("nosuch",)}, "--with nosuch is unknown"),
        ({"jar_sets": ("s3",), "image": "mine"}, "--with depends on .*: say which it is by --spark"),
        ({"catalog": "rest=http://c", "image": "mine"}, "--catalog depends on .*: say which it is by --spark"),
        ({"catalog": "hive"}, "--catalog hive is unknown"),
        ({"catalog": "rest"}, "--catalog rest needs its place: --catalog rest=URL"),
        ({"catalog": "rest=notaurl"}, "--catalog rest=notaurl is no URL: write rest=https://HOST/"),
        ({"catalog": "hadoop="}, "--catalog hadoop needs its place: --catalog hadoop=FOLDER"),
    ],
)
def test_what_cannot_be_is_refused_by_its_option(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        job(**fields)


def test_extensions_of_the_user_are_kept_beside_those_of_the_sets() -> None:
    spec = job(jar_sets=("iceberg",), conf={EXTENSIONS: "com.example.Mine"})

    assert settings(spec)[EXTENSIONS] == f"{ICEBERG},com.example.Mine"


def test_other_settings_of_the_user_win() -> None:
    spec = job(jar_sets=("s3",), conf={"spark.hadoop.fs.s3.impl": "com.example.Fs"})

    assert settings(spec)["spark.hadoop.fs.s3.impl"] == "com.example.Fs"


@pytest.mark.parametrize(
    ("catalog", "conf"),
    [
        ("rest=https://c.example/x?a=b", {"type": "rest", "uri": "https://c.example/x?a=b"}),
        ("hadoop=s3://bucket/lake", {"type": "hadoop", "warehouse": "s3://bucket/lake"}),
        ("glue", {"type": "glue", "io-impl": "org.apache.iceberg.hadoop.HadoopFileIO"}),
        (
            "glue=s3://bucket/lake",
            {"type": "glue", "io-impl": "org.apache.iceberg.hadoop.HadoopFileIO", "warehouse": "s3://bucket/lake"},
        ),
    ],
)
def test_a_catalog_is_known_as_lake_and_brings_iceberg(catalog: str, conf: dict[str, str]) -> None:
    spec = job(catalog=catalog)
    lake = "spark.sql.catalog.lake"
    found = {key.removeprefix(f"{lake}."): text for key, text in settings(spec).items() if key.startswith(f"{lake}.")}

    assert settings(spec)[lake] == "org.apache.iceberg.spark.SparkCatalog"
    assert settings(spec)[EXTENSIONS] == ICEBERG
    assert found == conf
    assert "iceberg" in wanted_sets(spec)


def test_processes_load_jars_from_where_they_lie(environ: Mapping[str, str]) -> None:
    spec = with_jars(job(jar_sets=("delta",), jars=("local:///mine.jar",)), environ, is_local=True)

    cache = environ["SPARKANYWHERE_CACHE"].replace(" ", "%20")
    assert spec.jars[0] == "local:///mine.jar"
    assert len(spec.jars) == 3
    assert all(each.startswith(f"local://{cache}/jars/") for each in spec.jars[1:])


def test_before_spark_4_they_come_before_the_class_path_beside_the_users(environ: Mapping[str, str]) -> None:
    asked = job(jar_sets=("delta",), spark="3.5.9", driver_class_path="/d", conf={EXECUTORS_CLASS_PATH: "/e"})

    spec = with_jars(asked, environ, is_local=True)

    drivers, executors = spec.driver_class_path.split(":"), spec.conf[EXECUTORS_CLASS_PATH].split(":")
    assert (drivers[0], executors[0]) == ("/d", "/e")
    assert drivers[1:] == executors[1:]
    assert [Path(each).name for each in drivers[1:]] == ["delta-spark_2.12-3.3.3.jar", "delta-storage-3.3.3.jar"]
    assert spec.jars == ()


def test_they_come_before_the_class_path_of_executors_that_leave_data_in_a_bucket(environ: Mapping[str, str]) -> None:
    spec = with_jars(job(keep_shuffle="s3://b/shuffle", spark="4.1.4"), environ, is_local=True)
    folder = with_jars(job(keep_shuffle="/shuffle", jar_sets=("s3",), spark="4.1.4"), environ, is_local=True)

    assert "hadoop-aws-3.4.2.jar" in spec.conf[EXECUTORS_CLASS_PATH]
    assert spec.driver_class_path == spec.conf[EXECUTORS_CLASS_PATH]
    assert EXECUTORS_CLASS_PATH not in folder.conf


def test_pods_that_leave_data_in_a_bucket_have_them_before_their_jvms_start(environ: Mapping[str, str]) -> None:
    spec = with_jars(job(keep_shuffle="s3://b/shuffle", spark="4.1.4"), environ, is_local=False)

    assert "hadoop-aws-3.4.2.jar" in [Path(each).name for each in spec.class_path]
    assert set(spec.class_path) < set(spec.named_files)
    assert spec.jars == ()


def test_other_pods_get_them_as_files_of_the_job(environ: Mapping[str, str]) -> None:
    spec = with_jars(job(jar_sets=("delta",)), environ, is_local=False)

    assert [Path(each).is_file() for each in spec.jars] == [True, True]


def test_run_says_what_it_cannot_fetch_before_anything_starts(tmp_path: Path) -> None:
    environ = {"SPARKANYWHERE_CACHE": str(tmp_path), "SPARKANYWHERE_MAVEN_MIRROR": "http://127.0.0.1:1"}

    ran = CliRunner().invoke(main, ["run", "--with", "postgres,iceberg", "--provider", "process", PROGRAM], env=environ)

    first, *_, last = ran.stderr.splitlines()
    assert ran.exit_code == 1
    assert first == "Spark 4.1.4 with postgres, iceberg, the newest that has builds of them"
    assert last.startswith("Error: org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:")
    assert "(SPARKANYWHERE_MAVEN_MIRROR)" in last
