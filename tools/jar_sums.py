"""Pin the jars of sparkanywhere/jars/table.toml: fetch each once, compare it with the repository's own checksum, and
write its SHA-256 and size into sums.txt. What is pinned already must still be the same. The first part of `make jars`.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen
from xml.etree import ElementTree

from sparkanywhere.jars.coordinate import Coordinate
from sparkanywhere.jars.jar_cache import AT_ONCE, SILENCE_SECONDS
from sparkanywhere.jars.repository import Repository, find_repository
from sparkanywhere.jars.table import SUMS, TABLE, JarTable, read_table

UNFINISHED = re.compile(r"(?i)[-.\d](rc|m|alpha|beta|preview|snapshot|cr)\d*\b")
FOLDER = Path(__file__).resolve().parents[1] / "sparkanywhere" / "jars"


def pinned(repository: Repository, jar: Coordinate) -> str:
    """Return the line of a jar, as the repository has it and vouches for it."""

    def get(ending: str) -> bytes:
        with urlopen(repository.request(jar, ending), timeout=SILENCE_SECONDS) as answer:
            return bytes(answer.read())

    content, told = get(""), get(".sha1").split()[0].decode()
    if hashlib.sha1(content, usedforsecurity=False).hexdigest() != told:
        sys.exit(f"{jar} of {repository} is not what its .sha1 says.")
    return f"{hashlib.sha256(content).hexdigest()} {len(content)} {jar}\n"


def all_jars(table: JarTable) -> list[Coordinate]:
    """Return every jar of the table, sorted."""
    return sorted(
        {each for jar_set in table.sets.values() for row in jar_set.rows.values() for each in row.coordinates}
    )


def newer(repository: Repository, jar: Coordinate) -> list[str]:
    """Return the releases of a jar's artifact that its repository lists behind the jar's own, if it has a list."""
    folder = repository.url_of(jar).rpartition("/")[0].rpartition("/")[0]
    asked = repository.request(jar)
    asked.full_url = f"{folder}/maven-metadata.xml"
    try:
        with urlopen(asked, timeout=SILENCE_SECONDS) as answer:
            listed = [each.text or "" for each in ElementTree.parse(answer).iterfind("versioning/versions/version")]
    except (OSError, ElementTree.ParseError):
        return []
    behind = listed[listed.index(jar.version) + 1 :] if jar.version in listed else []
    return [each for each in behind if not UNFINISHED.search(each)]


def pin(folder: Path, repository: Repository, table: JarTable) -> tuple[int, int]:
    """Pin what is new in a table, and write the folder's file without what it names no more; return (jars, new ones).

    Ends the program, with nothing written, where a jar is not what its repository vouches for.
    """
    wanted, known = all_jars(table), {each: f"{jar.sha256} {jar.size} {each}\n" for each, jar in table.sums.items()}
    new = [each for each in wanted if each not in known]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        lines = known | dict(zip(new, pool.map(lambda each: pinned(repository, each), new), strict=True))
    (folder / SUMS).write_text("".join(lines[each] for each in wanted), encoding="utf-8")
    return len(wanted), len(new)


def main() -> None:
    """Pin the table's jars."""
    sums = FOLDER / SUMS
    table = read_table((FOLDER / TABLE).read_text("utf-8"), sums.read_text("utf-8") if sums.exists() else "")
    repository = find_repository(os.environ, home=Path.home())
    wanted, new = pin(FOLDER, repository, table)
    print(f"{wanted} jars, {new} of them new, from {replace(repository, authorization='')}")


if __name__ == "__main__":
    main()
