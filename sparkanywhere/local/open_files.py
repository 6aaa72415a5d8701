"""How many files this process may have open at once."""

from __future__ import annotations

import resource
from collections.abc import Callable

Limits = tuple[int, int]  # of this process now, and the highest that it may set


def raise_open_files(
    wanted: int,
    *,
    get: Callable[[], Limits] = lambda: resource.getrlimit(resource.RLIMIT_NOFILE),
    set_limits: Callable[[Limits], None] = lambda limits: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
) -> None:
    """Raise the limit to `wanted`, or as near to it as the system lets us. Never lowers it; may be repeated.

    macOS refuses more than kern.maxfilesperproc although it says that there is no highest; setrlimit(2).
    """
    soft, hard = get()
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    while soft != resource.RLIM_INFINITY and wanted > soft:
        try:
            set_limits((wanted, hard))
        except (OSError, ValueError):
            wanted = wanted * 3 // 4
        else:
            return
