"""The wrapper around Java: what passes through, what moves, what is added, and when the archive is used."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sparkanywhere.spark.java_wrapper import (
    CLASSES,
    DELAYED_C2,
    QUICK,
    WrappedJava,
    is_current,
    make_archive,
    missing_because,
    wrap,
)
from tests.unit.sparkanywhere.fake_java import fake_java
from tools.spark_classes import merged

DELAYED = DELAYED_C2.split()
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
    return [line for line in all_of(home, *args, **environ) if line not in DELAYED]


def wrapped(spark_home: Path, tmp_path: Path, *, modules: str = VECTORS) -> Path:
    """Wrap a fake Java."""
    fake_java(tmp_path / "real", version_line='openjdk version "17.0.9"', modules=modules)
    wrap(spark_home, spark_home, tmp_path / "real")
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


def test_what_the_program_is_given_is_the_programs(spark_home: Path, tmp_path: Path) -> None:
    home = wrapped(spark_home, tmp_path, modules="java.base@17")
    WrappedJava(home).archive.touch()
    program = [
        *("org.apache.spark.deploy.SparkSubmit", "-cp", f"{home}/conf:foo", f"{home}/jars/*", "@daily", "-Xint"),
        *("-XX:SharedArchiveFile=/a", "--add-modules=jdk.incubator.vector", "org.apache.spark.launcher.Main", ""),
    ]
    options = ["-Xmx1g", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-classpath", "x"]

    given = all_of(home, *options, *program)

    assert given == [*DELAYED, f"-XX:SharedArchiveFile={home}/java/classes.jsa", "-Xlog:cds=off", *options, *program]
    assert all_of(home, "-jar", *program)[-len(program) :] == program


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


def test_an_archive_is_used_once_it_is_there(spark_home: Path, tmp_path: Path) -> None:
    home = wrapped(spark_home, tmp_path)
    WrappedJava(home).archive.touch()

    assert run(home, "X") == [f"-XX:SharedArchiveFile={home}/java/classes.jsa", "-Xlog:cds=off", "X"]


def all_of(home: Path, *args: str, **environ: str) -> list[str]:
    """Return all arguments that reach the real Java, those of compilers too."""
    ran = subprocess.run(
        [WrappedJava(home).command, *args],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], **environ},
    )
    return ran.stdout.splitlines()


def test_the_slow_compiler_is_put_off(spark_home: Path, tmp_path: Path) -> None:
    assert all_of(wrapped(spark_home, tmp_path), "-Xmx1g", "Main") == [*DELAYED, "-Xmx1g", "Main"]


def test_the_launcher_is_never_worth_the_slow_compiler(spark_home: Path, tmp_path: Path) -> None:
    line = ["-cp", "x", "org.apache.spark.launcher.Main", "a"]

    assert all_of(wrapped(spark_home, tmp_path), *line) == [QUICK, *line]


COMPILERS = ["-XX:TieredStopAtLevel=1", "-XX:-TieredCompilation", "-XX:Tier4InvocationThreshold=1", "-Xint", "-Xcomp"]
ARCHIVES = ["-Xshare:off", "-XX:SharedArchiveFile=/mine", "-XX:ArchiveClassesAtExit=/mine", "-XX:AOTCache=/mine"]


@pytest.mark.parametrize("option", [*COMPILERS, "-XX:Flags=/file", "@file"])
@pytest.mark.parametrize("where", ["argument", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"])
def test_the_users_own_word_on_compilers_stands_alone(
    where: str, option: str, spark_home: Path, tmp_path: Path
) -> None:
    home = wrapped(spark_home, tmp_path)
    if where == "argument":
        assert all_of(home, option, "org.apache.spark.launcher.Main")[0] == option
    else:
        assert all_of(home, "Main", **{where: f"-Da=b {option}"}) == ["Main"]


@pytest.mark.parametrize("option", [*ARCHIVES, "-XX:DumpLoadedClassList=/mine"])
def test_the_users_own_word_on_archives_stands_alone(option: str, spark_home: Path, tmp_path: Path) -> None:
    home = wrapped(spark_home, tmp_path)
    WrappedJava(home).archive.touch()

    assert run(home, option) == [option]
    assert run(home, "X", JAVA_TOOL_OPTIONS=option) == ["X"]


def test_a_java_that_does_not_know_our_options_is_given_none(spark_home: Path, tmp_path: Path) -> None:
    java = fake_java(tmp_path / "real", version_line='openjdk version "17"', modules=VECTORS)
    java.write_text(java.read_text().replace('case "$1" in', 'case "$1" in\n  -XX:*) exit 1 ;;'))
    wrap(spark_home, spark_home, tmp_path / "real")

    assert all_of(spark_home, "Main") == ["Main"]


def writing_java(home: Path) -> None:
    """Make a fake Java that writes the archive that it is asked for."""
    java = fake_java(home, version_line='openjdk version "17"', modules=VECTORS)
    line = 'for a do case $a in -XX:SharedArchiveFile=*) echo "$@" > "${a#*=}" ;; esac; done\n'
    java.write_text(java.read_text().replace('case "$1" in', f'{line}case "$1" in'))


def test_an_archive_is_made_whole_of_the_class_path_that_jvms_have(spark_home: Path, tmp_path: Path) -> None:
    writing_java(tmp_path / "real")
    wrap(spark_home, spark_home, tmp_path / "real")
    assert not is_current(spark_home)

    assert make_archive(spark_home)

    assert is_current(spark_home)
    assert missing_because(spark_home) == ""
    jars = f"{spark_home}/jars"
    assert WrappedJava(spark_home).archive.read_text().endswith(f"-cp {jars}/slf4j-api-2.0.17.jar:{jars}/*\n")
    assert {path.name for path in (spark_home / "java").iterdir()} == {"bin", "classes.jsa", "real-home", "stamp"}


def test_an_archive_that_cannot_be_made_is_missing_for_a_reason_and_not_tried_again(
    spark_home: Path, tmp_path: Path
) -> None:
    home = wrapped(spark_home, tmp_path)  # this Java writes none
    WrappedJava(home).archive.touch()

    assert not make_archive(home)

    assert is_current(home)
    assert not WrappedJava(home).archive.exists()
    assert "could not be written" in missing_because(home)


def test_a_new_wrapper_keeps_an_archive_that_fits(spark_home: Path, tmp_path: Path) -> None:
    writing_java(tmp_path / "real")
    wrap(spark_home, spark_home, tmp_path / "real")
    make_archive(spark_home)
    wrapped_java = WrappedJava(spark_home)
    archive_stamp = wrapped_java.stamp.read_text().splitlines()[0]
    wrapped_java.stamp.write_text(f"{archive_stamp}\nof another version of ours\n")
    wrapped_java.archive.write_text("kept")
    assert not is_current(spark_home)

    assert make_archive(spark_home)

    assert is_current(spark_home)
    assert wrapped_java.archive.read_text() == "kept"


def test_a_maker_that_was_killed_leaves_nothing_that_counts(spark_home: Path, tmp_path: Path) -> None:
    writing_java(tmp_path / "real")
    wrap(spark_home, spark_home, tmp_path / "real")
    WrappedJava(spark_home).archive.with_name("classes.new").write_text("half")

    assert not is_current(spark_home)
    assert "SharedArchiveFile" not in "".join(all_of(spark_home, "X"))
    assert make_archive(spark_home)
    assert "half" not in WrappedJava(spark_home).archive.read_text()


@pytest.mark.parametrize("change", ["a jar", "another Java"])
def test_what_an_archive_depends_on_is_looked_at(change: str, spark_home: Path, tmp_path: Path) -> None:
    writing_java(tmp_path / "real")
    wrap(spark_home, spark_home, tmp_path / "real")
    make_archive(spark_home)

    if change == "a jar":
        (spark_home / "jars" / "mine.jar").touch()
    else:
        writing_java(tmp_path / "other")
        wrap(spark_home, spark_home, tmp_path / "other")

    assert not is_current(spark_home)
    assert "not that of this Java" in missing_because(spark_home)


def test_a_copy_of_a_spark_is_not_taken_for_the_one_that_it_is_a_copy_of(spark_home: Path, tmp_path: Path) -> None:
    writing_java(tmp_path / "real")
    wrap(spark_home, spark_home, tmp_path / "real")
    make_archive(spark_home)

    copied = shutil.copytree(spark_home, tmp_path / "copied", symlinks=True)

    assert (is_current(spark_home), is_current(copied)) == (True, False)


def test_the_names_are_of_classes_that_every_java_program_has_and_of_sparks() -> None:
    names = gzip.decompress(CLASSES.read_bytes()).decode().splitlines()

    assert {"java/lang/Object", "org/apache/spark/SparkContext", "org/apache/spark/executor/Executor"} <= set(names)
    assert not [name for name in names if not re.fullmatch(r"[\w$.+\-]+(/[\w$.+\-]+)+", name)]


def test_lists_are_merged_without_numbers_made_up_classes_and_foreign_loaders() -> None:
    one = "# a comment\njava/lang/Object id: 0\norg/apache/spark/A id: 7\na/B$$Lambda$12 id: 8\njava/lang/String\n"
    two = "java/lang/Object id: 0\nUser id: 9 super: 0 source: /user.jar\norg/apache/spark/B id: 7\n@lambda-proxy a\n"

    assert merged([one, two]) == ["java/lang/Object", "java/lang/String", "org/apache/spark/A", "org/apache/spark/B"]
