"""Who we are to a Docker engine that several control planes may share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

FILE = "control-plane-id"


def find(state: Path) -> str:
    """Return the id of the control plane whose state is in `state`, "" if it has none."""
    try:
        return (state / FILE).read_text().strip()
    except FileNotFoundError:
        return ""


def control_plane_id(state: Path, instance: str, new_uid: Callable[[], str]) -> str:
    """Return the id of the control plane whose state is in `state`, made and kept there the first time.

    The instance's name alone would not do: two people on one engine both call theirs `default`, and each would
    take the other's containers for orphans of its own.
    """
    known = find(state)
    if known:
        return known
    path = state / FILE
    fresh = path.with_name(f".{FILE}-{os.getpid()}")
    fresh.write_text(f"{instance}-{new_uid().replace('-', '')[:8]}\n")
    try:
        os.link(fresh, path)  # unless another process was first
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return find(state)
