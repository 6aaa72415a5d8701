"""Laying out a Spark: where files go, what is refused, and what a killed run leaves."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from chalicelib.providers.supervised.spark import SparkHomes
from sparkanywhere.spark.image import context_files
from sparkanywhere.spark.java_wrapper import WrappedJava, missing_because, wrap
from sparkanywhere.spark.progress import Step
from sparkanywhere.spark.spark_distribution import SparkUnavailable, ensure, is_ready, place
from tests.unit.sparkanywhere.fake_java import fake_java

EXAMPLES = "examples/jars"


@pytest.mark.parametrize(
    ("member", "target"),
    [
        ("pyspark-4.3.0/deps/bin/spark-submit", "bin/spark-submit"),
        ("pyspark-4.3.0/deps/jars/spark-core_2.13-4.3.0.jar", "jars/spark-core_2.13-4.3.0.jar"),
        ("pyspark-4.3.0/deps/examples/ml/als_example.py", "examples/src/main/python/ml/als_example.py"),
        ("pyspark-4.3.0/lib/pyspark.zip", "python/lib/pyspark.zip"),
        ("pyspark-4.3.0/pyspark/rdd.py", "python/pyspark/rdd.py"),
        ("pyspark-4.3.0/LICENSE", "LICENSE"),
    ],
)
def test_package_files_land_where_the_official_distribution_has_them(member: str, target: str) -> None:
    assert place(member) == PurePosixPath(target)


@pytest.mark.parametrize(
    "member", ["pyspark-4.3.0/setup.py", "pyspark-4.3.0", "x/deps/bin/../../../../etc/passwd", "LICENSE"]
)
def test_other_files_and_paths_that_climb_out_are_left(member: str) -> None:
    assert place(member) is None


@pytest.mark.parametrize("version", ["", "4", "4.3", "latest", "4.3.0; rm -rf", "../4.3.0", "--pre"])
def test_what_is_no_version_is_refused_before_anything_is_touched(version: str, tmp_path: Path) -> None:
    with pytest.raises(SparkUnavailable, match="write it like"):
        ensure(version, cache=tmp_path, environ={})

    assert list(tmp_path.iterdir()) == []


def test_a_complete_spark_is_used_again_without_a_word(tmp_path: Path) -> None:
    home = lay_out(tmp_path, "4.3.0")
    ensure("4.3.0", cache=tmp_path, environ={})  # wraps its Java
    shown: list[Step] = []

    assert ensure("4.3.0", cache=tmp_path, environ={}, progress=shown.append) == home
    assert shown == []


def test_a_spark_is_known_by_its_path_without_links(tmp_path: Path) -> None:
    home, link = lay_out(tmp_path, "4.3.0"), tmp_path / "link"
    link.mkdir()
    (home / "JAVA_HOME").write_text(f"{home}/java\n")
    (link / "spark").symlink_to(tmp_path / "spark")

    assert ensure("4.3.0", cache=link, environ={}) == home
    found = SparkHomes(link / "spark").find("spark:4.3.0", pull="never")
    assert found is not None
    assert found.path == home


def test_a_spark_that_cannot_be_written_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = lay_out(tmp_path, "4.3.0")
    ensure("4.3.0", cache=tmp_path, environ={})
    stamp = WrappedJava(home).stamp
    stamp.write_text(stamp.read_text().upper())  # as of another version of ours
    monkeypatch.setattr("sparkanywhere.spark.java_wrapper.os.access", lambda _path, mode: mode != os.W_OK)
    shown: list[Step] = []

    assert ensure("4.3.0", cache=tmp_path, environ={}, progress=shown.append) == home
    assert shown == []
    assert missing_because(home).endswith("its folder cannot be written")


def test_the_examples_have_the_official_images_name_too(tmp_path: Path) -> None:
    home = lay_out(tmp_path, "4.3.0")

    for _ in range(2):
        ensure("4.3.0", cache=tmp_path, environ={})

    jars = {each.name: each.read_bytes() for each in (home / EXAMPLES).iterdir()}
    named = "spark-examples_2.13-4.3.0.jar"
    assert jars == {named: named.encode(), "spark-examples.jar": named.encode()}
    assert "spark/home/examples/jars/spark-examples.jar" in context_files(home, None)


def test_an_image_gets_python_packages_without_their_tests(tmp_path: Path) -> None:
    home, packages = lay_out(tmp_path, "4.3.0"), tmp_path / "packages"
    for inside in ("pandas/core.py", "pandas/tests/test_core.py", "pyarrow/include/arrow.h", "bin/f2py"):
        (packages / inside).parent.mkdir(parents=True, exist_ok=True)
        (packages / inside).write_text("1\n")

    assert [each for each in context_files(home, packages) if each.startswith("python/")] == ["python/pandas/core.py"]


def test_an_image_without_python_packages_gets_nothing_of_python(tmp_path: Path) -> None:
    home = lay_out(tmp_path, "4.3.0")
    for inside in ("python/lib/pyspark.zip", "jars/mine.jar", "bin/pyspark"):
        (home / inside).parent.mkdir(parents=True, exist_ok=True)
        (home / inside).write_text("1\n")

    files = set(context_files(home, None))

    assert {"spark/jars/mine.jar", "spark/home/bin/pyspark"} <= files
    assert not [each for each in files if "python/" in each]
    assert "spark/python/lib/pyspark.zip" in context_files(home, tmp_path / "none")


def test_a_spark_whose_java_has_gone_is_not_ready(tmp_path: Path) -> None:
    home = lay_out(tmp_path, "4.3.0")

    (tmp_path / "jdk" / "bin" / "java").unlink()

    assert not is_ready(home)


def test_a_staging_folder_of_a_killed_run_is_never_taken_for_a_spark(tmp_path: Path) -> None:
    staging = lay_out(tmp_path, ".staging-4.3.0")

    assert is_ready(staging)
    assert not is_ready(tmp_path / "spark" / "4.3.0")


def test_a_cache_that_cannot_be_written_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "spark").write_text("a file where the folder should be")

    with pytest.raises(SparkUnavailable, match=r"Could not prepare Spark 4\.3\.0 under"):
        ensure("4.3.0", cache=tmp_path, environ={})


def lay_out(cache: Path, name: str) -> Path:
    """Make the least that counts as a complete SPARK_HOME, with a Java that can be executed."""
    home = cache / "spark" / name
    for jar in (home / "jars" / "scala-library-2.13.18.jar", home / EXAMPLES / f"spark-examples_2.13-{name}.jar"):
        jar.parent.mkdir(parents=True)
        jar.write_bytes(jar.name.encode())
    fake_java(cache / "jdk", version_line='openjdk version "17.0.9"', modules="java.base@17")
    wrap(home, home, cache / "jdk")
    return home
