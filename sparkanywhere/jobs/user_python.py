"""The Python of whoever submits, where pods are processes of this machine and can run it.

PySpark itself comes from the Spark distribution, whose python/lib Spark puts first on PYTHONPATH; what is looked for
here is the interpreter, and with it the user's packages. Least versions: the metadata of PyPI's pyspark. An interpreter
that nobody chose gets pandas and pyarrow where it lacks them, from the cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import distributions
from pathlib import Path

from chalicelib.config import Settings
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.staging import Say, nothing
from sparkanywhere.python_packages import PackagesFailed, Runtime, as_lines, ensure_packages, spark_needs

LEAST = (((4, 3), (3, 11)), ((4, 1), (3, 10)), ((4, 0), (3, 9)), ((0, 0), (3, 8)))  # Spark from this one on, Python
NAMES = ("python", "python3")
PROBE_SECONDS = 30.0  # 0.05 s; a file system on a network gets patience
SHOWN = ("pandas", "pyarrow")
BESIDE_PANDAS = ("numpy", "python-dateutil", "pytz", "six", "tzdata")  # what pip installs with it
PROBE = f"""
import json, sys
from importlib.metadata import version
found = {{}}
for name in {(*SHOWN, *BESIDE_PANDAS)}:
    try:
        found[name] = version(name)
    except Exception:
        pass
print(json.dumps([sys.executable, sys.version_info[:2], found]))
"""


@dataclass(frozen=True, slots=True)
class UserPython:
    """An interpreter: its path, where it is from in words, its version, and those of pandas and the like it has."""

    path: str
    source: str
    version: tuple[int, int]
    packages: Mapping[str, str]

    def __str__(self) -> str:
        known = " and ".join(f"{name} {self.packages[name]}" for name in SHOWN if name in self.packages)
        lacked = next((name for name in SHOWN if name not in self.packages), "")
        told = [f"Python {_dotted(self.version)} ({self.source})", known and f"with {known}"]
        return ", ".join(filter(None, [*told, lacked and f"without {lacked}"]))


def with_users_python(
    spec: JobSpec, environ: Mapping[str, str], *, say: Say = nothing, ensure: Callable[..., Path] = ensure_packages
) -> JobSpec:
    """Return a job of this machine's processes with the Python that driver and executors run. Raises SpecError.

    That is --python, the active virtual or Conda environment, the environment that we are installed in where it is
    the caller's project's, `python` of the PATH, or else ours. What a job says otherwise of it stands. The last three
    get pandas and pyarrow by `ensure`; where that fails, `say` tells why and the job goes on.
    """
    if not spec.is_python or spec.archives or "PYSPARK_PYTHON" in {**spec.env, **spec.secret_env}:
        return spec
    found, is_chosen = _find(spec, environ)
    spec, why = replace(spec, python=found.path), ""
    if lines := "" if is_chosen else lacking(found, spec.spark):
        names = " and ".join(name for name in SHOWN if name not in found.packages)
        doing = f"Installing {names} for Python {_dotted(found.version)} (once) ..."
        cache = Settings.from_env(environ).cache_dir()
        try:
            folder = str(ensure(lines, Runtime(found.path), cache=cache, before=lambda: say(doing)))
        except PackagesFailed as error:
            why = f": {error}"
        else:
            added = {each.name: each.version for each in distributions(path=[folder])}
            found = replace(found, packages={**added, **found.packages})
            python_path = ":".join(filter(None, [spec.env.get("PYTHONPATH", ""), folder]))
            spec = replace(spec, env={**spec.env, "PYTHONPATH": python_path})
    say(f"{found}{why}")
    return spec


def check_python(spec: JobSpec, environ: Mapping[str, str]) -> None:
    """Return if a job of this machine's processes has a Python that can run it. Raises SpecError."""
    if spec.is_python and spec.python:
        _find(spec, environ)


def lacking(found: UserPython, spark: str) -> str:
    """Return lines of a requirements file for what it lacks for a Spark, "" for nothing.

    PYTHONPATH comes before an interpreter's own packages, which may be built for one another: what it has of those that
    come along is asked for in the same version. Nothing is compiled for this.
    """
    needs = {name: versions for name, versions in spark_needs(spark).items() if name not in found.packages}
    if "pandas" in needs:
        needs |= {name: f"=={found.packages[name]}" for name in BESIDE_PANDAS if name in found.packages}
    return f"--only-binary :all:\n{as_lines(needs)}" if needs else ""


def _find(spec: JobSpec, environ: Mapping[str, str]) -> tuple[UserPython, bool]:
    """Return the interpreter for a job, and whether the user has chosen it. Raises SpecError."""
    least = next(python for spark, python in LEAST if _numbers(spec.spark) >= spark)
    for path, source, is_chosen in _candidates(spec, environ):
        found = probe(path, source)
        if found and found.version >= least:
            return found, is_chosen
        if is_chosen:
            why = f"is {_dotted(found.version)}" if found else "does not run"
            raise SpecError(
                f"Your Python ({source}) {why}, and Spark {spec.spark} needs {_dotted(least)} or newer:"
                " choose one by --python, or another Spark by --spark."
            )
    raise SpecError(f"There is no Python {_dotted(least)} or newer here, which Spark {spec.spark} needs: use --python.")


def probe(path: str, source: str) -> UserPython | None:
    """Return what an interpreter says of itself, None if it does not run."""
    try:
        ran = subprocess.run(
            [path, "-c", PROBE], cwd="/", capture_output=True, text=True, timeout=PROBE_SECONDS, check=True
        )
        executable, version, packages = json.loads(ran.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return UserPython(executable or path, source, (version[0], version[1]), packages)


def _candidates(spec: JobSpec, environ: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    """Yield (interpreter, where it is from, whether the user has chosen it), the first to take first."""
    if spec.python:
        found = shutil.which(spec.python, path=environ.get("PATH")) or spec.python
        yield os.path.abspath(found), spec.python, True
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if folder := environ.get(variable):
            name = next((each for each in NAMES if os.path.exists(f"{folder}/bin/{each}")), NAMES[0])
            yield f"{folder}/bin/{name}", _short(folder), True
    if Path(sys.prefix).parent in (Path.cwd(), *Path.cwd().parents):
        yield sys.executable, _short(sys.prefix), False
    for name in NAMES:
        if on_path := shutil.which(name, path=environ.get("PATH")):
            yield on_path, on_path, False
    yield sys.executable, "that of Sparkanywhere", False


def _short(folder: str) -> str:
    return os.path.relpath(folder) if Path.cwd() in Path(folder).parents else folder


def _numbers(version: str) -> tuple[int, int]:
    major, minor = (*version.split("."), "0")[:2]
    return int(major), int(minor)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
