"""What reaches the control plane beside HTTP: ECS task-state events and the schedule. Only on AWS.

Amazon ECS Developer Guide, "Amazon ECS task state change events". The rule names our cluster, so that nobody else's
tasks wake us.
"""

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
        """Take in one ECS task-state event's detail."""
        ...

    def run_chores(self) -> None:
        """Heal what can be healed."""
        ...


Function = Callable[[Any, Any], Any]  # Lambda's event and context, and what it returns


def register_events(
    app: Chalice, target: Callable[[], EventTarget], *, cluster_arn: str
) -> tuple[Function | None, Function | None]:
    """Make functions of their own for the cluster's task events and for the schedule; return the two.

    Lambda looks for them as `task_events` and `resync` in app.py. Without a cluster there are none: a local
    control plane hears of its tasks itself.
    """
    if not cluster_arn:
        return None, None
    pattern = {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {"clusterArn": [cluster_arn]},
    }

    def task_events(event: Any) -> None:  # Any: Chalice's CloudWatchEvent
        target().observe_event(event.detail)

    def resync(event: Any) -> None:
        del event
        target().run_chores()

    return (
        app.on_cw_event(pattern, name="task_events")(task_events),
        app.schedule(Rate(RESYNC_MINUTES, unit=Rate.MINUTES), name="resync")(resync),
    )
