"""Pure: where a container's paths lie on the host, and every mention of them rewritten.

A process sees the host's file system, not an image's, so a mount at /data is a directory elsewhere,
and whoever says /data to the process must say that directory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

# A mention begins a path: after the start, a space, a quote, `=`, `:`, `,` or the `//` of a URL, but not
# within another path (x/data, ./data, ~/data) nor after an expansion (${X}/data, $(x)/data, */data).
_BEFORE = r"(?:(?<=://)|(?<![\w.\-/~}\)\]*%+@]))"
# It ends at the end of a name: /data and /data/x are meant, /data2, /data-2 and /data.txt are not.
_AFTER = r"(?![\w.\-~%+@])"
_PROPERTY_SPECIAL = re.compile(r"[\\:=#!]")


class PathMap:
    """Places in a container and where on the host they are; the longest place that fits decides."""

    def __init__(self, places: Iterable[tuple[str, str]]) -> None:
        self._hosts = {place.rstrip("/"): host for place, host in places if place.strip("/")}
        longest_first = sorted(self._hosts, key=len, reverse=True)
        names = "|".join(re.escape(place) for place in longest_first)
        self._pattern = re.compile(f"{_BEFORE}(?:{names}){_AFTER}") if names else None

    def rewrite(self, text: str) -> str:
        """Return `text` with every mention of a place replaced by where it is on the host."""
        return self._replace(text, lambda host: host)

    def rewrite_properties(self, text: str) -> str:
        """Do the same in a Java properties file, whose values escape some characters."""
        return self._replace(text, lambda host: _PROPERTY_SPECIAL.sub(r"\\\g<0>", host))

    def _replace(self, text: str, write: Callable[[str], str]) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: write(self._hosts[match.group()]), text)
