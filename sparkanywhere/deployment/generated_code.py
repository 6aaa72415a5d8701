"""What importing the control plane compiles beside its modules, compiled: cold_start.py takes it on Lambda.

A dataclass writes some six functions as text when its module is imported, and compiles each; regular expressions are
compiled there, too. Together that is a fifth of what the import takes from bytecode. Run as a program, this writes a
file of it: a tuple of the version of compiled expressions (_sre.MAGIC), of {text: code} for dataclasses, and of
{(expression, flags): arguments of _sre.compile but for the expression}. They are of this version of Python.
"""

from __future__ import annotations

import dataclasses
import importlib
import marshal
import pkgutil
import re
import sys
from contextlib import suppress
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

from chalicelib import __name__ as control_plane
from chalicelib import __path__ as folders

REPRODUCIBLE = 2  # marshal's last format that does not depend on what else refers to a constant

Patterns = dict[tuple[str | bytes, int], tuple[Any, ...]]  # Any: what _sre.compile takes


def generated_code() -> tuple[int, dict[str, CodeType], Patterns]:
    """Import all modules of the control plane; return what that compiles.

    Modules that are imported already add nothing.
    """
    methods: dict[str, CodeType] = {}
    patterns: Patterns = {}
    compiler = re._compiler  # type: ignore[attr-defined]  # as in cold_start.py
    compile_pattern, sre, last = compiler.compile, compiler._sre, [()]

    def run(text: str, names: dict[str, Any], made: dict[str, Any]) -> None:
        methods[text] = compile(text, "<string>", "exec")
        exec(methods[text], names, made)

    def note(pattern: Any, flags: int, code: list[int], *groups: Any) -> Any:
        last[0] = int(flags), [int(each) for each in code], *groups  # named numbers cannot be written
        return sre.compile(pattern, flags, code, *groups)

    def find_pattern(pattern: Any, flags: int = 0) -> Any:
        made = compile_pattern(pattern, flags)
        if isinstance(pattern, (str, bytes)):
            patterns[pattern, int(flags)] = last[0]
        return made

    dataclasses.exec = run  # type: ignore[attr-defined]
    compiler._sre = SimpleNamespace(**vars(sre) | {"compile": note})
    compiler.compile = find_pattern
    for module in pkgutil.walk_packages(folders, f"{control_plane}."):
        with suppress(ImportError):  # of a provider that is not installed here
            importlib.import_module(module.name)
    return sre.MAGIC, methods, patterns


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(marshal.dumps(generated_code(), REPRODUCIBLE))
