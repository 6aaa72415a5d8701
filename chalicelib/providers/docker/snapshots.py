"""ContainerSnapshot: what the engine says of one of our containers, read from `docker inspect`'s JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

from chalicelib.providers.docker import labels

# The engine's words, and two of ours: removed by somebody else, and called off before it ever started.
Status = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead", "removed", "called off"]

NEVER = "0001-01-01"  # how the engine writes a moment that has not come
PODMANS_END = "stopped"  # Podman's word between the end of a process and `exited`, or its restart


@dataclass(frozen=True, slots=True)
class ContainerSnapshot:
    """One container of a task. `error` is the engine's word on a start that failed."""

    id: str
    uid: str
    name: str
    role: labels.Role
    order: int
    count: int
    status: Status
    image: str = ""
    address: str = ""
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    restarts: int = 0
    stop_signal: str = ""
    restarts_itself: bool = False
    restart_asked: bool = False  # it is ended and started again by our wish
    tty: bool = False
    previous_end: datetime | None = None  # of the run before this one, known while it runs
    # left out of comparisons, since they never change
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def has_started(self) -> bool:
        """Return whether its process ever ran."""
        return self.started_at is not None

    @property
    def is_live(self) -> bool:
        """Return whether it runs, or will again without our doing."""
        return self.status in ("running", "paused", "restarting")

    @property
    def has_failed_to_start(self) -> bool:
        """Return whether the engine tried to start it and could not."""
        return self.status == "created" and bool(self.error)

    @property
    def has_ended(self) -> bool:
        """Return whether nothing will run in it any more."""
        return self.status in ("exited", "dead", "removed", "removing", "called off") or self.has_failed_to_start

    @property
    def may_start(self) -> bool:
        """Return whether it is still to be started for the first time."""
        return self.status == "created" and not self.error


def snapshot(raw: Mapping[str, Any]) -> ContainerSnapshot:
    """Return what one `GET /containers/{id}/json` answer says of a container of ours."""
    state, config = raw["State"], raw["Config"]
    marks: dict[str, str] = config.get("Labels") or {}
    # the engine notes the start of a very short process after its end
    started_at, ended_at = moment(state.get("StartedAt")), moment(state.get("FinishedAt"))
    status, restarts = state["Status"], (raw.get("HostConfig") or {}).get("RestartPolicy", {}).get("Name", "no")
    if status == PODMANS_END:
        goes_on = restarts in ("always", "unless-stopped") or (restarts == "on-failure" and state.get("ExitCode"))
        status = "restarting" if goes_on else "exited"
    # the engine counts the restarts that it makes by itself, from 0 again after one that it was asked for
    is_again = state["Status"] == "running" and ended_at is not None
    return ContainerSnapshot(
        id=raw["Id"],
        uid=marks.get(labels.UID, ""),
        name=marks.get(labels.CONTAINER, ""),
        role=cast(labels.Role, marks.get(labels.ROLE, "main")),
        order=int(marks.get(labels.ORDER, "0")),
        count=int(marks.get(labels.COUNT, "1")),
        status=cast(Status, status),
        image=marks.get(labels.IMAGE, config.get("Image", "")),
        address=marks.get(labels.ADDRESS, ""),
        exit_code=int(state.get("ExitCode") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error") or "",
        created_at=moment(raw.get("Created")),
        started_at=started_at,
        finished_at=max(started_at, ended_at) if started_at and ended_at else None,
        restarts=max(int(raw.get("RestartCount") or 0), int(is_again)),
        stop_signal=config.get("StopSignal") or "",
        restarts_itself=restarts not in ("", "no"),
        tty=bool(config.get("Tty")),
        previous_end=ended_at if is_again else None,
        labels=marks,
    )


def moment(text: str | None) -> datetime | None:
    """Return the engine's time (RFC 3339 with nanoseconds) as aware UTC, None for `not yet`."""
    if not text or text.startswith(NEVER):
        return None
    return datetime.fromisoformat(text).astimezone(UTC)
