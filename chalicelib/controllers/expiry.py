"""Expiry: finished pods go after a while, with their logs; Events after an hour; the store's history in time."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib.apimachinery.status import JSON, StatusError
from chalicelib.apimachinery.time import find_time
from chalicelib.controllers.garbage import DeleteObject
from chalicelib.registry.keys import prefix
from chalicelib.storage.base import Storage

LOG = logging.getLogger(__name__)

TTL_ANNOTATION = "sparkanywhere.io/ttl"  # seconds, or 90s, 15m, 12h, 7d; `never` keeps the pod
PAGE = 500  # pods read at once

_TTL = re.compile(r"(\d+)([smhd]?)")
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_FINISHED = re.compile(r'"phase":\s*"(?:Succeeded|Failed)"')


class PodExpiry:
    """Deletes pods that finished longer ago than `keep_seconds`, or than their annotation says."""

    def __init__(
        self, *, storage: Storage, delete: DeleteObject, clock: Callable[[], datetime], keep_seconds: float
    ) -> None:
        self._storage = storage
        self._delete = delete
        self._clock = clock
        self._keep_seconds = keep_seconds

    def sweep(self) -> None:
        """Delete what has expired by now."""
        start_key: str | None = None
        while True:
            page = self._storage.list(prefix("pods"), limit=PAGE, start_key=start_key)
            for item in page.items:
                if _FINISHED.search(item.json):
                    self._judge(item.object())
            if page.next_key is None:
                return
            start_key = page.next_key

    def _judge(self, pod: JSON) -> None:
        metadata = pod["metadata"]
        keep = keep_seconds(pod, self._keep_seconds)
        finished = finished_at(pod)
        if keep is None or finished is None or self._clock() - finished < timedelta(seconds=keep):
            return
        LOG.info("pod expired namespace=%s name=%s", metadata.get("namespace"), metadata["name"])
        try:
            self._delete("pods", metadata.get("namespace", ""), metadata["name"], uid=metadata["uid"])
        except StatusError as error:
            if error.code not in (404, 409):
                LOG.warning("pod stays name=%s message=%s", metadata["name"], error.message)


def keep_seconds(pod: JSON, default: float) -> float | None:
    """Return how long a finished pod is kept; None for ever. An unreadable annotation counts as none."""
    text = str((pod["metadata"].get("annotations") or {}).get(TTL_ANNOTATION, "")).strip().lower()
    if text == "never":
        return None
    match = _TTL.fullmatch(text)
    return float(match[1]) * _UNIT_SECONDS[match[2]] if match else default


def finished_at(pod: JSON) -> datetime | None:
    """Return when a finished pod's last container ended, else when it was found finished, else created; else None."""
    status = pod.get("status") or {}
    if status.get("phase") not in ("Succeeded", "Failed"):
        return None
    ended = [
        (each.get("state") or {}).get("terminated") or {} for each in status.get("containerStatuses") or ()
    ]
    times = [found for each in ended if (found := find_time(each.get("finishedAt")))]
    if times:
        return max(times)
    ready = [each for each in status.get("conditions") or () if each.get("type") == "Ready"]
    seen = find_time(ready[0].get("lastTransitionTime")) if ready else None
    return seen or find_time(pod["metadata"].get("creationTimestamp"))
