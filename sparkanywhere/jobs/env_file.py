"""A file of environment variables in docker's format: NAME=VALUE a line, the value as it stands, quotes included.

Reference: docs.docker.com, docker container run, --env-file. A NAME alone is taken over from our own environment, if it
is there; lines that begin with # and empty ones are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sparkanywhere.jobs.spec import SpecError


def read_env_file(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a file. Raises SpecError, which names the line."""
    try:
        lines = Path(name).read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise SpecError(f"--env-file {name} is not there.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"--env-file {name} cannot be read: {error}.") from error
    found = {}
    for number, line in enumerate(map(str.lstrip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        variable, equals, value = line.partition("=")
        if not variable or variable.split() != [variable]:
            raise SpecError(f"--env-file {name}, line {number}: {variable!r} is no name of a variable.")
        if equals:
            found[variable] = value
        elif variable in environ:
            found[variable] = environ[variable]
    return found
