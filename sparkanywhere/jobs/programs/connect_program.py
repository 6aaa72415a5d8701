"""The program of a Spark Connect server's driver: it serves until it has been idle for so long, then ends.

It runs within the pod, by Spark's own Python, and needs nothing else; so it ends whatever becomes of the client and of
the control plane. The server itself is Spark's plugin (spark.plugins). What counts as use is asked of the JVM by
py4j: calls of clients, their queries, Spark's jobs. Compare Spark 4.3, SparkConnectService.listActiveExecutions and
SparkConnectSessionManager.listActiveSessions.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

LISTENS = "Spark Connect listens on port"
LOOK_SECONDS = 2.0  # between two looks; each is a few calls to the JVM beside us
ADDRESS = "spark.connect.grpc.binding.address"
POD_IP = "pod-ip"  # as an argument: the pod's own address, which Spark's driver has in its environment
SERVICE = "org.apache.spark.sql.connect.service.SparkConnectService"


class Idleness:
    """How long a server has been idle. Times are in seconds, of one clock."""

    def __init__(self, began_at: float) -> None:
        self._used_at = began_at
        self._jobs = 0

    def look(self, *, now: float, last_call_at: float, is_busy: bool, jobs: int) -> None:
        """Take in what is seen now: when a client called last, whether a query runs, all jobs there ever were."""
        if is_busy or jobs != self._jobs:
            self._used_at = now
        self._jobs = jobs
        self._used_at = max(self._used_at, last_call_at)

    def seconds(self, now: float) -> float:
        """Return for how long the server has been idle."""
        return now - self._used_at


def main(idle_seconds: float, address: str) -> None:
    """Serve on `address` until the server has been idle for so long; 0: forever."""
    from pyspark.sql import SparkSession  # type: ignore[import-not-found]  # within the pod alone

    session = SparkSession.builder.config(ADDRESS, address).getOrCreate()
    service = getattr(getattr(session._jvm, f"{SERVICE}$"), "MODULE$")
    print(LISTENS, service.localPort(), flush=True)
    idleness = Idleness(time.time())
    while not idle_seconds or idleness.seconds(time.time()) < idle_seconds:
        time.sleep(LOOK_SECONDS)
        look(idleness, session.sparkContext, service)
    print(f"Nobody has used this server for {idle_seconds:g} s: it ends", flush=True)
    session.stop()


def look(idleness: Idleness, context: Any, service: Any) -> None:  # Any: Spark's own objects, by py4j
    """Ask Spark for its use."""
    scheduler = context._jsc.sc().dagScheduler()
    is_busy = service.listActiveExecutions().isRight() or bool(context.statusTracker().getActiveJobsIds())
    sessions = service.sessionManager().listActiveSessions()
    calls = [sessions.apply(each).lastAccessTimeMs() / 1000 for each in range(sessions.size())]
    idleness.look(now=time.time(), last_call_at=max(calls, default=0.0), is_busy=is_busy, jobs=scheduler.numTotalJobs())


if __name__ == "__main__":
    main(float(sys.argv[1]), os.environ["SPARK_DRIVER_BIND_ADDRESS"] if sys.argv[2] == POD_IP else sys.argv[2])
