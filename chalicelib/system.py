"""What the operating system has beyond what all systems have that we run on: the one place that asks which it is.

Linux has all of it, macOS none. Who uses such a thing asks has() first, and does without it elsewhere. The variable
SPARKANYWHERE_SYSTEM_LACKS takes things away, so that Linux walks the other systems' path; programs that are started
with an environment of their own get it by passed_on(). The supervisor imports this: the standard library alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import Enum

VARIABLE = "SPARKANYWHERE_SYSTEM_LACKS"
EVERYTHING = "all"


class Feature(Enum):
    """Something that a system has or lacks; the value is its name in the variable."""

    PROC = "proc"  # /proc: all processes, what memory each holds
    ENVIRONMENTS = "environments"  # any own process's variables; macOS hides those of the programs it comes with
    PRCTL = "prctl"  # prctl(2): adopted orphans, children that die with their parent, no new privileges
    NAMESPACES = "namespaces"  # PID and mount namespaces
    LOOPBACK = "loopback"  # every address of 127.0.0.0/8, not 127.0.0.1 alone
    PEERS = "peers"  # sock_diag(7): which user holds the other end of a connection
    SIGPWR = "sigpwr"  # the signal by which Spark's executors are decommissioned


NAMES = (*(feature.value for feature in Feature), EVERYTHING)


def lacking(environ: Mapping[str, str]) -> set[str]:
    """Return the names that the variable holds; whoever reads settings refuses those that are not in NAMES."""
    return set(filter(None, environ.get(VARIABLE, "").split(",")))


def has(feature: Feature) -> bool:
    """Return whether this system has a feature, and may use it."""
    return sys.platform.startswith("linux") and not {feature.value, EVERYTHING} & lacking(os.environ)


def passed_on() -> dict[str, str]:
    """Return the variable, if it is set, for the environment of a program of ours."""
    return {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}


# Not features: both kinds of system have these, each in its own way.
IS_MAC = sys.platform == "darwin"
TAR_RENAME = "-s" if IS_MAC else "--transform=s"  # the option of BSD's tar, and of GNU's, before #from#to#flags
STAT_LINE = "-f '%z %m %N'" if IS_MAC else "-c '%s %Y %n'"  # options of stat: a line of size, time and path
LOCALE = "en_US.UTF-8" if IS_MAC else "C.UTF-8"  # one in UTF-8 that is always there
# macOS has a /usr/bin/java even where there is no Java; without one it opens a window that offers to install it.
JAVA_STUB = "/usr/bin/java" if IS_MAC else ""
