"""The errors of a log for a person: the same one once, with how often it came, paths as they know them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.error_blocks import error_blocks
from chalicelib.controllers.causes.log_lines import split
from chalicelib.controllers.causes.user_paths import UserPaths

LONGEST_LOG_BYTES = 64_000_000  # of a longer one the end is looked at


def error_lines(log: Iterable[bytes], driver: JSON) -> Iterator[str]:
    """Yield the lines to print for a log; the application's driver, {} for none, tells which files are the user's."""
    kept: deque[bytes] = deque()
    size = 0
    for piece in log:
        kept.append(piece)
        size += len(piece)
        while size - len(kept[0]) >= LONGEST_LOG_BYTES:
            size -= len(kept.popleft())
    found = error_blocks(split(b"".join(kept).decode(errors="replace")), UserPaths(driver))
    for number, block in enumerate(found):
        if number:
            yield ""
        yield from block.lines
        if block.count > 1:
            yield f"({block.count} times)"
    if not found:
        yield "Its log holds no errors."
