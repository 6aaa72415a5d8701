"""Ends processes whose supervisor was killed, known by the variable that marks every process of a task."""

from __future__ import annotations

import contextlib
import time

import psutil

from chalicelib.providers.process.records import MARKER

ROUNDS = 50  # a killed process may have started another just before
PAUSE_SECONDS = 0.01


def kill_leftovers(handle: str) -> None:
    """Send SIGKILL to every process of the task until none is found, at most half a second."""
    for _ in range(ROUNDS):
        found = [process for process in psutil.process_iter() if _is_of_task(process, handle)]
        if not found:
            return
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(PAUSE_SECONDS)


def _is_of_task(process: psutil.Process, handle: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get(MARKER, "").startswith(f"{handle}/")
    except (psutil.Error, OSError):
        return False
