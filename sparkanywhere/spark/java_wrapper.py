"""The `java` of one SPARK_HOME: the real one, started so that a Spark is up in a third of its processor time.

A JVM of Spark's spends half its start on loading and verifying the same classes each time. Class data sharing
(JEP 310, JEP 350) keeps them in an archive, for a class path that begins with the same jars in the same order and no
folder that holds files. Spark's launcher puts the configuration folder first, so the wrapper (java.sh) moves it behind
the jars; no jar of Spark's holds a file that people configure by (log4j2.properties, core-site.xml, hive-site.xml). It
names the jars one by one: Java expands `jars/*` in an order that differs from file system to file system.
The archive holds the classes named in classes.txt.gz, as far as this Spark has them. Java itself refuses an archive of
another Java, other jars or other pointers (FileMapInfo::validate_header, JDK 17), but without a word, and without the
archive that it brings along; so the wrapper looks first, and where the archive does not fit it says why.

Half of the rest goes to C2, the compiler for code that runs long. It is put off until code has run DELAY times as
often as Java asks for by itself; docs/benchmarks.md has what that saves and costs. And a small heap is collected
serially, as Java itself does it in the pod's container on a cluster: with less than 1792 MiB (is_server_class_machine
in HotSpot's os.cpp), which are a heap of 1408 and Spark's overhead. Options of the user's own that have to do with
compilers, collectors or archives win: nothing of ours is added then.

Where Spark is about to resolve --packages the wrapper says of a repository that is silent that it is: it is the one
start that local processes, our images and a spark-submit of ours have in common. It ends nothing: Ivy's cache, which
nobody else can read, may have all that is wanted.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from chalicelib import system
from sparkanywhere.spark.maven_central import url_of

VECTOR_MODULE = "jdk.incubator.vector"
JAVA_SECONDS = 30  # a `java -version` takes 0.05 s; a cold disk and a busy machine take more
CLASSES = Path(__file__).with_name("classes.txt.gz")  # written by tools/spark_classes.py
DELAY = 30
# Java's own thresholds for C2 (globals.hpp of HotSpot 17 to 25), and those here.
TIER4 = {"Invocation": 5_000, "MinInvocation": 600, "Compile": 15_000, "BackEdge": 40_000}
DELAYED_C2 = " ".join(f"-XX:Tier4{name}Threshold={times * DELAY}" for name, times in TIER4.items())
SERIAL = "-XX:+UseSerialGC"  # of a heap below 1408 MiB
QUICK = "-XX:TieredStopAtLevel=1"  # for a JVM that lives for half a second

WRAPPER = Path(__file__).with_name("java.sh").read_text(encoding="utf-8")
# Options whose value is the next word (IsWhiteSpaceOption in the java.c of OpenJDK 17 to 25); -jar's is the program.
VALUED = (
    *("-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path", "--add-modules"),
    *("--limit-modules", "--add-exports", "--add-opens", "--add-reads", "--patch-module", "--enable-native-access"),
    *("--source", "-d", "--describe-module"),
)
ARCHIVE, MADE_OF = "classes.jsa", "classes.made-of"
DUMP = ("-Xshare:dump", "-Xlog:disable", "-Xlog:all=error:stderr")
SILENCE_SECONDS = 5.0  # of a repository, until it is said
DUMP_SECONDS = 1800.0  # it takes 25 s of processor time; a busy machine gets patience


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
        return self.folder / ARCHIVE

    @property
    def listing(self) -> Path:
        """Return the file of what the archive was made of: size, time, path of Java's own classes, then of each jar."""
        return self.folder / MADE_OF

    @property
    def stamp(self) -> Path:
        """Return the file that says what wrapper and archive were made from, and why there is no archive, if so."""
        return self.folder / "classes.stamp"

    @property
    def real(self) -> Path:
        """Return the home of the Java behind the wrapper; raises FileNotFoundError before wrap()."""
        return Path((self.folder / "real-home").read_text().strip())


def wrap(tree: Path, spark_home: Path, real: Path) -> None:
    """Write the wrapper of `real` (a Java home) into `tree`, which is or will be `spark_home`. Repeatable.

    It knows the folder by its one name without symbolic links, by which all who reach it find its archive.
    """
    spark_home = spark_home.resolve()
    here = WrappedJava(tree)
    here.command.parent.mkdir(parents=True, exist_ok=True)
    modules = _says(real, "--list-modules")  # Java 8 has none
    lacks_vectors = bool(modules) and VECTOR_MODULE not in modules
    delays = bool(_says(real, *DELAYED_C2.split(), "-version"))  # another Java's compilers may have other options
    text = wrapper_text(
        tree,
        spark_home,
        java=real / "bin" / "java",
        folder=WrappedJava(spark_home).folder,
        lacks_vectors=lacks_vectors,
        delays=delays,
    )
    _write(here.folder / "real-home", f"{real}\n", 0o644)
    _write(here.command, text, 0o755)
    for entry in ("lib", "release"):  # for what looks into JAVA_HOME
        link = here.folder / entry
        if link.is_symlink():
            link.unlink()
        if (real / entry).exists():
            link.symlink_to(real / entry)


def wrapper_text(tree: Path, spark_home: Path, *, java: Path, folder: Path, lacks_vectors: bool, delays: bool) -> str:
    """Return the wrapper's text, for an archive in `folder`; `tree` is, or will be, `spark_home`."""
    text = WRAPPER
    values = {
        "java": java,
        "modules": java.parent.parent / "lib" / "modules",
        "spark_home": spark_home,
        "logging_jar": _logging_jar(tree, spark_home),
        "compiler": DELAYED_C2 if delays else "",
        "collector": SERIAL if delays else "",
        "quick": QUICK,
        "valued": "|".join(VALUED),
        "archive": folder / ARCHIVE,
        "listing": folder / MADE_OF,
        "format": system.STAT_LINE,
        "repository": url_of("a", "b", "1"),
        "tenths": int(SILENCE_SECONDS * 10),
        "dropped": f"--add-modules={VECTOR_MODULE}) continue ;;" if lacks_vectors else "",
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def _says(real: Path, *options: str) -> str:
    """Return what a Java prints, "" if it refuses."""
    ran = subprocess.run(
        [real / "bin" / "java", *options], capture_output=True, text=True, timeout=JAVA_SECONDS, check=False
    )
    return ran.stdout + ran.stderr if ran.returncode == 0 else ""


def class_path(tree: Path, spark_home: Path) -> str:
    """Return the class path that every JVM behind the wrapper begins with."""
    return _logging_jar(tree, spark_home) + ":".join(f"{spark_home}/jars/{name}" for name in _jars(tree))


def _jars(tree: Path) -> list[str]:
    return sorted(jar.name for jar in tree.glob("jars/*.jar"))


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


def fingerprints(spark_home: Path) -> list[str]:
    """Return what the archive depends on, as a hash, and what the wrapper does.

    Java takes an archive only for the very Java and the very jars that it was made from.
    """
    spark_home = spark_home.resolve()
    real = WrappedJava(spark_home).real
    parts = [class_path(spark_home, spark_home), str(real), hashlib.sha256(CLASSES.read_bytes()).hexdigest()]
    for path in (real / "lib" / "modules", *sorted((spark_home / "jars").glob("*.jar"))):
        if path.exists():  # Java 8 has no modules
            about = path.stat()
            parts.append(f"{path.name} {about.st_size} {about.st_mtime_ns}")
    return [hashlib.sha256(text.encode()).hexdigest() for text in ("\n".join(parts), WRAPPER + DELAYED_C2)]


def _stamped(spark_home: Path) -> list[str]:
    try:
        return WrappedJava(spark_home).stamp.read_text().splitlines()
    except FileNotFoundError:
        return []


def is_current(spark_home: Path) -> bool:
    """Return whether wrapper and archive are those of today's code, Java and jars."""
    stamped = _stamped(spark_home)
    return bool(stamped) and stamped[:2] == fingerprints(spark_home)


def is_writable(spark_home: Path) -> bool:
    """Return whether wrapper and archive could be written anew."""
    return os.access(WrappedJava(spark_home).folder, os.W_OK)


def missing_because(spark_home: Path) -> str:
    """Return why a SPARK_HOME has no archive, or none that fits, in a few words; "" if it has one."""
    if not is_current(spark_home):
        then = "the next job makes it" if is_writable(spark_home) else "and its folder cannot be written"
        return f"the archive of its classes is not that of this Java and these jars; {then}"
    return "" if WrappedJava(spark_home).archive.is_file() else " ".join(_stamped(spark_home)[2:])


def make_archive(spark_home: Path) -> bool:
    """Make the archive, and stamp it; return whether there is one. One caller at a time. Repeatable.

    An archive only saves time, so that a failure is noted in the stamp and not tried again. The archive before it is
    used until the new one is whole.
    """
    wrapped, stamps = WrappedJava(spark_home.resolve()), fingerprints(spark_home)
    fits = _stamped(spark_home)[:1] == stamps[:1] and wrapped.archive.is_file()
    why = "" if fits else _dump(wrapped)
    if why:
        wrapped.archive.unlink(missing_ok=True)
    _write(wrapped.stamp, "\n".join([*stamps, why]), 0o644)
    return not why


def _dump(wrapped: WrappedJava) -> str:
    """Have Java write the archive, and put it in its place in one step; return why that failed, "" if it did not."""
    fresh, names = wrapped.archive.with_name("classes.new"), wrapped.folder / "classes.txt"
    try:
        fresh.unlink(missing_ok=True)
        names.write_bytes(gzip.decompress(CLASSES.read_bytes()))
        java = str(wrapped.real / "bin" / "java")
        dump = [java, *DUMP, f"-XX:SharedClassListFile={names}", f"-XX:SharedArchiveFile={fresh}"]
        subprocess.run(
            [*dump, "-cp", class_path(wrapped.spark_home, wrapped.spark_home)],
            capture_output=True,
            text=True,
            timeout=DUMP_SECONDS,
            check=True,
        )
        made_of = (
            wrapped.real / "lib" / "modules",
            *(wrapped.spark_home / "jars" / each for each in _jars(wrapped.spark_home)),
        )
        stats = ((path, path.stat()) for path in made_of)
        _write(
            wrapped.listing, "".join(f"{about.st_size} {int(about.st_mtime)} {path}\n" for path, about in stats), 0o644
        )
        fresh.replace(wrapped.archive)
    except subprocess.CalledProcessError as error:
        return f"Java could not write the archive of its classes: {(error.stderr or error.stdout or '').strip()[-200:]}"
    except (OSError, subprocess.SubprocessError) as error:
        return f"the archive of its classes could not be written: {error}"
    finally:
        for each in (fresh, names):
            each.unlink(missing_ok=True)
    return ""
