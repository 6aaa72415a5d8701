"""Which subnets, and so which availability zones, a task may run in. Pure.

Data between two zones costs $0.01 a GB each way (Amazon EC2 On-Demand Pricing, "Data Transfer within the same AWS
Region", 2026), and an executor of three zones sends two thirds of its shuffle to another one. So the executors of
an application run in one zone, their driver's.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from chalicelib.providers.base import Task, TaskRejected

ZONE_KEY = "topology.kubernetes.io/zone"  # where a task must run
HOME_KEY, ROLE_KEY = "sparkanywhere.io/home-zone", "sparkanywhere.io/role"
ANY_ZONE = "any"  # as HOME_KEY: the task asks to be spread
APPLICATION_LABEL = "spark-app-selector"


def subnet_choices(task: Task, subnets: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Return the subnets to try, in order: those of the application's zone, then all that the task allows.

    `subnets` holds pairs of zone and id. There is one choice where the two are the same: for a driver, which may run
    in any zone, where the zone is unknown, and where the task asks to be spread. Raises TaskRejected without any.
    """
    wanted = dict(task.placement).get(ZONE_KEY, "")
    allowed = [(zone, subnet) for zone, subnet in subnets if not wanted or zone in wanted.split(",")]
    if not allowed:
        raise TaskRejected("NodeAffinity", f"this deployment has no subnet in zone {wanted}")
    home = _home(task, sorted({zone for zone, _ in allowed}))
    choices = [[subnet for zone, subnet in allowed if zone == home], [subnet for _, subnet in allowed]]
    return choices[1:] if choices[0] in ([], choices[1]) else choices


def _home(task: Task, zones: Sequence[str]) -> str:
    """Return the zone of the task's application; executors whose driver is no task of ours agree on one by its id."""
    hints, application = dict(task.placement), dict(task.labels).get(APPLICATION_LABEL, "")
    if HOME_KEY in hints or hints.get(ROLE_KEY) != "executor" or not application:
        return hints.get(HOME_KEY, ANY_ZONE)
    return zones[zlib.crc32(application.encode()) % len(zones)]
