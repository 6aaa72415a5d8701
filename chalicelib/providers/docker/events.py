"""Follow the engine's event stream, without a gap, for as long as we live.

An event is only a hint: what it is about is inspected anew. The engine keeps few events (256 of all kinds):
after every gap everything is listed again as well.
Reference: Docker Engine API v1.41, GET /events (`since` is inclusive, SECONDS.NANOS).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.engine import Client, Raw, Stream, close_stream, interrupt, reachable

LOG = logging.getLogger(__name__)

CHANGES = frozenset({"start", "die", "pause", "unpause", "destroy"})
# Podman's words, which it filters by; `cleanup` follows `die`, and makes `exited` of a container
PODMANS = {"died": "die", "cleanup": "cleanup", "remove": "destroy"}
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
NANOS = 1_000_000_000


class EventFollower:
    """A thread that calls `on_event(action, container id, attributes)`, and `resync` after each gap."""

    def __init__(
        self,
        client: Client,
        control_plane_id: str,
        *,
        on_event: Callable[[str, str, dict[str, str]], None],
        resync: Callable[[], None],
    ) -> None:
        self._client = client
        self._filters = {
            "type": ["container"],
            "label": [f"{labels.CONTROL_PLANE}={control_plane_id}"],
            "event": sorted({*CHANGES, *PODMANS}),
        }
        self._on_event = on_event
        self._resync = resync
        self._since = 0
        self._closed = threading.Event()
        self._connected = threading.Event()
        self._stream: Stream | None = None
        self._thread = threading.Thread(target=self._follow, name="docker-events", daemon=True)

    @property
    def is_connected(self) -> bool:
        """Return whether what is known is as new as the engine's last event."""
        return self._connected.is_set()

    def start(self) -> None:
        """List everything once, then follow. Raises ProviderUnavailable; later failures are retried."""
        self._begin()
        self._thread.start()

    def _begin(self) -> None:
        """Note the engine's time, open the stream from there, and list: nothing falls between."""
        with reachable():
            if not self._since:
                self._since = event_time(self._client.info()["SystemTime"])
            self._stream = self._client.events(since=since_text(self._since), filters=self._filters, decode=True)
        self._resync()
        self._connected.set()

    def _follow(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._closed.is_set():
            try:
                if self._stream is None:
                    self._begin()
                    LOG.info("event=engine-back")
                pause = FIRST_PAUSE_SECONDS
                with reachable():
                    for raw in self._stream or ():
                        self._since = int(raw.get("timeNano") or 0) + 1 or self._since
                        self._handle(raw)
                        if self._closed.is_set():
                            break
            except Exception as error:  # however a connection ends, the answer is a new one
                if not self._closed.is_set():
                    LOG.warning("event=engine-lost error=%s", str(error))
            self._connected.clear()
            stream, self._stream = self._stream, None
            if stream is not None:
                close_stream(stream)
            self._closed.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _handle(self, raw: Raw) -> None:
        action = str(raw.get("Action") or raw.get("status") or "")
        action = PODMANS.get(action, action)
        if action not in (*CHANGES, *PODMANS):
            return
        actor = raw.get("Actor") or {}
        try:
            self._on_event(action, str(actor.get("ID") or ""), actor.get("Attributes") or {})
        except ProviderUnavailable:
            raise
        except Exception:  # one odd container must not end the events of all others
            LOG.exception("event=event-failed action=%s container=%s", action, actor.get("ID"))

    def close(self) -> None:
        """End the thread; repeatable."""
        self._closed.set()
        stream = self._stream
        if stream is not None:
            interrupt(stream)
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=LONGEST_PAUSE_SECONDS)


def since_text(nanos: int) -> str:
    """Return a moment as the engine's `since` takes it."""
    return f"{nanos // NANOS}.{nanos % NANOS:09d}"


def event_time(text: str) -> int:
    """Return nanoseconds since 1970 for the engine's SystemTime (RFC 3339, any offset)."""
    at = datetime.fromisoformat(text)
    return int(at.timestamp()) * NANOS + at.microsecond * 1000
