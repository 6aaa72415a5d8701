"""The table of --with: each row is well-formed and pinned; sets that do not go together are refused by one sentence."""

from __future__ import annotations

import re

import pytest

from sparkanywhere.jars.coordinate import Coordinate, expand, parse
from sparkanywhere.jars.table import EXTENSIONS, jar_table, joined, minor_of, read_table
from tools.jar_checks import CHECKS
from tools.jar_matrix import groups, matrix, read_matrix
from tools.jar_sums import all_jars

TABLE = jar_table()
ROWS = [(name, minor) for name, each in TABLE.sets.items() for minor in each.rows]
SCALA = {"3.5": "2.12"}  # of our Sparks; all later ones have 2.13
HADOOP = {"4.3": "3.5.0", "4.1": "3.4.2", "4.0": "3.4.1", "3.5": "3.3.4"}


@pytest.mark.parametrize(("name", "minor"), ROWS)
def test_a_row_is_for_a_known_spark_and_its_jars_are_pinned(name: str, minor: str) -> None:
    row = TABLE.sets[name].rows[minor]

    assert minor in TABLE.sparks
    assert row.coordinates
    for jar in TABLE.jars([name], TABLE.sparks[minor]):
        assert re.fullmatch(r"[0-9a-f]{64}", jar.sha256)
        assert jar.size > 0


@pytest.mark.parametrize(("name", "minor"), ROWS)
def test_a_row_is_built_for_the_scala_and_the_hadoop_of_its_spark(name: str, minor: str) -> None:
    for jar in TABLE.sets[name].rows[minor].coordinates:
        if scala := re.search(r"_(2\.\d+)$", jar.artifact):
            assert scala[1] == SCALA.get(minor, "2.13"), jar
        if jar.group == "org.apache.hadoop":
            assert jar.version == HADOOP[minor], jar
        if spark := re.search(r"(?:spark-runtime-|delta-spark_|hudi-spark)(\d\.\d)(?=[_-])", jar.artifact):
            assert spark[1] == minor or jar.group == "io.delta", jar


@pytest.mark.parametrize("minor", TABLE.sparks)
def test_no_spark_gets_a_jar_in_two_versions(minor: str) -> None:
    jars = {jar for each in TABLE.sets.values() if minor in each.rows for jar in each.rows[minor].coordinates}
    names = [(jar.group, jar.artifact) for jar in jars]

    assert sorted(set(names)) == sorted(names)


def test_every_set_is_checked_by_make_jars() -> None:
    assert set(CHECKS) == set(TABLE.sets)


@pytest.mark.parametrize("minor", TABLE.sparks)
def test_make_jars_runs_every_row_of_a_spark_with_sets_that_go_with_it(minor: str) -> None:
    rows = {name for name, each in TABLE.sets.items() if minor in each.rows}
    together = list(groups(minor))

    assert {name for sets in together for name in sets} == rows
    assert [TABLE.problem(sets, TABLE.sparks[minor]) for sets in together] == [""] * len(together)


def test_a_matrix_is_read_as_it_was_written_so_that_sparks_not_tried_keep_their_columns() -> None:
    results = {
        "4.1": {"s3": "writes and reads", "iceberg": "merges, compacts"},
        "3.5": {"s3": "loads", "hudi": "merges"},
    }

    assert read_matrix(f"Docker, 2026-11-30:\n\n{matrix(results)}") == results
    assert read_matrix("") == {}


def test_the_pinned_jars_are_those_of_the_rows() -> None:
    assert sorted(TABLE.sums) == all_jars(TABLE)


def test_sparks_are_listed_the_newest_first_each_of_its_own_minor_version() -> None:
    numbers = [tuple(map(int, version.split("."))) for version in TABLE.sparks.values()]

    assert numbers == sorted(numbers, reverse=True)
    assert [minor_of(version) for version in TABLE.sparks.values()] == list(TABLE.sparks)


@pytest.mark.parametrize(
    ("names", "spark"),
    [
        (["s3"], "4.3.0"),
        (["iceberg"], "4.1.4"),
        (["s3", "iceberg", "delta", "kafka", "postgres"], "4.1.4"),
        (["hudi", "s3"], "3.5.9"),
        ([], "4.3.0"),
    ],
)
def test_the_newest_spark_with_builds_of_all_is_found(names: list[str], spark: str) -> None:
    assert TABLE.newest_spark(names) == spark
    assert TABLE.problem(names, spark) == ""


@pytest.mark.parametrize(
    ("names", "spark", "sentence"),
    [
        (
            ["delta", "hudi"],
            "3.5.9",
            "--with delta and hudi do not go together: both set spark.sql.catalog.spark_catalog.",
        ),
        (
            ["s3", "iceberg"],
            "4.3.0",
            "--with iceberg has no build for Spark 4.3.0: iceberg is for Spark 4.1, 4.0 and 3.5;"
            " --spark 4.1.4 has all that you ask for.",
        ),
        (
            ["hudi"],
            "2.4.0",
            "--with hudi has no build for Spark 2.4.0: hudi is for Spark 3.5; --spark 3.5.9 has all that you ask for.",
        ),
        (
            ["hudi", "aws-glue"],
            "3.5.9",
            "No Spark has builds of all of --with hudi,aws-glue:"
            " hudi is for Spark 3.5, aws-glue is for Spark 4.1 and 4.0.",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(names: list[str], spark: str, sentence: str) -> None:
    assert TABLE.problem(names, spark) == sentence


def test_an_unknown_set_is_refused_by_the_list_of_all() -> None:
    assert TABLE.problem(["icberg"], "4.1.4").startswith("--with icberg is unknown: there are s3, gcs, azure, delta,")


@pytest.mark.parametrize("names", [["iceberg", "delta"], ["delta", "iceberg"]])
def test_extensions_of_sets_are_joined_those_of_delta_first(names: list[str]) -> None:
    conf = TABLE.conf(names, "3.5.9")

    assert conf[EXTENSIONS] == (
        "io.delta.sql.DeltaSparkSessionExtension,org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
    )


@pytest.mark.parametrize(
    ("one", "other", "both"), [("A", "B", "A,B"), ("A, B", "B,C", "A,B,C"), ("", "A", "A"), ("A", "", "A")]
)
def test_extensions_of_a_user_are_joined_each_once(one: str, other: str, both: str) -> None:
    assert joined({EXTENSIONS: one}, {EXTENSIONS: other, "x": "1"}) == {EXTENSIONS: both, "x": "1"}


def test_no_extensions_make_no_setting() -> None:
    assert joined({"a": "1"}, {"a": "2"}) == {"a": "2"}


def test_a_row_overrides_the_settings_of_its_set() -> None:
    key = "spark.hadoop.fs.s3a.aws.credentials.provider"

    assert "software.amazon.awssdk" in TABLE.conf(["s3"], "4.3.0")[key]
    assert "com.amazonaws" in TABLE.conf(["s3"], "3.5.9")[key]
    assert TABLE.conf(["s3"], "3.5.9")["spark.hadoop.fs.s3.impl"] == "org.apache.hadoop.fs.s3a.S3AFileSystem"


def test_a_jar_of_two_sets_comes_once() -> None:
    jars = TABLE.jars(["s3", "azure"], "4.3.0")

    assert [jar.coordinate.artifact for jar in jars].count("wildfly-openssl") == 1


@pytest.mark.parametrize("text", ["a:b", "a:b:c:d:e", "a:b:1 2", "../a:b:1", "a:b/c:1", ""])
def test_what_is_no_coordinate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write group:artifact:version"):
        parse(text)


def test_a_coordinate_names_a_file_of_a_repository() -> None:
    plain, classified = parse("org.a.b:c:1.0"), parse("org.a.b:c:1.0:shaded")

    assert plain.path == "org/a/b/c/1.0/c-1.0.jar"
    assert classified.path == "org/a/b/c/1.0/c-1.0-shaded.jar"
    assert [str(plain), str(classified)] == ["org.a.b:c:1.0", "org.a.b:c:1.0:shaded"]


def test_braces_stand_for_several_artifacts() -> None:
    assert list(expand("g:{a,b}:1")) == [Coordinate("g", "a", "1"), Coordinate("g", "b", "1")]


def test_a_row_without_jars_is_no_table() -> None:
    with pytest.raises(KeyError):
        read_table('[spark]\n[catalogs]\n[sets.x]\nabout = "x"\n[sets.x.spark."4.3"]\n', "")
