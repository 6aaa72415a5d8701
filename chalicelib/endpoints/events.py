"""What reaches the control plane beside HTTP: the provider's events of tasks, and the schedule. Only on AWS."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from chalice.app import Chalice, Rate

LOG = logging.getLogger(__name__)
RESYNC_MINUTES = 1  # EventBridge's shortest schedule


class EventTarget(Protocol):
    """What events are for (the control plane)."""

    def observe_event(self, detail: dict[str, Any]) -> None:
        """Take in the detail of an event of the provider's."""
        ...

    def run_chores(self) -> None:
        """Heal what can be healed."""
        ...


Function = Callable[[Any, Any], Any]  # Lambda's event and context, and what it returns


def register_events(
    app: Chalice, target: Callable[[], EventTarget], *, pattern: dict[str, Any] | None
) -> tuple[Function | None, Function | None]:
    """Make functions of their own for the events that fit the pattern and for the schedule; return the two.

    Lambda looks for them as `task_events` and `resync` in app.py. Without a pattern there are none: a local
    control plane hears of its tasks itself.
    """
    if pattern is None:
        return None, None

    def task_events(event: Any) -> None:  # Any: Chalice's CloudWatchEvent
        target().observe_event(event.detail)

    def resync(event: Any) -> None:
        del event
        target().run_chores()

    return (
        app.on_cw_event(pattern, name="task_events")(task_events),
        app.schedule(Rate(RESYNC_MINUTES, unit=Rate.MINUTES), name="resync")(resync),
    )
