"""Pure: a record to the TaskState that the contract speaks of."""

from __future__ import annotations

from datetime import UTC, datetime

from chalicelib.providers.base import ContainerState, TaskState
from chalicelib.providers.supervised.records import ContainerRecord, Record

HOST_ADDRESS = "127.0.0.1"
LOST = "Lost"


def task_state(record: Record, *, host_address: str = HOST_ADDRESS) -> TaskState:
    """Return what a record says."""
    return TaskState(
        uid=record["uid"],
        handle=record["handle"],
        phase=record["phase"],
        containers=tuple(_container_state(one, record["handle"]) for one in record["containers"]),
        address=record["address"],
        host_address=host_address,
        reason=record["reason"],
        message=record["message"],
        version=record["version"],
        created_at=moment(record["created_at"]),
        started_at=moment(record["started_at"]),
        stopped_at=moment(record["stopped_at"]),
        labels=tuple((name, value) for name, value in record["labels"]),
    )


def _container_state(one: ContainerRecord, handle: str) -> ContainerState:
    last = one.get("last")
    return ContainerState(
        name=one["name"],
        phase=one["phase"],
        exit_code=one["exit_code"],
        reason=one["reason"],
        message=one["message"],
        started_at=moment(one["started_at"]),
        finished_at=moment(one["finished_at"]),
        restarts=one["restarts"],
        container_id=f"{handle}-{one['name']}-{one['restarts']}" if one["started_at"] else "",
        image=one["image"],
        last=_container_state(last, handle) if last else None,
    )


def moment(nanoseconds: int | None) -> datetime | None:
    """Return nanoseconds since 1970 as an aware time in UTC."""
    return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds / 1e9, UTC)


def lost(record: Record, *, now: int, reason: str, message: str) -> Record:
    """Return the last record of a task whose supervisor died; `now` in nanoseconds since 1970.

    What ran then has ended, nobody saw how: no exit code.
    """
    containers: list[ContainerRecord] = [
        {**one, "phase": "stopped", "exit_code": None, "reason": reason, "finished_at": now}
        if one["phase"] == "running"
        else one
        for one in record["containers"]
    ]
    return {
        **record,
        "version": record["version"] + 1,
        "phase": "stopped",
        "reason": reason,
        "message": message,
        "stopped_at": now,
        "containers": containers,
    }
