"""The default that `sparkanywhere use` sets: one line in a file of the user's own."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from chalicelib.private_folder import write_private
from sparkanywhere.client.kube_client import NoAccess


def default_file(environ: Mapping[str, str]) -> Path:
    """Return the file, whether or not it exists; a relative XDG_CONFIG_HOME counts for nothing, as XDG has it."""
    given = Path(environ.get("XDG_CONFIG_HOME", ""))
    home = given if given.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".config"
    return home / "sparkanywhere" / "context"


def default_context(environ: Mapping[str, str]) -> str:
    """Return the name that was set, "" if none was. Raises NoAccess if the file cannot be read."""
    path = default_file(environ)
    try:
        return path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        raise NoAccess(f"{path}, which has the default of `sparkanywhere use`, cannot be read: {error}") from error


def set_default_context(environ: Mapping[str, str], name: str) -> None:
    """Set the default; "" removes it. May be repeated. Raises NoAccess."""
    path = default_file(environ)
    try:
        if name:
            write_private(path, f"{name}\n".encode())
        else:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
    except OSError as error:
        raise NoAccess(f"{error.filename or path} cannot be written: {error.strerror}") from error
