"""Whether pods can have namespaces of their own here, and what a command may not do where they have none."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Sequence

from chalicelib import system
from chalicelib.providers.supervised.own_program import own_program
from chalicelib.system import Feature

TRY_SECONDS = 10.0  # it takes some 50 ms; a machine that needs longer is not one to count on
TURNED_OFF = "SPARKANYWHERE_PROCESS_NAMESPACES is 0"
_PICKS = re.compile(r"\b(?:pkill|pgrep|pidof|pidwait|killall5?|skill)\b")
_KILL = re.compile(r"\bkill\b((?:\s+[^\s;|&)]+)+)")
_EVERY = {"1", "-1"}  # init, and everything that may be signalled


def obstacle(*, wanted: bool = True) -> str:
    """Return why no process here has namespaces of its own; "" if it can. It is tried once, and if it is `wanted`."""
    if not wanted:
        return TURNED_OFF
    return _try_it() if system.has(Feature.NAMESPACES) else "only Linux has namespaces"


@functools.cache
def _try_it() -> str:
    command = own_program(sys.executable, "supervisor.spawning", "try_isolation()")
    env = {"PATH": os.environ.get("PATH", os.defpath)}
    try:
        tried = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TRY_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"the attempt failed: {error}"
    last = tried.stderr.strip().splitlines()[-1:]
    return "" if tried.returncode == 0 else "".join(last) or "the attempt failed"


def reaches_out(command: Sequence[str]) -> bool:
    """Return whether a command picks processes by name or user, or signals process 1 or all: on a host, anybody's."""
    text = " ".join(command)
    if _PICKS.search(text):
        return True
    return any(_EVERY & set(_targets(match[1].split())) for match in _KILL.finditer(text))


def _targets(words: list[str]) -> list[str]:
    """Return whom a `kill` with these words signals: the first that begins with - may name the signal."""
    if words[:1] in (["-s"], ["-n"]):
        words = words[2:]
    elif words[0].startswith("-") and words[0] != "--" and len(words) > 1:
        words = words[1:]
    return [word.strip("'\"") for word in words]
