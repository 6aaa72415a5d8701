"""Write sparkanywhere/spark/classes.txt.gz from lists that JVMs of Spark have written.

    python -m tools.spark_classes LIST ...

A list is what `-XX:DumpLoadedClassList=LIST` leaves. What is there now was recorded on 2026-11-30 of Spark 4.3.0 and
3.5.9 on Java 17: launchers, submissions, drivers and executors of SparkPi. The 9,000 further classes of a program with
Spark SQL were left out: they made the archive half as large again and saved no processor time that could be measured.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from sparkanywhere.spark.java_wrapper import CLASSES

LINE = re.compile(r"([A-Za-z_][\w$.+\-]*(?:/[\w$.+\-]+)+)(?: id: \d+)?")  # of one that Java's own loaders have loaded
MADE = re.compile(r"\$\$Lambda\$|/LambdaForm|\d{3,}[^/]*$")  # classes that have no file


def merged(lists: Iterable[str]) -> list[str]:
    """Return the names of several lists, each once, in order."""
    found = (LINE.fullmatch(line) for text in lists for line in text.splitlines())
    return sorted({match[1] for match in found if match and not MADE.search(match[1])})


def main(lists: list[str]) -> None:
    """Replace the names by those of the lists."""
    names = merged(Path(each).read_text(errors="replace") for each in lists)
    CLASSES.write_bytes(gzip.compress("".join(f"{name}\n" for name in names).encode(), mtime=0))
    print(f"{len(names)} classes")


if __name__ == "__main__":
    main(sys.argv[1:])
