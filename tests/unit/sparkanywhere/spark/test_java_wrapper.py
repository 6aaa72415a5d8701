"""The wrapper around Java: what passes through, what moves, and when the archive is used."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sparkanywhere.spark.java_wrapper import WrappedJava, is_due, make_archive, merge, wrap
from tests.unit.sparkanywhere.fake_java import fake_java

VECTORS = "jdk.incubator.vector@17"


@pytest.fixture
def spark_home(tmp_path: Path) -> Path:
    """Return a SPARK_HOME of Spark 4 that is nothing but the names of two jars."""
    home = tmp_path / "spark"
    (home / "jars").mkdir(parents=True)
    for jar in ("spark-core_2.13-4.3.0.jar", "slf4j-api-2.0.17.jar"):
        (home / "jars" / jar).touch()
    return home


def run(home: Path, *args: str, **environ: str) -> list[str]:
    """Return the arguments that reach the real Java."""
    ran = subprocess.run(
        [WrappedJava(home).command, *args],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], **environ},
    )
    return ran.stdout.splitlines()


def wrapped(spark_home: Path, tmp_path: Path, *, modules: str = VECTORS) -> Path:
    """Wrap a fake Java, without training."""
    fake_java(tmp_path / "real", version_line='openjdk version "17.0.9"', modules=modules)
    wrap(spark_home, spark_home, tmp_path / "real")
    WrappedJava(spark_home).training.rmdir()
    return spark_home


def test_arguments_pass_through_as_they_are(spark_home: Path, tmp_path: Path) -> None:
    home = wrapped(spark_home, tmp_path)

    assert run(home, "-Xmx1g", "a b", "", "$x", "--add-modules=jdk.incubator.vector") == [
        "-Xmx1g",
        "a b",
        "",
        "$x",
        "--add-modules=jdk.incubator.vector",
    ]


def test_a_module_that_this_java_lacks_is_not_asked_for(spark_home: Path, tmp_path: Path) -> None:
    home = wrapped(spark_home, tmp_path, modules="java.base@17")

    assert run(home, "-Xmx1g", "--add-modules=jdk.incubator.vector", "") == ["-Xmx1g", ""]


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_configuration_folder_moves_behind_the_jars(spark_home: Path, tmp_path: Path, slash: str) -> None:
    home = wrapped(spark_home, tmp_path)
    jars = f"{home}/jars"
    logging = f"{jars}/slf4j-api-2.0.17.jar"

    given = f"/pod/conf{slash}:{logging}:{jars}/*:."

    assert run(home, "-cp", given, SPARK_CONF_DIR="/pod/conf") == ["-cp", f"{logging}:{jars}/*:.:/pod/conf/"]


def test_a_class_path_of_the_jars_alone_begins_as_the_launchers_does(spark_home: Path, tmp_path: Path) -> None:
    home = wrapped(spark_home, tmp_path)

    given = f"{home}/conf:{home}/jars/*"

    assert run(home, "-cp", given)[1] == f"{home}/jars/slf4j-api-2.0.17.jar:{home}/jars/*:{home}/conf/"


def test_while_training_each_java_notes_its_classes(spark_home: Path, tmp_path: Path) -> None:
    home = wrapped(spark_home, tmp_path)
    WrappedJava(home).training.mkdir()

    assert run(home, "X") == [f"-XX:DumpLoadedClassList={home}/java/training/%p", "X"]


def test_an_archive_is_used_once_it_is_there(spark_home: Path, tmp_path: Path) -> None:
    home = wrapped(spark_home, tmp_path)
    WrappedJava(home).archive.touch()

    assert run(home, "X") == [f"-XX:SharedArchiveFile={home}/java/classes.jsa", "-Xlog:cds=off", "X"]


def test_another_java_drops_the_archive_of_the_one_before(spark_home: Path, tmp_path: Path) -> None:
    home = wrapped(spark_home, tmp_path)
    WrappedJava(home).archive.touch()
    fake_java(tmp_path / "other", version_line='openjdk version "21"', modules=VECTORS)

    wrap(home, home, tmp_path / "other")

    assert not WrappedJava(home).archive.exists()
    assert WrappedJava(home).training.is_dir()
    assert WrappedJava(home).real == tmp_path / "other"


def test_a_dump_that_fails_ends_the_training_and_leaves_no_archive(spark_home: Path, tmp_path: Path) -> None:
    home = wrapped(spark_home, tmp_path)
    training = WrappedJava(home).training
    training.mkdir()
    (training / "pid1").write_text("java/lang/Object\n")

    assert is_due(home)
    assert not make_archive(home)  # this fake Java writes none
    assert not is_due(home)
    assert not training.exists()


def test_lists_are_merged_without_numbers_and_foreign_loaders() -> None:
    one = "# a comment\njava/lang/Object id: 0\norg/apache/spark/A id: 7\n"
    two = "java/lang/Object id: 0\nUser id: 9 super: 0 source: /user.jar\norg/apache/spark/B id: 7\n"

    assert merge([one, two]) == ["java/lang/Object", "org/apache/spark/A", "org/apache/spark/B"]
