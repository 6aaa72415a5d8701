"""The wheel, and a clean virtual environment that has it and what it depends on, nothing else."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from sparkanywhere.project import PROJECT

BUILD_SECONDS = 120  # two seconds; pip and hatchling on a loaded machine get patience
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment with the wheel in it; what it runs sees nothing of this checkout."""

    folder: Path

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def command(self) -> Path:
        """Return its `sparkanywhere`."""
        return self.folder / "bin" / "sparkanywhere"


def build(folder: Path) -> Path:
    """Build the wheel of this checkout into a folder; return its path."""
    options = ("--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    subprocess.run([*PIP, "wheel", *options, str(PROJECT)], check=True, timeout=BUILD_SECONDS)
    return next(folder.glob("sparkanywhere-*.whl"))


def install(wheel: Path, folder: Path) -> Installed:
    """Make an environment with the wheel, without extras, and links to its dependencies as they are installed here."""
    venv.create(folder, symlinks=True, with_pip=False)
    made = Installed(folder)
    site = next(folder.glob("lib/python*/site-packages"))
    for distribution in dependencies(wheel):
        for name in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site / name).exists():  # packages may share a namespace
                (site / name).symlink_to(Path(str(distribution.locate_file(name))).resolve())
    install_command = ("--python", str(made.python), "install", "--no-deps", "--no-index", str(wheel))
    subprocess.run([*PIP, *install_command], check=True, timeout=BUILD_SECONDS)
    return made


def dependencies(wheel: Path) -> list[metadata.Distribution]:
    """Return what the wheel needs, and what that needs, as it is installed here."""
    with zipfile.ZipFile(wheel) as archive:
        info = next(each for each in zipfile.Path(archive).iterdir() if each.name.endswith(".dist-info"))
        found: dict[str, metadata.Distribution] = {}
        wanted = list(_required(metadata.PathDistribution(info)))
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = metadata.distribution(name)
            wanted += _required(found[name])
    return list(found.values())


def _required(distribution: metadata.Distribution) -> Iterator[str]:
    for text in distribution.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name.lower()
