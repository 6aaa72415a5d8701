"""Garbage is not looked for while a function initialises, and is afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
