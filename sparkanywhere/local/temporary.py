"""A server that ends with the command that has started it, however that ends, and takes along all that it ran.

The command holds the other end of the server's standard input, which the kernel closes when its process is gone: killed
by SIGKILL it can clear nothing away itself, and its job would run on with nobody to follow or to end it.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from contextlib import suppress
from dataclasses import replace

from chalicelib.config import Settings
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.local.providers import remove_leftovers

STDIN = 0


class Starter:
    """The command that has started this process, watched by a thread of its own."""

    def __init__(self) -> None:
        self.is_gone = False
        threading.Thread(target=self._watch, name="starter", daemon=True).start()

    def _watch(self) -> None:
        with suppress(OSError):
            while os.read(STDIN, 1024):
                pass
        self.is_gone = True
        os.kill(os.getpid(), signal.SIGTERM)  # as if it had asked us to end


def clear_away(settings: Settings, *, provider: str, hand_over_to: str = "") -> None:
    """Remove what a temporary server that has ended left running, and its state. May be repeated.

    The records of its pods go to the instance `hand_over_to` of the same state folder, if one is named.
    """
    folder = settings.state_dir()
    if not folder.is_dir():  # it could not be made, so nothing was started
        return
    if hand_over_to:
        from sparkanywhere.local.left_records import hand_over  # a third of a second of a busy machine

        hand_over(settings, replace(settings, instance=hand_over_to))
    with suppress(ProviderUnavailable):  # then all went with the engine, or `make down` removes it
        remove_leftovers(folder, settings, providers=[provider])
    shutil.rmtree(folder, ignore_errors=True)
