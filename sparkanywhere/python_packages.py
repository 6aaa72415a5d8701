"""Folders of Python packages, installed once for what is asked for and the Python that is to import them.

They lie in the cache by the hash of both, and go onto PYTHONPATH as they are. pip of the Python that runs us does it
(docs: pip install --target, --platform, --python); it knows the user's index, proxy and certificates. What Spark needs:
"Installation" of its PySpark documentation, Dependencies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PIP = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--quiet")
RECIPE = "1"  # goes up when the same packages would give another folder
INSTALL_SECONDS = 1800.0  # hundreds of megabytes from a slow index
GLIBC = ("2_28", "2014")  # the oldest systems that wheels are made for, as manylinux names them
IMAGE_PYTHON = "3.11"  # of Debian 12, which our image is made of
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # Kubernetes' word -> that of wheels
MOST_BUILT = 8  # packages without a wheel, of one list
NO_WHEEL = re.compile(r"^ERROR: No matching distribution found for ([^\s(]+)", re.MULTILINE)
INDEX_OPTIONS = ("-i", "-f", "--index-url", "--extra-index-url", "--no-index", "--find-links", "--trusted-host")
UNREACHED = "after connection broken by"  # pip's warning; its error says only that it found nothing


def machine_of(architecture: str) -> str:
    """Return wheels' word for what an engine calls its architecture: Docker's has it of the kernel, Podman of Go."""
    return MACHINES.get(architecture, architecture)


class PackagesFailed(Exception):
    """The packages could not be installed; str() is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What imports the packages: an interpreter of this machine, or a version of CPython on Linux and a machine."""

    interpreter: str = ""
    version: str = IMAGE_PYTHON
    machine: str = "x86_64"

    @property
    def identity(self) -> str:
        """Return what tells it from others."""
        if not self.interpreter:
            return f"{self.version} {self.machine}"
        asks = "import sys, sysconfig; print(sys.version_info[:2], sysconfig.get_platform())"
        ran = subprocess.run([self.interpreter, "-c", asks], capture_output=True, text=True, check=True, cwd="/")
        return ran.stdout.strip()

    def command(self) -> list[str]:
        """Return the pip that installs for it."""
        if self.interpreter:
            return [*PIP, "--python", self.interpreter, "install"]
        platforms = [word for each in GLIBC for word in ("--platform", f"manylinux{_mark(each)}_{self.machine}")]
        return [*PIP, "install", "--python-version", self.version, "--only-binary", ":all:", *platforms]


def _mark(glibc: str) -> str:
    return f"_{glibc}" if "_" in glibc else glibc


def spark_needs(version: str) -> dict[str, str]:
    """Return the packages that pandas functions and Spark Connect need: name -> the versions that fit this Spark."""
    if int(version.partition(".")[0]) < 4:
        return {"pandas": ">=2,<2.3", "numpy": "<2", "pyarrow": ">=12,<20"}  # 3.5 uses names that numpy 2 has dropped
    return {"pandas": ">=2.2,<3", "pyarrow": ">=18"}  # Spark 4.3 warns of pandas 3


def as_lines(needs: Mapping[str, str]) -> str:
    """Return packages and their versions as lines of a requirements file."""
    return "".join(f"{name}{versions}\n" for name, versions in needs.items())


def requirements_of(path: Path) -> str:
    """Return the lines of a requirements file, or the dependencies of a pyproject.toml. Raises PackagesFailed."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".toml":
            return text
        return "".join(f"{each}\n" for each in tomllib.loads(text).get("project", {}).get("dependencies", []))
    except (OSError, ValueError) as error:
        raise PackagesFailed(f"{path} cannot be read: {error}") from error


def ensure_packages(
    lines: str, runtime: Runtime, *, cache: Path, beside: Path | None = None, before: Callable[[], None] = lambda: None
) -> Path:
    """Return the folder with the packages that the lines of a requirements file ask for, installed if it is not there.

    Paths in the lines are relative to the folder `beside`; `before` is called where something is installed. A run that
    is killed leaves nothing that a later one takes for complete; of two at once the second waits. Raises
    PackagesFailed.
    """
    wanted = "\n".join(stripped for each in lines.splitlines() if (stripped := each.split(" #")[0].strip()))
    try:
        content = f"{RECIPE}\n{runtime.identity}\n{wanted}"
    except (OSError, subprocess.SubprocessError) as error:
        raise PackagesFailed(f"{runtime.interpreter} does not run: {error}") from error
    folder = cache / "python" / hashlib.sha256(content.encode()).hexdigest()[:16]
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.is_dir():
                before()
                _install(wanted, runtime, folder, beside or Path.cwd())
    except OSError as error:  # a cache that cannot be written, a full disk
        raise PackagesFailed(f"Python packages cannot be kept: {error}") from error
    return folder


def _install(wanted: str, runtime: Runtime, folder: Path, beside: Path) -> None:
    staging = folder.with_suffix(".staging")
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed; we hold the lock
    staging.mkdir()
    asked = staging / "requirements.txt"
    asked.write_text(f"{wanted}\n", encoding="utf-8")
    command = [*runtime.command(), "--no-compile", "--target", str(staging / "packages"), "--requirement", str(asked)]
    try:
        ran = _run(command, beside)
        for _ in range(MOST_BUILT):
            lacking = None if runtime.interpreter else NO_WHEEL.search(ran.stderr)
            if not (ran.returncode and lacking):
                break
            index = [line for line in wanted.splitlines() if line.startswith(INDEX_OPTIONS)]
            if not _built([*index, lacking[1]], staging, beside):
                break
            ran = _run([*command, "--find-links", str(staging / "wheels")], beside)
        if ran.returncode:
            errors = [line for line in ran.stderr.splitlines() if line.startswith("ERROR:")]
            why = (errors or ran.stderr.splitlines() or ["it gave no reason"])[-1].removeprefix("ERROR:").strip()
            raise PackagesFailed(f"pip failed: {'it reached no package index' if UNREACHED in ran.stderr else why}")
        (staging / "packages").mkdir(exist_ok=True)  # of no requirements
        (staging / "packages").rename(folder)
    except subprocess.TimeoutExpired as error:
        raise PackagesFailed(f"pip failed: it took more than {error.timeout / 60:.0f} minutes") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)


def _built(lines: list[str], staging: Path, beside: Path) -> bool:
    """Return whether a package that has no wheel could be built here, as one for any machine, which was not there."""
    asked, wheels = staging / "sources.txt", staging / "wheels"
    asked.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    before = {*wheels.glob("*")}
    ran = _run([*PIP, "wheel", "--no-deps", "--wheel-dir", str(wheels), "--requirement", str(asked)], beside)
    return ran.returncode == 0 and any(each.name.endswith("-none-any.whl") for each in {*wheels.glob("*")} - before)


def packed(folder: Path) -> Path:
    """Return a .tar.gz of a folder of packages, beside it; made if it is not there, the same for the same folder."""
    archive = folder.with_suffix(".tar.gz")
    if not archive.exists():
        fresh = archive.with_suffix(f".{os.getpid()}")
        with tarfile.open(fresh, "w:gz", compresslevel=1) as tar:
            tar.add(folder, ".")
        fresh.replace(archive)
    return archive
