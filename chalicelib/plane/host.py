"""Host: where a control plane lives, and all that follows from it. Chosen once, before anything is built."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.config import Settings
from chalicelib.lambda_environ import runs_on_lambda


@dataclass(frozen=True, slots=True)
class SettleSeconds:
    """How long to wait for the work that one invocation has begun, before the process is frozen."""

    request: float
    event: float
    chores: float  # of the schedule: for what no thread does beside it
    schedule: float
    launch: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a control plane may rely on where it lives.

    `settle` is None where threads and memory outlive a request: nobody has to wait for background work there.
    With `keeps_files` there is a disk that lasts, for audit lines and, without a bucket, for the files of jobs.
    """

    threads: int
    streams: bool
    stream_seconds: float | None = None  # the longest that a stream lasts
    redirects: bool = False  # clients that want a stream to the function that has them
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

LAMBDA_SECONDS = SettleSeconds(
    # Spark's client waits ten for an answer, a cold start takes up to two of them.
    request=7.0,
    # Of the 29 that the events' function has: what follows from one event is little.
    event=15.0,
    # Of the 60 that the schedule's function has (.chalice/config.json). A chore is broken off, not killed: the next
    # run goes on. What waits for its task is launched beside the chores and after them, ECS taking 20 a second.
    chores=20.0,
    schedule=46.0,
    # Of the 900 that the launch function has, the longest that there is: 17,000 launches at ECS's 20 a second.
    launch=870.0,
)

LAMBDA = Host(
    # Calls of AWS's APIs that one request brings on: 100 StopTasks must fit into seconds.
    threads=8,
    streams=False,
    # Of the 900 that API Gateway streams an answer and that the function `stream` has.
    stream_seconds=870.0,
    keeps_files=False,
    settle=LAMBDA_SECONDS,
)


def choose_host(settings: Settings) -> Host:
    """Return the host that this process runs on; the setting WATCH decides how watches leave, if set."""
    host = LAMBDA if runs_on_lambda() else LONG_LIVED
    if settings.watch == "auto":
        return host
    return replace(host, streams=settings.watch == "streamed", redirects=settings.watch == "redirected")
