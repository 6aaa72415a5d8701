"""`make bench`: run every benchmark, or those named, and print their tables.

A module of this package with a function `run() -> str` is a benchmark. One that fails is told, and the rest go on.
"""

from __future__ import annotations

import os
import pkgutil
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import cast

import benchmarks


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return 0 if none failed."""
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}\n", flush=True)
    failed = []
    for name in names or found():
        run = cast(Callable[[], str], import_module(f"benchmarks.{name}").run)
        print(f"### {name}\n", flush=True)
        try:
            print(f"{run()}\n", flush=True)
        except Exception as error:  # the edge: one benchmark that fails must not take the others with it
            failed.append(name)
            print(f"failed: {type(error).__name__}: {error}\n", flush=True)
    return 1 if failed else 0


def found() -> list[str]:
    """Return the names of the benchmarks, in order."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    return [name for name in names if not name.startswith("_") and hasattr(module_of(name), "run")]


def module_of(name: str) -> object:
    """Return the module of a benchmark."""
    return import_module(f"benchmarks.{name}")


def machine() -> str:
    """Return what kind of machine this is, and how busy it is: numbers mean nothing without."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, load {load:.1f} before"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
