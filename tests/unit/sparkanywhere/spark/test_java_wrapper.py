"""The wrapper around Java: what passes through, what moves, what is added, and when the archive is used."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sparkanywhere.spark.java_wrapper import (
    CLASSES,
    DELAYED_C2,
    QUICK,
    SERIAL,
    SILENCE_SECONDS,
    WrappedJava,
    class_path,
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
    return [line for line in all_of(home, *args, **environ) if line not in (*DELAYED, SERIAL)]


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
    home = archived(spark_home, tmp_path, modules="java.base@17")
    program = [
        *("org.apache.spark.deploy.SparkSubmit", "-cp", f"{home}/conf:foo", f"{home}/jars/*", "@daily", "-Xint"),
        *("-XX:SharedArchiveFile=/a", "--add-modules=jdk.incubator.vector", "org.apache.spark.launcher.Main", ""),
    ]
    options = ["-Xmx1g", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-classpath"]

    given = all_of(home, *options, f"{home}/jars/*", *program)

    shared = [f"-XX:SharedArchiveFile={home}/java/classes.jsa", "-Xlog:cds=off"]
    assert given == [*DELAYED, SERIAL, *shared, *options, class_path(home, home), *program]
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


def archived(spark_home: Path, tmp_path: Path, *, modules: str = VECTORS) -> Path:
    """Wrap a fake Java that has an archive."""
    writing_java(tmp_path / "real", modules=modules)
    wrap(spark_home, spark_home, tmp_path / "real")
    assert make_archive(spark_home)
    return spark_home


def spark_jvm(home: Path, *options: str, class_path: str = "", **environ: str) -> tuple[list[str], str]:
    """Start a JVM of Spark's; return the arguments that reach Java, without those of compilers, and what stderr has."""
    ran = started(home, *options, "-cp", class_path or f"{home}/conf:{home}/jars/*", "Main", **environ)
    return [line for line in ran.stdout.splitlines() if line not in (*DELAYED, SERIAL)], ran.stderr


def test_an_archive_is_used_for_the_jars_in_the_order_that_it_has_them_in(spark_home: Path, tmp_path: Path) -> None:
    home = archived(spark_home, tmp_path)
    jars = f"{home}/jars"

    arguments, said = spark_jvm(home, LC_ALL="de_DE.UTF-8")

    ordered = f"{jars}/slf4j-api-2.0.17.jar:{jars}/slf4j-api-2.0.17.jar:{jars}/spark-core_2.13-4.3.0.jar:{home}/conf/"
    shared = [f"-XX:SharedArchiveFile={home}/java/classes.jsa", "-Xlog:cds=off"]
    assert (arguments, said) == ([*shared, "-cp", ordered, "Main"], "")


def test_a_jar_that_has_come_since_follows_those_of_the_archive(spark_home: Path, tmp_path: Path) -> None:
    home = archived(spark_home, tmp_path)
    (home / "jars" / "a-first.jar").touch()

    arguments, said = spark_jvm(home)

    assert arguments[0].startswith("-XX:SharedArchiveFile=")
    assert f"/spark-core_2.13-4.3.0.jar:{home}/jars/*:{home}/conf/" in arguments[3]
    assert said == ""


def test_an_archive_is_used_where_jars_and_java_are_links(spark_home: Path, tmp_path: Path) -> None:
    writing_java(tmp_path / "real")
    for path in (tmp_path / "real" / "lib" / "modules", *(spark_home / "jars").iterdir()):
        kept = path.rename(tmp_path / path.name)
        path.symlink_to(kept)
        kept.write_text("a size that no link to it has")
    wrap(spark_home, spark_home, tmp_path / "real")
    assert make_archive(spark_home)

    arguments, said = spark_jvm(spark_home)

    assert (arguments[0], said) == (f"-XX:SharedArchiveFile={spark_home}/java/classes.jsa", "")


def test_an_archive_of_which_nothing_is_known_is_left_out(spark_home: Path, tmp_path: Path) -> None:
    home = archived(spark_home, tmp_path)
    WrappedJava(home).listing.unlink()

    assert spark_jvm(home) == (["-cp", f"{home}/jars/slf4j-api-2.0.17.jar:{home}/jars/*:{home}/conf/", "Main"], "")


def another_jar(home: Path) -> None:
    (home / "jars" / "slf4j-api-2.0.17.jar").write_text("another")


def without_a_jar(home: Path) -> None:
    (home / "jars" / "slf4j-api-2.0.17.jar").unlink()


def an_older_jar(home: Path) -> None:
    os.utime(home / "jars" / "slf4j-api-2.0.17.jar", (1, 1))


def another_java(home: Path) -> None:
    (WrappedJava(home).real / "lib" / "modules").write_text("of an update")


@pytest.mark.parametrize("change", [another_jar, without_a_jar, an_older_jar, another_java])
def test_an_archive_of_other_jars_or_another_java_is_left_out_and_said(
    change: Callable[[Path], None], spark_home: Path, tmp_path: Path
) -> None:
    home = archived(spark_home, tmp_path)
    change(home)

    arguments, said = spark_jvm(home)

    logging = f"{home}/jars/slf4j-api-2.0.17.jar"
    assert arguments == ["-cp", f"{logging}:{home}/jars/*:{home}/conf/", "Main"]
    changed = f"{tmp_path}/real/lib/modules" if change is another_java else logging
    assert said == (
        f"sparkanywhere: this JVM starts without the archive of Spark's classes: {changed} is not what it was\n"
    )


@pytest.mark.parametrize(
    ("options", "class_path", "why"),
    [
        (["-XX:+UseZGC"], "", "-XX:+UseZGC"),
        (["-XX:-UseCompressedOops"], "", "-XX:-UseCompressedOops"),
        (["-XX:ObjectAlignmentInBytes=16"], "", "-XX:ObjectAlignmentInBytes=16"),
        (["-Xmx32g"], "", "32 GiB"),
        (["-Xms40960m", "-Xmx40960m"], "", "32 GiB"),
        ([], "/mine.jar:{home}/conf:{home}/jars/*", "its class path begins with /mine.jar"),
    ],
)
def test_an_archive_is_left_out_and_said_where_the_jvm_is_of_another_kind(
    options: list[str], class_path: str, why: str, spark_home: Path, tmp_path: Path
) -> None:
    home = archived(spark_home, tmp_path)

    arguments, said = spark_jvm(home, *options, class_path=class_path.format(home=home))

    assert "SharedArchiveFile" not in "".join(arguments)
    assert why in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("options", [["-Xmx31g"], ["-Xmx32767m"], ["-XX:+UseSerialGC"], ["-Xmx1073741824"]])
def test_an_archive_is_used_with_any_heap_whose_pointers_are_short(
    options: list[str], spark_home: Path, tmp_path: Path
) -> None:
    arguments, said = spark_jvm(archived(spark_home, tmp_path), *options)

    assert arguments[0].startswith("-XX:SharedArchiveFile=")
    assert said == ""


def test_a_program_without_sparks_jars_keeps_the_archive_that_java_brings_along(
    spark_home: Path, tmp_path: Path
) -> None:
    assert run(archived(spark_home, tmp_path), "-cp", "/mine.jar", "Mine") == ["-cp", "/mine.jar", "Mine"]


def all_of(home: Path, *args: str, **environ: str) -> list[str]:
    """Return all arguments that reach the real Java, those of compilers too."""
    return started(home, *args, **environ).stdout.splitlines()


def started(home: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Start the wrapper with nothing but these variables."""
    return subprocess.run(
        [WrappedJava(home).command, *args],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], **environ},
    )


def test_the_slow_compiler_is_put_off(spark_home: Path, tmp_path: Path) -> None:
    assert all_of(wrapped(spark_home, tmp_path), "-Xmx4g", "Main") == [*DELAYED, "-Xmx4g", "Main"]


@pytest.mark.parametrize(
    ("options", "is_serial"),
    [
        (["-Xmx1g"], True),
        (["-Xmx1407m"], True),
        (["-Xmx1408m"], False),
        (["-Xmx2g"], False),
        (["-Xmx512M", "-Xmx8G"], False),
        (["-Xmx1073741824"], False),
        ([], False),
        (["-XX:+UseG1GC", "-Xmx1g"], False),
        (["-Xmx1g", "-XX:MaxGCPauseMillis=50"], False),
        (["-Xmx1g", "-XX:G1HeapRegionSize=4m"], False),
        (["-Xmx1g", "@options"], False),
    ],
)
def test_a_small_heap_is_collected_as_in_a_container_of_its_size(
    options: list[str], is_serial: bool, spark_home: Path, tmp_path: Path
) -> None:
    assert (SERIAL in all_of(wrapped(spark_home, tmp_path), *options, "Main")) == is_serial


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
    home = archived(spark_home, tmp_path)

    for arguments, said in (spark_jvm(home, option), spark_jvm(home, JAVA_TOOL_OPTIONS=option)):
        assert f"-XX:SharedArchiveFile={home}/java/classes.jsa" not in arguments
        assert said == ""


def test_a_java_that_does_not_know_our_options_is_given_none(spark_home: Path, tmp_path: Path) -> None:
    java = fake_java(tmp_path / "real", version_line='openjdk version "17"', modules=VECTORS)
    java.write_text(java.read_text().replace('case "$1" in', 'case "$1" in\n  -XX:*) exit 1 ;;'))
    wrap(spark_home, spark_home, tmp_path / "real")

    assert all_of(spark_home, "Main") == ["Main"]


def writing_java(home: Path, *, modules: str = VECTORS) -> None:
    """Make a fake Java that writes the archive that it is asked for."""
    java = fake_java(home, version_line='openjdk version "17"', modules=modules)
    (home / "lib").mkdir()
    (home / "lib" / "modules").write_text("of Java")
    line = (
        '[ "$1" != -Xshare:dump ] || for a do case $a in -XX:SharedArchiveFile=*) echo "$@" > "${a#*=}" ;; esac; done\n'
    )
    java.write_text(java.read_text().replace('case "$1" in', f'{line}case "$1" in'))


def test_an_archive_is_made_whole_of_the_class_path_that_jvms_have(spark_home: Path, tmp_path: Path) -> None:
    writing_java(tmp_path / "real")
    wrap(spark_home, spark_home, tmp_path / "real")
    assert not is_current(spark_home)

    assert make_archive(spark_home)

    assert is_current(spark_home)
    assert missing_because(spark_home) == ""
    assert WrappedJava(spark_home).archive.read_text().endswith(f"-cp {class_path(spark_home, spark_home)}\n")
    made = {"bin", "classes.jsa", "classes.made-of", "classes.stamp", "lib", "real-home"}
    assert {path.name for path in (spark_home / "java").iterdir()} == made


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


SUBMITS = "org.apache.spark.deploy.SparkSubmit"
RESOLVING = ["--packages", "a.b:c:1", "job.py"]


@contextmanager
def black_hole() -> Iterator[str]:
    """Yield the URL of a repository that answers no packet: a port whose queue is full, to which Linux says nothing."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/maven2"


def warned(home: Path, *args: str, repository: str) -> str:
    """Return what the wrapper says of a repository that is asked."""
    command = WrappedJava(home).command
    command.write_text(command.read_text().replace(f"left={int(SILENCE_SECONDS * 10)}\n", "left=2\n"))
    return started(home, *args, DEFAULT_ARTIFACT_REPOSITORY=repository).stderr


@pytest.mark.parametrize(
    "args", [RESOLVING, ["--conf", "spark.jars.packages=a.b:c:1", "job.py"], ["--properties-file", "FILE", "job.py"]]
)
def test_a_repository_that_swallows_packets_is_said(args: list[str], spark_home: Path, tmp_path: Path) -> None:
    properties = tmp_path / "spark.properties"
    properties.write_text("spark.app.name=x\nspark.jars.packages=a.b\\:c\\:1\n")
    words = [str(properties) if word == "FILE" else word for word in args]

    with black_hole() as url:
        said = warned(wrapped(spark_home, tmp_path), SUBMITS, *words, repository=url.replace("//", "//me:secret@"))

    assert said.startswith(f"sparkanywhere: {url.split('/')[2]}, the repository of --packages, does not answer.")
    assert "secret" not in said


@pytest.mark.parametrize(
    "args",
    [
        [SUBMITS, "job.py"],
        ["-Dhttps.proxyHost=proxy", SUBMITS, *RESOLVING],
        [SUBMITS, "--conf", "spark.jars.ivySettings=/ivy.xml", *RESOLVING],
        ["org.apache.spark.launcher.Main", SUBMITS, *RESOLVING],
    ],
)
def test_nothing_is_said_of_a_repository_that_spark_does_not_ask(
    args: list[str], spark_home: Path, tmp_path: Path
) -> None:
    with black_hole() as url:
        assert warned(wrapped(spark_home, tmp_path), *args, repository=url) == ""


def test_nothing_is_said_of_a_repository_that_answers_or_refuses(spark_home: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        said = warned(wrapped(spark_home, tmp_path), SUBMITS, *RESOLVING, repository=url)

    assert said == ""
    assert warned(spark_home, SUBMITS, *RESOLVING, repository=url) == ""
    assert warned(spark_home, SUBMITS, *RESOLVING, repository="file:///maven2") == ""


def test_a_spark_behind_a_link_keeps_the_archive_that_it_has_by_its_own_name(spark_home: Path, tmp_path: Path) -> None:
    home, link = archived(spark_home, tmp_path), tmp_path / "link"
    link.symlink_to(home)
    text = WrappedJava(home).command.read_text()

    wrap(link, link, WrappedJava(link).real)
    make_archive(link)

    assert WrappedJava(home).command.read_text() == text
    assert is_current(home)
    assert is_current(link)
    assert f"-XX:SharedArchiveFile={home}/java/classes.jsa" in spark_jvm(home)[0]
