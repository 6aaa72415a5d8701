"""Which Java runs which Spark, and the wrapper around a Java without the vector module."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sparkanywhere.java_home import ensure_java, java_major, java_range, numbers
from sparkanywhere.progress import silent


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
    ("printed", "major"),
    [('openjdk version "17.0.9"', 17), ('java version "1.8.0_402"', 8), ("nonsense", None)],
)
def test_the_major_version_is_read_from_what_java_prints(
    printed: str, major: int | None, tmp_path: Path
) -> None:
    java = fake_java(tmp_path, version_line=printed, modules="")

    assert java_major(java) == major


def test_the_users_own_java_comes_first(tmp_path: Path) -> None:
    java = fake_java(tmp_path, version_line='openjdk version "17.0.9"', modules="jdk.incubator.vector@17")

    home = ensure_java(
        java_range("4.3.0", "3.5.0"),
        cache=tmp_path / "cache",
        environ={"JAVA_HOME": str(tmp_path)},
        progress=silent,
    )

    assert home / "bin" / "java" == java


def test_a_java_without_the_vector_module_gets_a_wrapper_that_drops_the_argument(tmp_path: Path) -> None:
    fake_java(tmp_path, version_line='openjdk version "17.0.9"', modules="java.base@17")

    home = ensure_java(
        java_range("4.3.0", "3.5.0"),
        cache=tmp_path / "cache",
        environ={"JAVA_HOME": str(tmp_path)},
        progress=silent,
    )
    ran = subprocess.run(
        [home / "bin" / "java", "-Xmx1g", "--add-modules=jdk.incubator.vector", "a b"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.splitlines() == ["-Xmx1g", "a b"]


def fake_java(home: Path, *, version_line: str, modules: str) -> Path:
    """Write a `java` that knows -version and --list-modules and else prints its arguments."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f"  -version) echo '{version_line}' >&2 ;;\n"
        f"  --list-modules) echo '{modules}' ;;\n"
        "  *) printf '%s\\n' \"$@\" ;;\n"
        "esac\n"
    )
    java.chmod(0o755)
    return java
