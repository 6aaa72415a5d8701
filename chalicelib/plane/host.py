"""Host: where a control plane lives, and all that follows from it. Chosen once, before anything is built."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.config import Settings, runs_on_lambda


@dataclass(frozen=True, slots=True)
class SettleSeconds:
    """How long to wait for the work that one invocation has begun, before the process is frozen."""

    request: float
    event: float
    schedule: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a control plane may rely on where it lives.

    `settle` is None where threads and memory outlive a request: nobody has to wait for background work there.
    With `keeps_files` there is a disk that lasts, for audit lines and, without a bucket, for the files of jobs.
    """

    threads: int
    streams: bool
    keeps_files: bool
    settle: SettleSeconds | None

    @property
    def outlives_requests(self) -> bool:
        """Return whether threads and memory last from one request to the next."""
        return self.settle is None


LONG_LIVED = Host(
    # A provider's starts overlap that far; more would only wait for the same two cores.
    threads=4,
    streams=True,
    keeps_files=True,
    settle=None,
)

LAMBDA = Host(
    # Calls of AWS's APIs that one request brings on: 100 StopTasks must fit into seconds.
    threads=8,
    streams=False,
    keeps_files=False,
    settle=SettleSeconds(
        # Spark's client waits ten for an answer, a cold start takes up to two of them.
        request=7.0,
        # Of the 29 that the events' function has: what follows from one event is little.
        event=15.0,
        # Of the 60 that the schedule's function has (.chalice/config.json), chores before it take 20 at most. ECS
        # takes 20 launches a second: 800 of the pods that wait go out each minute, and the next schedule begins
        # when this one ends.
        schedule=40.0,
    ),
)


def choose_host(settings: Settings) -> Host:
    """Return the host that this process runs on; the setting WATCH decides how watches leave, if set."""
    host = LAMBDA if runs_on_lambda() else LONG_LIVED
    return host if settings.watch == "auto" else replace(host, streams=settings.watch == "streamed")
