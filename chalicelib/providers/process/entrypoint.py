"""The image's entry point as a program, for containers whose own command calls it by its path."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from chalicelib.providers.process import spark

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from chalicelib.providers.process.entrypoint import main; main(sys.argv[2:])"
)


def script(python: str) -> bytes:
    """Return a shell script that stands where the image has its entry point."""
    command = shlex.join([python, "-S", "-E", "-s", "-c", PROGRAM, str(ROOT)])
    return f'#!/bin/sh\nexec {command} "$@"\n'.encode()


def main(args: list[str]) -> None:
    """Become what the entry point would end in. The environment is the container's, and this program's input."""
    environ = dict(os.environ)
    command = spark.main_command(args, environ, Path(environ["SPARK_HOME"]))
    os.execvpe(command[0], command, environ)


if __name__ == "__main__":
    main(sys.argv[1:])
