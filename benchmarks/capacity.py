"""What one `chalice local` holds: its memory at rest and with many pods, and many watches beside many requests."""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks.api import fill
from benchmarks.load import Connection, Measured, Target, request
from benchmarks.sides import OURS, Side
from tests.functional.local_server import chalice_local

PODS = 10_000
WATCHES = 300
RATE = 500  # requests a second beside them
SECONDS = 10.0
THREADS = 16  # each has its own connection, and a new one for every tenth request
REQUESTS_OF_A_CONNECTION = 10
BURST = 800  # connections opened at once, each with one request
WATCHED = "/api/v1/namespaces/kube-system/configmaps"
ASKED = "/api/v1/namespaces/default/configmaps"


class Paced:
    """Requests sent when they are due, whatever the others take: three reads to a write."""

    def __init__(self, side: Side) -> None:
        self.measured = Measured()
        self.failures: list[str] = []
        self._side = side

    def run(self) -> None:
        """Send RATE requests a second for SECONDS."""
        threads = [threading.Thread(target=self._send, args=(number,)) for number in range(THREADS)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.measured.wall_seconds = time.perf_counter() - begun

    def _send(self, thread: int) -> None:
        begun = time.perf_counter()
        each = THREADS / RATE
        count = int(SECONDS / each)
        try:
            for first in range(0, count, REQUESTS_OF_A_CONNECTION):
                connection = self._side.connect()
                with closing(connection.sock):
                    for number in range(first, min(first + REQUESTS_OF_A_CONNECTION, count)):
                        time.sleep(max(begun + number * each - time.perf_counter(), 0))
                        connection.ask(self._request(thread, number))
                        self.measured.seconds.append(time.perf_counter() - connection.begun)
        except Exception as error:  # in a thread of its own: told in the table
            self.failures.append(f"{type(error).__name__}: {error}")

    def _request(self, thread: int, number: int) -> bytes:
        if number % 4:
            return request("GET", "/api/v1/namespaces/default")
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"paced-{thread}-{number}"}}
        return request("POST", ASKED, body)


def run() -> str:
    """Measure; return the table."""
    lines = ["| | measured | goal |", "|---|--:|--:|"]
    with (
        tempfile.TemporaryDirectory() as state,
        chalice_local(Path(state), "--provider", "none", "--port", "0") as server,
    ):
        server.wait_until_ready()
        side = Side(OURS, Target(server.port), (server.process.pid,))
        side.connect().ask(request("GET", "/api/v1/namespaces"))
        lines.append(f"| memory at rest | {side.memory_mib():.0f} MiB | < 120 MiB |")
        lines += watches(side)
        lines.append(burst(side))
        fill(side, "many", PODS)
        lines.append(f"| memory with {PODS:,} pods | {side.memory_mib():.0f} MiB | < 400 MiB |")
        side.connect().ask(request("GET", "/api/v1/pods"))
        lines.append(f"| memory after a list of all of them | {side.memory_mib():.0f} MiB | < 400 MiB |")
        server.end()
    return "\n".join(lines)


def watches(side: Side) -> list[str]:
    """Hold watches that wait, send requests beside them, write once; return the rows."""
    with ExitStack() as stack:
        waiting = []
        for _ in range(WATCHES):
            watch = side.connect()
            stack.enter_context(watch.sock)
            waiting.append(watch.watch(f"{WATCHED}?watch=true&resourceVersion=1"))
        paced = Paced(side)
        paced.run()
        resident = side.memory_mib()
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "heard-by-all"}}
        writer = side.connect()
        writer.ask(request("POST", WATCHED, body))
        for stream in waiting:
            while b"heard-by-all" not in stream.readline():
                pass
        heard_ms = (time.perf_counter() - writer.begun) * 1000
    measured = paced.measured
    told = f"{measured.percentile_ms(50):.1f} / {measured.percentile_ms(99):.1f} ms"
    goal = f"{RATE} /s, no failure"
    return [
        f"| requests while {WATCHES} watches wait | {measured.rate:.0f} /s | {goal} |",
        f"| their failures, p50 / p99 | {len(paced.failures)}, {told} | 0 |",
        f"| memory with {WATCHES} watches | {resident:.0f} MiB | |",
        f"| a write reaches all {WATCHES} watches after | {heard_ms:.0f} ms | |",
        *[f"| failure | {failure} | |" for failure in paced.failures[:3]],
    ]


def burst(side: Side) -> str:
    """Open many connections at once and ask on each; return the row."""
    failures: list[str] = []
    begun = time.perf_counter()
    connections: list[Connection] = []
    try:
        for _ in range(BURST):
            connections.append(side.connect())
        for connection in connections:
            connection.send(request("GET", "/version"))
        for connection in connections:
            while connection.receive() is None:
                pass
    except Exception as error:  # told in the table
        failures.append(f", {type(error).__name__}: {error}")
    finally:
        for connection in connections:
            connection.sock.close()
    seconds = time.perf_counter() - begun
    told = f"{len(connections)} answered in {seconds:.1f} s{''.join(failures)}"
    return f"| {BURST} connections opened at once | {told} | no failure |"
