"""A function of ours in a Python of its own, which starts in 15 ms: without site-packages, with no code of others."""

from __future__ import annotations

from pathlib import Path

_FAMILY, _, _ = __name__.rpartition(".")  # not spelled out: an installed package has another name for it
ROOT = Path(__file__).resolve().parents[__name__.count(".")]  # the folder in which Python finds our top package


def own_program(python: str, module: str, call: str) -> list[str]:
    """Return the command of a Python that calls a function of `module`, which is beside this one.

    `call` is source, such as "main()"; it sees what is put behind the command in sys.argv[2:].
    """
    # behind Python's own modules, which packages that are installed beside ours may be called like
    imports = f"import sys; sys.path.append(sys.argv[1]); from {_FAMILY}.{module} import {call.partition('(')[0]}"
    return [python, "-I", "-S", "-c", f"{imports}; {call}", str(ROOT)]
