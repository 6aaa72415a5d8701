"""Folders that nobody but their owner may look into. Used by whatever keeps state on a disk."""

from __future__ import annotations

import contextlib
from pathlib import Path

OWNER_ONLY = 0o700


def make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, all with mode 0700. May be repeated. Raises OSError.

    What exists keeps its mode. Path.mkdir(parents=True) would give its mode to the last folder alone, and leave the
    others open to the machine.
    """
    if not folder.parent.exists():
        make_private(folder.parent)
    folder.mkdir(mode=OWNER_ONLY, exist_ok=True)


def close_folder(folder: Path) -> None:
    """Make a folder private also where it exists, if it is ours to say so. May be repeated. Raises OSError."""
    make_private(folder)
    with contextlib.suppress(PermissionError):  # of another user, who lets us write there
        folder.chmod(OWNER_ONLY)
