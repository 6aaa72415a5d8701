"""Polled watches: answered at once, for clients that come back by themselves and can be told when.

On Lambda a watch that is held costs a function all the time. The Java client (fabric8), which is Spark's, takes the end
of an answer for an interruption: it waits for its own interval, a second, and goes on from the last revision. Since 6.7
it waits longer where an answer ends with an ERROR event whose Status has retryAfterSeconds (AbstractWatchManager in its
source), and logs that Status. A 429 with Retry-After does not do it: it is read, but up to 7.8 at least not
waited for (AsyncUtils). Older clients come back every second.

From 7.0 on the client releases an answer that has ended only when it sends the next request, and then closes the
answer's connection, whatever has begun on it since. At an ERROR event it releases it at once.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from chalicelib.endpoints.http.requests import RequestInfo

PAUSE_SECONDS = 10  # of the client of a quiet watch
QUIET_PER_PAUSE = 3  # a watch that has been quiet for so many seconds is asked for a second later
MAX_WATCHES = 1_000  # whose last change is remembered
FABRIC8 = re.compile(r"fabric8-kubernetes-client/(\d+)\.(\d+)")


def _fabric8(info: RequestInfo) -> tuple[int, int]:
    """Return the version of the Java client that asks; (0, 0) for any other client."""
    found = FABRIC8.match(info.headers.get("user-agent", ""))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def is_polled(info: RequestInfo) -> bool:
    """Return whether the client of a watch may be answered at once.

    It must take bookmarks: fabric8 7.8 and later take an answer without any event in under 2 s for a lost watch.
    """
    return _fabric8(info) > (0, 0) and info.flag("allowWatchBookmarks") and not info.flag("sendInitialEvents")


def is_spark_listing_executors(info: RequestInfo) -> bool:
    """Return whether a Spark driver lists its executors, as it does in case that its watch has missed one.

    It asks for those of one application that it has not given up (ExecutorPodsPollingSnapshotSource, 3.1 to 4.3);
    other programs with its client, which may read more of a pod, hardly name its mark for these.
    """
    selected = info.first("labelSelector").split(",")
    is_sparks = {"spark-role=executor", "spark-exec-inactive!=true"} <= set(selected)
    return is_sparks and _fabric8(info) > (0, 0) and any(each.startswith("spark-app-selector=") for each in selected)


def lets_go_late(info: RequestInfo) -> bool:
    """Return whether the client holds on to an answer without an ERROR at the cost of requests beside it.

    Who watches one object has no other request under way that could be lost.
    """
    return _fabric8(info) >= (7, 0) and "metadata.name=" not in info.first("fieldSelector")


class Pauses:
    """Remembers when watches had something to tell, and says how long their clients are to wait.

    What another environment of the function has told a watch is not known here: its client then waits longer at once.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._changed: OrderedDict[tuple[str, ...], datetime] = OrderedDict()

    def next(self, info: RequestInfo, *, has_news: bool) -> int:
        """Return the seconds from this answer to the next request; 1 is what the client waits by itself."""
        now = self._clock()
        watch = (info.user.name, info.path, info.first("labelSelector"), info.first("fieldSelector"))
        if has_news or watch not in self._changed:
            self._changed[watch] = now
            self._changed.move_to_end(watch)
            while len(self._changed) > MAX_WATCHES:
                self._changed.popitem(last=False)
        if _fabric8(info) < (6, 7):
            return 1
        quiet = (now - self._changed[watch]).total_seconds()
        return min(PAUSE_SECONDS, max(1, int(quiet / QUIET_PER_PAUSE)))
