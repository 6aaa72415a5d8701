"""Pure: the tag of an image of ours that holds jars of `--with`: 4.1.4-s3.iceberg-j0123abcd.

It names the Spark, the sets, and the very jars, so that a job knows what an image of any registry holds, and takes none
that are not those of our table. A further part, -p0123abcd, stands for Python packages.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sparkanywhere.jars.table import Jar, jar_table

FOLDER = PurePosixPath("/opt/sparkanywhere/jars")
_TAG = re.compile(r"(\d+\.\d+\.\d+)(?:-([a-z0-9.-]+)-j([0-9a-f]{8}))?(?:-p[0-9a-f]{8})?")


@dataclass(frozen=True, slots=True)
class Held:
    """What an image of ours holds: a Spark, and sets of jars."""

    spark: str
    sets: tuple[str, ...]


def mark(lines: Iterable[str]) -> str:
    """Return what stands in a tag for content that these lines tell."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


def tag_of(spark: str, sets: Sequence[str], requirements: str = "") -> str:
    """Return the tag of an image of a Spark with sets of jars and the packages of a requirements file."""
    parts = [spark]
    if sets:
        parts += [".".join(sets), f"j{mark(jar.sha256 for jar in jar_table().jars(sets, spark))}"]
    if requirements:
        parts.append(f"p{mark([requirements])}")
    return "-".join(parts)


def held_by(image: str) -> Held | None:
    """Return what an image holds by its tag, None for one that says nothing, or says other jars than our table's."""
    found = _TAG.fullmatch(image.rpartition("/")[2].partition(":")[2].partition("@")[0])
    if found is None or not found[2]:
        return None
    sets = tuple(found[2].split("."))
    if jar_table().problem(sets, found[1]) or tag_of(found[1], sets).rpartition("-j")[2] != found[3]:
        return None
    return Held(found[1], sets)


def place(jar: Jar) -> PurePosixPath:
    """Return where an image holds a jar."""
    return FOLDER / jar.sha256 / jar.coordinate.file_name
