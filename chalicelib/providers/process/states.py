"""Pure: a record to the TaskState that the contract speaks of."""

from __future__ import annotations

from datetime import UTC, datetime

from chalicelib.providers.base import ContainerState, TaskState
from chalicelib.providers.process.records import ContainerRecord, Record

HOST_ADDRESS = "127.0.0.1"
LOST = "Lost"


def task_state(record: Record) -> TaskState:
    """Return what a record says."""
    return TaskState(
        uid=record["uid"],
        handle=record["handle"],
        phase=record["phase"],
        containers=tuple(_container_state(record["handle"], one) for one in record["containers"]),
        address=record["address"],
        host_address=HOST_ADDRESS,
        reason=record["reason"],
        message=record["message"],
        version=record["version"],
        created_at=moment(record["created_at"]),
        started_at=moment(record["started_at"]),
        stopped_at=moment(record["stopped_at"]),
        labels=tuple((name, value) for name, value in record["labels"]),
    )


def _container_state(handle: str, record: ContainerRecord) -> ContainerState:
    started = record["started_at"] is not None
    return ContainerState(
        name=record["name"],
        phase=record["phase"],
        exit_code=record["exit_code"],
        reason=record["reason"],
        message=record["message"],
        started_at=moment(record["started_at"]),
        finished_at=moment(record["finished_at"]),
        restarts=record["restarts"],
        container_id=f"{handle}-{record['name']}-{record['restarts']}" if started else "",
        image=record["image"],
    )


def moment(nanoseconds: int | None) -> datetime | None:
    """Return nanoseconds since 1970 as an aware time in UTC."""
    return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds / 1e9, UTC)


def lost(record: Record, *, now: int, reason: str, message: str) -> Record:
    """Return the last record of a task whose supervisor died; `now` in nanoseconds since 1970.

    What ran then has ended, nobody saw how: no exit code.
    """
    containers = [_lost_container(one, now, reason) for one in record["containers"]]
    return {
        **record,
        "version": record["version"] + 1,
        "phase": "stopped",
        "reason": reason,
        "message": message,
        "stopped_at": now,
        "containers": containers,
    }


def _lost_container(record: ContainerRecord, now: int, reason: str) -> ContainerRecord:
    if record["phase"] != "running":
        return record
    return {**record, "phase": "stopped", "exit_code": None, "reason": reason, "finished_at": now}
