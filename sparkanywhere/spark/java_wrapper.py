"""The `java` of one SPARK_HOME: the real one, started so that it finds Spark's classes ready to map.

A JVM of Spark's spends half its start on loading and verifying the same classes each time. Class data sharing
(JEP 310, JEP 350) keeps them in an archive, for a class path that begins with the same jars and no folder that
holds files. Spark's launcher puts the configuration folder first, so the wrapper moves it behind the jars; no
jar of Spark's holds a file that people configure by (log4j2.properties, core-site.xml, hive-site.xml, ...).

While the folder `training` exists each JVM notes there which classes it loaded; make_archive() makes
the archive of them. Without an archive, or with one that does not fit, Java starts as ever.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

VECTOR_MODULE = "jdk.incubator.vector"
JAVA_SECONDS = 30  # a `java -version` takes 0.05 s; a cold disk and a busy machine take more

WRAPPER = """#!/bin/sh
# Written by sparkanywhere (java_wrapper.py): starts {java} for the Spark in {spark_home}.
java='{java}'
jars='{spark_home}/jars'
logging='{logging_jar}'  # Spark's launcher puts this jar before the others
conf="${{SPARK_CONF_DIR:-{spark_home}/conf}}"
for argument do
  shift
  case $argument in
    {dropped}
    "$conf":*|"$conf"/:*)
      rest="${{argument#"$conf"}}"
      rest="${{rest#/}}"
      argument="${{rest#:}}:$conf/"
      ;;
  esac
  case $argument in
    "$jars/*"*) argument="$logging$argument" ;;
  esac
  set -- "$@" "$argument"
done
if [ -d '{folder}/training' ]; then
  exec "$java" "-XX:DumpLoadedClassList={folder}/training/%p" "$@"
elif [ -f '{archive}' ]; then
  exec "$java" '-XX:SharedArchiveFile={archive}' -Xlog:cds=off "$@"
fi
exec "$java" "$@"
"""
DUMP_SECONDS = 180.0  # 5 to 10 s on an idle machine
NUMBER = re.compile(r" id: \d+$")  # of a class within its own list; lists are merged here


@dataclass(frozen=True, slots=True)
class WrappedJava:
    """The wrapper of a SPARK_HOME: its folder is what JAVA_HOME names."""

    spark_home: Path

    @property
    def folder(self) -> Path:
        """Return the JAVA_HOME to use."""
        return self.spark_home / "java"

    @property
    def command(self) -> Path:
        """Return the wrapper itself."""
        return self.folder / "bin" / "java"

    @property
    def archive(self) -> Path:
        """Return where the archive of Spark's classes belongs."""
        return self.folder / "classes.jsa"

    @property
    def training(self) -> Path:
        """Return the folder into which JVMs note the classes they load, while it exists."""
        return self.folder / "training"

    @property
    def real(self) -> Path:
        """Return the home of the Java behind the wrapper; raises FileNotFoundError before wrap()."""
        return Path((self.folder / "real-home").read_text().strip())


def wrap(tree: Path, spark_home: Path, real: Path) -> None:
    """Write the wrapper of `real` (a Java home) into `tree`, which is or will be `spark_home`.

    Repeatable; an archive made by another Java is dropped, and training begins if this Java can share.
    """
    wrapped = WrappedJava(spark_home)
    here = WrappedJava(tree)
    here.command.parent.mkdir(parents=True, exist_ok=True)
    here.archive.unlink(missing_ok=True)
    ran = subprocess.run(
        [real / "bin" / "java", "--list-modules"], capture_output=True, text=True, timeout=JAVA_SECONDS, check=False
    )
    modules = ran.stdout if ran.returncode == 0 else ""  # Java 8 has none and can't share
    lacks_vectors = bool(modules) and VECTOR_MODULE not in modules
    text = WRAPPER.format(
        java=real / "bin" / "java",
        spark_home=spark_home,
        logging_jar=_logging_jar(tree, spark_home),
        dropped=f"--add-modules={VECTOR_MODULE}) continue ;;" if lacks_vectors else "",
        folder=wrapped.folder,
        archive=wrapped.archive,
    )
    _write(here.folder / "real-home", f"{real}\n", 0o644)
    _write(here.command, text, 0o755)
    for entry in ("lib", "release"):  # for what looks into JAVA_HOME
        link = here.folder / entry
        if not link.is_symlink() and (real / entry).exists():
            link.symlink_to(real / entry)
    if modules:
        here.training.mkdir(exist_ok=True)


def class_path(tree: Path, spark_home: Path) -> str:
    """Return the class path that every JVM behind the wrapper begins with."""
    return f"{_logging_jar(tree, spark_home)}{spark_home}/jars/*"


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file in one step: other processes may start it at any moment."""
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)


def _logging_jar(tree: Path, spark_home: Path) -> str:
    """Return the class path that Spark's launcher puts before jars/*, with its colon; empty before 4.0."""
    if any(tree.glob("jars/spark-core_2.13-4.*.jar")):
        for jar in sorted(tree.glob("jars/slf4j-api-*.jar")):
            return f"{spark_home}/jars/{jar.name}:"
    return ""


def is_due(spark_home: Path) -> bool:
    """Return whether JVMs of this Spark have noted their classes and no archive was made of them yet."""
    training = WrappedJava(spark_home).training
    return training.is_dir() and any(training.iterdir())


def make_archive(spark_home: Path) -> bool:
    """Make the archive and end the training; return whether there is an archive now.

    It is optional, so a failure only ends the training. Of two concurrent calls the second does nothing.
    """
    wrapped = WrappedJava(spark_home)
    with (wrapped.folder / ".lock-archive").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_due(spark_home):
            try:
                _dump(wrapped)
            except (OSError, subprocess.SubprocessError):
                wrapped.archive.unlink(missing_ok=True)
            finally:
                shutil.rmtree(wrapped.training, ignore_errors=True)
    return wrapped.archive.is_file()


def merge(lists: Iterable[str]) -> list[str]:
    """Return the classes of several lists, each once, without those of loaders other than Java's own."""
    lines = (line for text in lists for line in text.splitlines())
    kept = (NUMBER.sub("", line) for line in lines if line and not line.startswith("#"))
    return list(dict.fromkeys(line for line in kept if " source: " not in line))


def _dump(wrapped: WrappedJava) -> None:
    """Let Java write the archive beside its place, and put it there in one step."""
    names = wrapped.training / "classes"
    found = [file.read_text(errors="replace") for file in sorted(wrapped.training.iterdir())]
    names.write_text("\n".join(merge(found)) + "\n")
    fresh = wrapped.archive.with_name("classes.new")
    fresh.unlink(missing_ok=True)
    command = [str(wrapped.real / "bin" / "java"), "-Xshare:dump", "-Xlog:disable", "-Xlog:all=error:stderr"]
    command += [f"-XX:SharedClassListFile={names}", f"-XX:SharedArchiveFile={fresh}"]
    subprocess.run(
        [*command, "-cp", class_path(wrapped.spark_home, wrapped.spark_home)],
        capture_output=True,
        timeout=DUMP_SECONDS,
        check=True,
    )
    fresh.replace(wrapped.archive)
