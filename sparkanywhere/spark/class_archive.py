"""Make the archive of the classes that Spark's JVMs loaded in a first job, for a faster start of the next."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from sparkanywhere.spark.java_wrapper import WrappedJava, class_path

DUMP_SECONDS = 180.0  # 5 to 10 s on an idle machine
NUMBER = re.compile(r" id: \d+$")  # of a class within its own list; lists are merged here


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
