"""Chalice's archive, with the bytecode of all its modules: Lambda's folder cannot be written to, and compiling is slow.

With it comes what importing them compiles beside (generated_code.py).

A function that starts would compile each module anew, which is most of the time that it takes to start. The bytecode is
valid whatever the time of its source (PEP 552, unchecked), since what unpacks the archive sets times of its own. The
same content makes the same archive, byte for byte.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from chalice.deploy.packager import LambdaDeploymentPackager

from chalicelib.cold_start import GENERATED
from sparkanywhere.deployment import generated_code
from sparkanywhere.project import PROJECT

TASK_ROOT = "/var/task"  # where Lambda unpacks it: what tracebacks name
EXECUTABLE = 0o111 << 16  # in what an archive notes of a file for Unix
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that an archive can tell


class CompilingPackager(LambdaDeploymentPackager):
    """Makes the archive that Chalice makes, compiled."""

    def create_deployment_package(self, project_dir: str, python_version: str) -> str:
        """Return the archive's path; one of the same content is used again."""
        made: str = super().create_deployment_package(project_dir, python_version)
        if python_version == f"python{sys.version_info.major}.{sys.version_info.minor}":
            compile_archive(Path(made))
        return made


def compile_archive(archive: Path) -> None:
    """Compile the modules of an archive for this Python, and put their bytecode in. May be repeated."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as name:
        folder = Path(name, "task")
        with zipfile.ZipFile(archive) as packed:
            if f"__pycache__/app.{sys.implementation.cache_tag}.pyc" in packed.namelist():
                return
            packed.extractall(folder)
            modes = {each.filename: each.external_attr for each in packed.infolist()}
        for stray in folder.rglob("*.pyc"):  # of other times, or of another Python
            stray.unlink()
        how = ["-q", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", TASK_ROOT]
        command = [sys.executable, "-I", "-m", "compileall", *how, str(folder)]
        subprocess.run(command, check=False)  # a module in another Python's syntax is left as it is
        for module in folder.glob("*/cold_start.py"):
            command = [sys.executable, "-m", generated_code.__name__, str(module.with_name(GENERATED).resolve())]
            subprocess.run(command, cwd=PROJECT, check=True)
        whole = Path(name, archive.name)
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
                entry.external_attr = modes.get(entry.filename, modes["app.py"])
                if path.suffix == ".sh":  # a package that was installed may have lost it
                    entry.external_attr |= EXECUTABLE
                entry.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(entry, path.read_bytes())
        os.replace(whole, archive)
