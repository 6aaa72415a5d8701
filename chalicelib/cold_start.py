"""What makes a cold start on Lambda short: app.py imports this before all else, and says when it is done.

Nothing of what is imported and built once is ever garbage, and looking for some takes a tenth of a cold start. A fifth
is compiling what is no module: the methods that dataclasses generate, and regular expressions. An archive has both
compiled (deployment/generated_code.py), and what it lacks is compiled as ever.
"""

from __future__ import annotations

import dataclasses
import gc
import marshal
import os
import re
import sys
from contextlib import suppress
from typing import Any

ON_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME" in os.environ  # not by config.py, whose import takes its time
GENERATED = f"generated.{sys.implementation.cache_tag}"  # beside this module, in an archive


def take_generated_code(folder: str) -> None:
    """Take what `dataclasses` and `re` compile from the archive's file, if it is in a folder.

    It holds what deployment/generated_code.py says.
    """
    with suppress(OSError), open(os.path.join(folder, GENERATED), "rb") as file:
        magic, methods, patterns = marshal.loads(file.read())  # load() would be many small reads
        compiler = re._compiler  # type: ignore[attr-defined]  # private, and the same in 3.11 to 3.14
        compile_pattern, sre = compiler.compile, compiler._sre

        def run(text: str, names: dict[str, Any], made: dict[str, Any]) -> None:
            exec(methods.get(text, text), names, made)

        def find_pattern(pattern: Any, flags: int = 0) -> Any:  # Any: a text, bytes, or what re has parsed already
            known = patterns.get((pattern, flags)) if isinstance(pattern, (str, bytes)) else None
            return sre.compile(pattern, *known) if known else compile_pattern(pattern, flags)

        dataclasses.exec = run  # type: ignore[attr-defined]  # the module finds it before the builtin of that name
        if magic == sre.MAGIC:
            compiler.compile = find_pattern


if ON_LAMBDA:
    gc.disable()
    take_generated_code(os.path.dirname(__file__))


def initialised() -> None:
    """Look for garbage from now on, and not in what is there. Elsewhere than on Lambda nothing happens."""
    if ON_LAMBDA:
        gc.enable()
        gc.freeze()
