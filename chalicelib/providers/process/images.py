"""Which installed Spark an image name means: images are not pulled, their names are read.

`apache/spark:4.3.0`, `spark:3.5.9-python3` and `registry.example/team/spark` mean the Spark of that version
in the cache; every other image means the host as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from chalicelib.providers.base import ProviderUnavailable

_SPARK_NAME = re.compile(r"(?:py)?spark(?:-(?:py|r|scala|python3))?", re.IGNORECASE)
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)")


@dataclass(frozen=True, slots=True)
class SparkHome:
    """An installed Spark: its directory, and the Java to run it with ("" for the one on the PATH)."""

    path: Path
    java_home: str


def split_image(image: str) -> tuple[str, str]:
    """Return the last part of an image's repository and its tag ("" if none): `a/spark:4.3.0@sha256:..`."""
    name = image.partition("@")[0].rpartition("/")[2]
    repository, _, tag = name.partition(":")
    return repository, tag


def is_spark_image(image: str) -> bool:
    """Return whether an image's name says that it holds Spark."""
    return bool(_SPARK_NAME.fullmatch(split_image(image)[0]))


def choose_version(tag: str, installed: list[str]) -> str | None:
    """Return the newest of the installed versions that a tag (`4.3.0-java17`, `3.5`, none) allows."""
    match = _VERSION.match(tag)
    wanted = match.group(1).split(".") if match else []
    fitting = [version for version in installed if version.split(".")[: len(wanted)] == wanted]
    return max(
        fitting,
        key=lambda version: ([int(number) for number in re.findall(r"\d+", version)[:3]], version),
        default=None,
    )


class SparkHomes:
    """The Sparks in `directory`, one directory per version, each with a text file JAVA_HOME."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, image: str, *, pull: str) -> SparkHome | None:
        """Return the Spark that an image means, None for any other image.

        Raises ProviderUnavailable (ErrImagePull, or ErrImageNeverPull) if that Spark is not installed.
        """
        if not is_spark_image(image):
            return None
        tag = split_image(image)[1]
        installed = [path.parent.name for path in self._directory.glob("[0-9]*/JAVA_HOME")]
        version = choose_version(tag, installed)
        if version is None:
            match = _VERSION.match(tag)
            which = f"Spark {match[1]}" if match else "a Spark"
            command = f"make spark SPARK={match[1]}" if match else "make spark"
            message = (
                f'image "{image}" stands for {which}, which is not installed here: run `{command}` first'
            )
            raise ProviderUnavailable("ErrImageNeverPull" if pull == "never" else "ErrImagePull", message)
        home = self._directory / version
        return SparkHome(home, (home / "JAVA_HOME").read_text(encoding="utf-8").strip())
