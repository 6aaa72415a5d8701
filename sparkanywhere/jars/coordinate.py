"""Maven coordinates: which file of a repository they name.

maven.apache.org, "POM Reference" and "Maven 2 Repository Layout".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_PART = r"[A-Za-z0-9_.-]+"
_COORDINATE = re.compile(rf"({_PART}):({_PART}):({_PART})(?::({_PART}))?")
_CHOICE = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True, slots=True, order=True)
class Coordinate:
    """One jar: group, artifact and version, and the classifier that tells it from others of these."""

    group: str
    artifact: str
    version: str
    classifier: str = ""

    def __str__(self) -> str:
        return ":".join(filter(None, (self.group, self.artifact, self.version, self.classifier)))

    @property
    def file_name(self) -> str:
        """Return what the jar is called."""
        return f"{'-'.join(filter(None, (self.artifact, self.version, self.classifier)))}.jar"

    @property
    def path(self) -> str:
        """Return where it lies below a repository's URL."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.file_name}"


def parse(text: str) -> Coordinate:
    """Return what group:artifact:version or group:artifact:version:classifier names. Raises ValueError."""
    found = _COORDINATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is not a Maven coordinate: write group:artifact:version")
    return Coordinate(found[1], found[2], found[3], found[4] or "")


def expand(text: str) -> Iterator[Coordinate]:
    """Yield what a text with {a,b} for several names stands for. Raises ValueError."""
    pieces = _CHOICE.split(text)  # text, choice, text, ...
    words = [piece.split(",") if number % 2 else [piece] for number, piece in enumerate(pieces)]
    for each in itertools.product(*words):
        yield parse("".join(each))
