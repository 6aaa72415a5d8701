"""Put newer jars into a row of sparkanywhere/jars/table.toml, pin them, and run it: `make jar-row ROW=iceberg/4.1`.

Without a row, list which have newer ones, for `make jars`. What leads a row is its first jar; those of its group in its
version go along, and for others its pom says the version. What is not to be had, or fails with real Spark, leaves table
and checksums as they were.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen
from xml.etree import ElementTree

from sparkanywhere.jars.coordinate import Coordinate, expand
from sparkanywhere.jars.jar_cache import SILENCE_SECONDS
from sparkanywhere.jars.repository import Repository, find_repository
from sparkanywhere.jars.table import SUMS, TABLE, JarTable, read_table
from tools.jar_matrix import PAGE
from tools.jar_sums import FOLDER, newer, pin

QUOTED = re.compile(r'"([^"\n]*)"')
DATE = re.compile(r"\d{4}-\d\d-\d\d")
HADOOP, SPARK = "org.apache.hadoop", "org.apache.spark"
OF_HADOOPS_CHOICE = ("software.amazon.awssdk", "com.amazonaws")


class RowRefused(Exception):
    """A row cannot be updated; str() is one sentence."""


def numbers(version: str) -> list[int]:
    """Return the numbers of a version, to compare those of one project."""
    return [int(each) for each in re.findall(r"\d+", version)]


def fits(lead: Coordinate, version: str, spark: str) -> bool:
    """Return whether a release may be tried: Hadoop's and the SDK that it names are those of the Spark."""
    if lead.group == HADOOP or lead.group in OF_HADOOPS_CHOICE:
        return False
    return lead.group != SPARK or numbers(version) <= numbers(spark)


def moved(row: tuple[Coordinate, ...], version: str) -> dict[Coordinate, Coordinate]:
    """Return what becomes of the jars that go along with a row's first one."""
    lead = row[0]
    along = [each for each in row if (each.group, each.version) == (lead.group, lead.version)]
    return {each: replace(each, version=version) for each in along}


def text_of(repository: Repository, jar: Coordinate, ending: str) -> str:
    """Return a small file of a repository. Raises OSError."""
    with urlopen(repository.request(jar, ending), timeout=SILENCE_SECONDS) as answer:
        return str(answer.read().decode())


def is_there(repository: Repository, jars: Mapping[Coordinate, Coordinate]) -> bool:
    """Return whether a repository has all of these jars."""
    try:
        return all(text_of(repository, each, ".sha1") for each in jars.values())
    except OSError:
        return False


def newest(repository: Repository, row: tuple[Coordinate, ...], spark: str) -> str:
    """Return the last release that may be tried and is there for all that goes along, "" if that is the row's own."""
    later = (each for each in reversed(newer(repository, row[0])) if fits(row[0], each, spark))
    return next((each for each in later if is_there(repository, moved(row, each))), "")


def by_pom(
    repository: Repository, lead: Coordinate, others: list[Coordinate]
) -> Iterator[tuple[Coordinate, Coordinate]]:
    """Yield those jars of a row to which the pom of its first one gives another version, and what they become."""
    pom = replace(lead, classifier="")
    asked = repository.request(pom)
    asked.full_url = asked.full_url.removesuffix(".jar") + ".pom"
    with urlopen(asked, timeout=SILENCE_SECONDS) as answer:
        root = ElementTree.parse(answer).getroot()
    for each in root.iterfind("{*}dependencies/{*}dependency"):
        group, artifact, version = (each.findtext(f"{{*}}{key}") or "" for key in ("groupId", "artifactId", "version"))
        for other in others:
            if (group, artifact) == (other.group, other.artifact) and version not in ("", other.version):
                yield other, replace(other, version=version)


def edited(text: str, name: str, minor: str, changes: Mapping[Coordinate, Coordinate], today: str) -> str:
    """Return the table's text with other versions in one row, and what its source says of them. Raises RowRefused."""
    of_row = rf'(?m)^(?:\[sets\.{name}\.spark\."{re.escape(minor)}"\]\n(?:(?!\[).*\n)*|"{re.escape(minor)}" = .*\n)'
    begin = text.index(f"[sets.{name}]")
    found = re.compile(of_row).search(text, begin)
    if found is None:
        raise RowRefused(f"the row {name}/{minor} is not written as rows are.")

    def other_version(quoted: re.Match[str]) -> str:
        jars = list(expand(quoted[1])) if quoted[1].count(":") > 1 else []
        new = {changes[each].version for each in jars if each in changes}
        return quoted[0].replace(f":{jars[0].version}", f":{new.pop()}") if new else quoted[0]

    row = QUOTED.sub(other_version, found[0])
    source = re.compile(r"(?m)^source = .*$").search(text, begin)
    assert source is not None  # each set has one
    told = DATE.sub(today, source[0])
    old, new = next((one.version, other.version) for one, other in changes.items())
    end = re.compile(rf"(?m)^\[(?!sets\.{name}\.)|\Z").search(text, found.end())
    rest = text[begin : found.start()] + text[found.end() : end.start() if end else None]
    if f"for Spark {minor} {old}" in told or f':{old}"' not in rest:
        told = told.replace(old, new)
    else:  # another row keeps it
        told = told.replace(f", {today}", f", for Spark {minor} {new}, {today}")
    return text[: source.start()] + told + text[source.end() : found.start()] + row + text[found.end() :]


def update(
    folder: Path, repository: Repository, name: str, minor: str, *, to: str, today: str
) -> Mapping[Coordinate, Coordinate]:
    """Write another version, the newest if none is named, into a row of a folder's table and pin it; return what moved.

    Raises RowRefused; nothing is written then.
    """
    table = read(folder)
    if name not in table.sets or minor not in table.sets[name].rows:
        raise RowRefused(f"there is no row {name}/{minor}.")
    row = table.sets[name].rows[minor].coordinates
    version = to or newest(repository, row, table.sparks[minor])
    if not version:
        raise RowRefused(f"{row[0]} is the last that {repository} has for Spark {table.sparks[minor]}.")
    changes = moved(row, version)
    if not is_there(repository, changes):
        raise RowRefused(f"{repository} has not all of {', '.join(map(str, changes.values()))}.")
    try:
        changes |= dict(by_pom(repository, changes[row[0]], [each for each in row if each not in changes]))
    except (OSError, ElementTree.ParseError) as error:
        raise RowRefused(f"the pom of {changes[row[0]]} cannot be read: {error}.") from error
    text = edited((folder / TABLE).read_text("utf-8"), name, minor, changes, today)
    pin(folder, repository, read_table(text, (folder / SUMS).read_text("utf-8")))
    (folder / TABLE).write_text(text, encoding="utf-8")
    return changes


def read(folder: Path) -> JarTable:
    """Return the table of a folder."""
    return read_table((folder / TABLE).read_text("utf-8"), (folder / SUMS).read_text("utf-8"))


def listed(table: JarTable, repository: Repository) -> Iterator[str]:
    """Yield a line for each row of which there are newer jars."""
    for name, each in table.sets.items():
        for minor, row in each.rows.items():
            if version := newest(repository, row.coordinates, table.sparks[minor]):
                yield f"{row.coordinates[0]} is not the last: make jar-row ROW={name}/{minor} takes {version}"


def main() -> None:
    """Update the row that is named and run it; exit with 1, and all as before, if Spark fails with it."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "row", nargs="?", default="", metavar="SET/SPARK", help="such as iceberg/4.1; default: list rows"
    )
    parser.add_argument("--to", default="", metavar="VERSION", help="default: the newest that there is")
    asked = parser.parse_args()
    repository = find_repository(os.environ, home=Path.home())
    if not asked.row:
        for line in listed(read(FOLDER), repository):
            print(line, flush=True)
        return
    name, _, minor = asked.row.partition("/")
    before = {file: file.read_text("utf-8") for file in (FOLDER / TABLE, FOLDER / SUMS, PAGE)}
    try:
        changes = update(FOLDER, repository, name, minor, to=asked.to, today=f"{datetime.now(UTC):%Y-%m-%d}")
    except RowRefused as error:
        sys.exit(f"Error: {error}")
    for old, new in changes.items():
        print(f"{old} -> {new.version}", flush=True)
    matrix = [sys.executable, "-m", "tools.jar_matrix", "--on", "process", "--spark", minor, "--sets", name]
    if subprocess.run(matrix).returncode:
        for file, text in before.items():
            file.write_text(text, encoding="utf-8")
        sys.exit(f"Error: Spark {minor} fails with it: {', '.join(file.name for file in before)} are as they were.")


if __name__ == "__main__":
    main()
