"""`make bench`: run the benchmarks, or those named, print their tables, and write them into docs/benchmarks.md.

A module of this package with a function `run() -> str` is a benchmark. If one fails, the failure is printed and the
others still run. On the page a benchmark's table stands between two comments that name it; without these the table
is only printed.
"""

from __future__ import annotations

import os
import pkgutil
import platform
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import cast

import benchmarks

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
# Those that need a Spark or an engine, or half an hour: run if the variable is set, or if named.
ON_REQUEST = {
    **dict.fromkeys(("pi", "cli", "jvm", "connect_query", "keep_shuffle"), "PI"),
    **dict.fromkeys(("docker", "docker_pi", "start", "parked", "work"), "DOCKER"),
    **dict.fromkeys(("aws_jobs", "scale"), "JOBS"),
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all that need nothing but this machine; return 0 if none failed."""
    failed = []
    for name in names or [name for name in found() if is_wanted(name, os.environ)]:
        run = cast(Callable[[], str], import_module(f"benchmarks.{name}").run)
        print(f"### {name}\n", flush=True)
        when = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}; `make bench BENCH={name}`"
        try:
            text = f"{when}\n\n{run()}"
            print(f"{text}\n", flush=True)
            PAGE.write_text(placed(PAGE.read_text(), name, text))
        except Exception as error:  # the edge: one benchmark that fails must not take the others with it
            failed.append(name)
            print(f"failed: {type(error).__name__}: {error}\n", flush=True)
    return 1 if failed else 0


def is_wanted(name: str, environ: Mapping[str, str]) -> bool:
    """Return whether a benchmark runs when none is named."""
    return name not in ON_REQUEST or environ.get(ON_REQUEST[name], "") not in ("", "0")


def placed(page: str, name: str, text: str) -> str:
    """Return the page with `text` between the comments of that benchmark, if it has them."""
    pattern = rf"(<!-- bench {name}: .*? -->\n).*?(<!-- bench {name} ends -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{text}\n{found[2]}", page, flags=re.DOTALL)


def found() -> list[str]:
    """Return the names of the benchmarks, in order."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    return [name for name in names if not name.startswith("_") and hasattr(module_of(name), "run")]


def module_of(name: str) -> object:
    """Return the module of a benchmark."""
    return import_module(f"benchmarks.{name}")


def machine() -> str:
    """Return what kind of machine this is and its load, without which the figures mean nothing."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, load {load:.1f} before"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
