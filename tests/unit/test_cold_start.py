"""While a function initialises, garbage is not looked for, and dataclasses take the code that the archive has."""

from __future__ import annotations

import marshal
import re
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.cold_start import GENERATED

PROGRAM = (
    "import gc; from chalicelib.cold_start import initialised; before = gc.isenabled(); initialised();"
    " print(before, gc.isenabled(), gc.get_freeze_count() > 0)"
)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({"AWS_LAMBDA_FUNCTION_NAME": "sparkanywhere-prod"}, "False True True\n"), ({}, "True True False\n")],
)
def test_garbage_is_left_alone_on_lambda_until_all_is_built(environ: dict[str, str], expected: str) -> None:
    path = {"PYTHONPATH": ":".join(sys.path)}

    done = subprocess.run([sys.executable, "-c", PROGRAM], env={**path, **environ}, capture_output=True, text=True)

    assert (done.stdout, done.stderr) == (expected, "")


TAKEN = """
import dataclasses, re, sys
from chalicelib.cold_start import take_generated_code
before = hasattr(dataclasses, "exec"), re._compiler.compile.__name__
take_generated_code(sys.argv[1])
made = dataclasses.make_dataclass("Point", ["x", "y"])(1, 2), re.compile("(?P<word>an)x").sub("b", "anx").upper()
print(before, made, hasattr(dataclasses, "exec"), re._compiler.compile.__name__)
"""


@pytest.mark.parametrize(("of_another", "by"), [(0, "find_pattern"), (1, "compile")])
def test_what_the_archive_lacks_or_has_of_another_python_is_compiled(tmp_path: Path, of_another: int, by: str) -> None:
    magic = re._compiler.MAGIC  # type: ignore[attr-defined]  # private, as where it is compared
    (tmp_path / GENERATED).write_bytes(marshal.dumps((magic + of_another, {}, {})))

    done = subprocess.run([sys.executable, "-c", TAKEN, tmp_path], capture_output=True, text=True)

    expected = f"(False, 'compile') (Point(x=1, y=2), 'B') True {by}\n"
    assert (done.stdout, done.stderr) == (expected, "")
