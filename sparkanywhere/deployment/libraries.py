"""What the Lambda archive holds beside our code: fetched by pip, each file by its hash, once for each set of locks.

`vendor/` has what goes without its dependencies, and Chalice packs it as it is; `.make/wheels` has the rest for both of
Lambda's processors. Chalice asks pip for some wheels by name and version alone, so it may take them only from there.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

VENDOR_LOCK, LOCK = Path("locks", "vendor.txt"), Path("requirements.txt")
VENDOR, WHEELS, STAMP = Path("vendor"), Path(".make", "wheels"), Path(".make", "libraries")
PROCESSORS = ("aarch64", "x86_64")
PIP = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--quiet")


class LibrariesMissing(Exception):
    """pip could not fetch what Lambda needs; str() is a sentence."""


def fetch_libraries(project: Path) -> dict[str, str]:
    """Fetch what the archive needs into the project's folder, where it is not there already.

    Return the environment in which Chalice finds it. May be repeated. Raises LibrariesMissing.
    """
    vendor, wheels, stamp = project / VENDOR, project / WHEELS, project / STAMP
    locks = (project / VENDOR_LOCK).read_bytes() + (project / LOCK).read_bytes()
    wanted = hashlib.sha256(f"{sys.version_info[:2]}".encode() + locks).hexdigest()
    if not (vendor.is_dir() and wheels.is_dir() and stamp.is_file() and stamp.read_text() == wanted):
        _pip(project, "install", "--no-deps", "--upgrade", "--target", VENDOR, "--requirement", VENDOR_LOCK)
        download = ("download", "--dest", WHEELS, "--requirement", LOCK)
        _pip(project, *download)
        for processor in PROCESSORS:
            tags = [f"--platform={glibc}_{processor}" for glibc in ("manylinux2014", "manylinux_2_28")]
            _pip(project, *download, "--no-deps", "--only-binary", ":all:", *tags)
        stamp.write_text(wanted)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels.absolute())}


def _pip(project: Path, *words: str | Path) -> None:
    ran = subprocess.run([*PIP, *words, "--require-hashes"], cwd=project, capture_output=True, text=True, check=False)
    if ran.returncode:
        said = (ran.stderr.strip() or f"pip ended with {ran.returncode}").splitlines()[-1]
        raise LibrariesMissing(f"The libraries that Lambda needs could not be fetched: {said.removeprefix('ERROR: ')}")


if __name__ == "__main__":
    try:
        fetch_libraries(Path.cwd())
    except LibrariesMissing as error:
        sys.exit(str(error))
