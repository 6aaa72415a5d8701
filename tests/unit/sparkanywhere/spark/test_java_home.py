"""Which Java runs which Spark, and which one of a machine's is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkanywhere.spark.java_home import candidate_homes, ensure_java, java_major, java_range, numbers, unwrapped
from sparkanywhere.spark.progress import silent
from tests.unit.sparkanywhere.fake_java import fake_java


@pytest.mark.parametrize(
    ("spark", "hadoop", "java", "runs"),
    [
        ("3.5.9", "3.3.4", 8, True),
        ("3.5.9", "3.3.4", 17, True),
        ("3.5.9", "3.3.4", 25, False),
        ("4.0.5", "3.4.1", 11, False),
        ("4.0.5", "3.4.1", 17, True),
        ("4.0.5", "3.4.1", 25, False),
        ("4.3.0", "3.5.0", 17, True),
        ("4.3.0", "3.5.0", 25, True),
    ],
)
def test_java_is_judged_by_spark_and_its_hadoop(spark: str, hadoop: str, java: int, runs: bool) -> None:
    assert (java in java_range(spark, hadoop)) is runs


@pytest.mark.parametrize(
    ("version", "expected"), [("3.5.9", (3, 5, 9)), ("4.1.0rc1", (4, 1, 0)), ("", ()), ("4.10", (4, 10))]
)
def test_numbers_are_read_as_numbers(version: str, expected: tuple[int, ...]) -> None:
    assert numbers(version) == expected


@pytest.mark.parametrize(
    ("printed", "major"), [('openjdk version "17.0.9"', 17), ('java version "1.8.0_402"', 8), ("nonsense", None)]
)
def test_the_major_version_is_read_from_what_java_prints(printed: str, major: int | None, tmp_path: Path) -> None:
    java = fake_java(tmp_path, version_line=printed, modules="")

    assert java_major(java) == major


def test_the_users_own_java_comes_first(tmp_path: Path) -> None:
    java = fake_java(tmp_path, version_line='openjdk version "17.0.9"', modules="jdk.incubator.vector@17")

    home = ensure_java(
        java_range("4.3.0", "3.5.0"), cache=tmp_path / "cache", environ={"JAVA_HOME": str(tmp_path)}, progress=silent
    )

    assert home / "bin" / "java" == java


def test_a_wrapper_of_ours_is_never_wrapped_again(tmp_path: Path) -> None:
    java = fake_java(tmp_path / "real", version_line='openjdk version "17.0.9"', modules="")
    wrapper = tmp_path / "4.3.0" / "java"
    wrapper.mkdir(parents=True)
    (wrapper / "real-home").write_text(f"{tmp_path / 'real'}\n")

    assert unwrapped(wrapper) == java.parent.parent
    assert unwrapped(tmp_path / "real") == tmp_path / "real"


def test_javas_are_found_where_systems_keep_them(tmp_path: Path) -> None:
    mac = "Library/Java/JavaVirtualMachines"
    places = [
        f"Users/ada/{mac}/corretto-21.jdk/Contents/Home",
        "usr/lib/jvm/java-17-openjdk-amd64",
        f"{mac}/temurin-17.jdk/Contents/Home",
        "opt/homebrew/opt/openjdk@17/libexec/openjdk.jdk/Contents/Home",
        "usr/local/opt/openjdk/libexec/openjdk.jdk/Contents/Home",
    ]
    for place in places:
        fake_java(tmp_path / place, version_line='openjdk version "17.0.9"', modules="")

    found = list(candidate_homes({"PATH": "", "HOME": str(tmp_path / "Users/ada")}, root=tmp_path))

    assert found == [tmp_path / place for place in places]
