"""The sets of jars that `--with` names, from table.toml and the checksums beside it.

A row is for a set and a minor version of Spark, which fixes its Scala and its Hadoop too.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from sparkanywhere.jars.coordinate import Coordinate, expand, parse

EXTENSIONS = "spark.sql.extensions"  # a list: those of all sets are joined, and those of the user
TABLE, SUMS = "table.toml", "sums.txt"


@dataclass(frozen=True, slots=True)
class Jar:
    """One file of a repository, with what proves it."""

    coordinate: Coordinate
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Row:
    """What a set is for one Spark."""

    coordinates: tuple[Coordinate, ...]
    conf: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JarSet:
    """A set by its name: rows by minor version of Spark, such as "4.1"."""

    name: str
    about: str
    uses_aws: bool
    rows: Mapping[str, Row]


@dataclass(frozen=True, slots=True)
class Catalog:
    """A kind of Iceberg catalog: its settings below the catalog's own, {place} for its place, and sets it needs."""

    conf: Mapping[str, str]
    sets: tuple[str, ...]
    needs_no_place: bool


@dataclass(frozen=True, slots=True)
class JarTable:
    """All sets and catalogs, the newest Spark of each minor version they were run with, and what proves their jars."""

    sparks: Mapping[str, str]  # minor version -> version, the newest first
    sets: Mapping[str, JarSet]
    catalogs: Mapping[str, Catalog]
    sums: Mapping[Coordinate, Jar]

    def newest_spark(self, names: Iterable[str]) -> str:
        """Return the newest Spark that all these sets have a build for, "" if there is none."""
        wanted = [self.sets[name].rows for name in names if name in self.sets]
        return next((full for minor, full in self.sparks.items() if all(minor in rows for rows in wanted)), "")

    def problem(self, names: Sequence[str], spark: str) -> str:
        """Return why these sets cannot be had with a Spark, "" if they can."""
        for name in names:
            if name not in self.sets:
                return f"--with {name} is unknown: there are {', '.join(self.sets)}."
        for one, other in itertools.combinations(names, 2):
            if key := self._contradiction(one, other):
                return f"--with {one} and {other} do not go together: both set {key}."
        newest = self.newest_spark(names)
        if not newest:
            return f"No Spark has builds of all of --with {','.join(names)}: {self._builds(names)}."
        lacking = [name for name in names if minor_of(spark) not in self.sets[name].rows]
        if lacking:
            return (
                f"--with {lacking[0]} has no build for Spark {spark}: {self._builds(lacking[:1])};"
                f" --spark {newest} has all that you ask for."
            )
        return ""

    def jars(self, names: Iterable[str], spark: str) -> list[Jar]:
        """Return the jars of these sets for a Spark, each once, in the table's order."""
        rows = self._rows(names, spark)
        return [self.sums[each] for each in dict.fromkeys(itertools.chain(*(row.coordinates for row in rows)))]

    def conf(self, names: Iterable[str], spark: str) -> dict[str, str]:
        """Return the settings of these sets for a Spark, extensions joined in the order of the table."""
        found: dict[str, str] = {}
        for row in self._rows(names, spark):
            found = joined(found, row.conf)
        return found

    def uses_aws(self, names: Iterable[str]) -> bool:
        """Return whether any of these sets signs in at AWS."""
        return any(self.sets[name].uses_aws for name in names)

    def _rows(self, names: Iterable[str], spark: str) -> list[Row]:
        wanted = set(names)
        return [each.rows[minor_of(spark)] for each in self.sets.values() if each.name in wanted]

    def _builds(self, names: Iterable[str]) -> str:
        return ", ".join(f"{name} is for {_either(self.sets[name].rows)}" for name in names)

    def _contradiction(self, one: str, other: str) -> str:
        """Return a setting that two sets want to be different, "" if there is none."""
        for minor in self.sets[one].rows.keys() & self.sets[other].rows.keys():
            first, second = self.sets[one].rows[minor].conf, self.sets[other].rows[minor].conf
            for key in sorted(first.keys() & second.keys() - {EXTENSIONS}):
                if first[key] != second[key]:
                    return key
        return ""


def minor_of(spark: str) -> str:
    """Return the minor version that a version of Spark belongs to: 4.1 of 4.1.4."""
    return ".".join(spark.split(".")[:2])


def joined(conf: Mapping[str, str], further: Mapping[str, str]) -> dict[str, str]:
    """Return settings, of which the further ones win, but for the extensions, which all stay."""
    both = [*conf.get(EXTENSIONS, "").split(","), *further.get(EXTENSIONS, "").split(",")]
    extensions = ",".join(dict.fromkeys(filter(None, (each.strip() for each in both))))
    return {**conf, **further, **({EXTENSIONS: extensions} if extensions else {})}


def _either(minors: Iterable[str]) -> str:
    *first, last = minors
    return f"Spark {', '.join(first)} and {last}" if first else f"Spark {last}"


def read_sums(text: str) -> list[Jar]:
    """Return the jars that a file of checksums lists, a line each: SHA-256, size in bytes, coordinate."""
    lines = (line.split() for line in text.splitlines())
    return [Jar(parse(coordinate), sha256, int(size)) for sha256, size, coordinate in lines]


def read_table(text: str, sums: str) -> JarTable:
    """Return the table that two files describe. Raises ValueError, KeyError for one that is not well-formed."""
    document = tomllib.loads(text)
    sets = {}
    for name, about in document["sets"].items():
        rows = {
            minor: Row(
                tuple(itertools.chain(*map(expand, row["jars"]))), {**about.get("conf", {}), **row.get("conf", {})}
            )
            for minor, row in about["spark"].items()
        }
        sets[name] = JarSet(name, about["about"], about.get("uses_aws", False), rows)
    sparks = {minor: each["version"] for minor, each in document["spark"].items()}
    catalogs = {
        name: Catalog(each["conf"], tuple(each["sets"]), each.get("needs_no_place", False))
        for name, each in document["catalogs"].items()
    }
    return JarTable(sparks, sets, catalogs, {jar.coordinate: jar for jar in read_sums(sums)})


@cache
def jar_table() -> JarTable:
    """Return the table that comes with us."""
    here = resources.files("sparkanywhere.jars")
    return read_table(here.joinpath(TABLE).read_text("utf-8"), here.joinpath(SUMS).read_text("utf-8"))
