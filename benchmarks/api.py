"""Requests to `chalice local` over keep-alive connections, on durable SQLite.

Pods are small ones of one container, and where it says so executors as Spark 4.3 sends them. "server ms" is processor
time of the server per request: other than the rest it hardly depends on what else the machine does.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.load import Connection, Measured, drive, request
from tests.functional.local_server import PROJECT, chalice_local

CLIENTS = (1, 8, 64)
ROUNDS = 3  # of the quick verbs, by turns, so that a busy moment of the machine does not meet one verb alone
REQUESTS = {1: 200, 8: 400, 64: 800}  # of a quick verb in a round, by clients
LIST_SIZES = {10: 300, 100: 200, 1000: 40, 10_000: 6}  # pods in a list, and how many lists one client gets
DELIVERIES = 100  # a round
SMALL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"labels": {"app": "bench"}},
    "spec": {"containers": [{"name": "main", "image": "busybox:1.36", "command": ["sleep", "1"]}]},
}
MERGE_PATCH = "application/merge-patch+json"
EXECUTOR = PROJECT / "tests" / "data" / "spark" / "executor-4.3.0.json"

Pod = dict[str, Any]  # as Spark sends it


@dataclass(slots=True)
class Row:
    """What so many clients measured of one operation, in all rounds."""

    operation: str
    clients: int
    measured: Measured = field(default_factory=Measured)
    server_seconds: float = 0.0  # processor time of the server

    @property
    def server_ms(self) -> float:
        """Return the server's processor time for a request, in milliseconds."""
        return self.server_seconds / len(self.measured.seconds) * 1000

    def add(self, measured: Measured, server_seconds: float) -> None:
        """Take in one more round."""
        self.measured.seconds += measured.seconds
        self.measured.wall_seconds += measured.wall_seconds
        self.server_seconds += server_seconds

    def markdown(self) -> str:
        """Return the row of the table."""
        p50, p99 = self.measured.percentile_ms(50), self.measured.percentile_ms(99)
        numbers = f"{p50:.2f} | {p99:.2f} | {self.measured.rate:,.0f} | {self.server_ms:.2f}"
        return f"| {self.operation} | {self.clients} | {numbers} |"


class Bench:
    """One server under measurement; names the pods it makes."""

    def __init__(self, port: int, pid: int) -> None:
        self._connection = Connection(port)
        self.port = port
        self.rows: dict[tuple[str, int], Row] = {}
        self.pods = 0  # made so far
        self.made: list[str] = []  # paths of living pods
        self._server = psutil.Process(pid)

    def measure(self, operation: str, requests: Iterable[bytes], *, clients: int) -> None:
        """Send the requests and keep what they took."""
        before = self.server_seconds()
        measured = drive(self.port, requests, clients=clients)
        self.add(operation, clients, measured, before)

    def add(self, operation: str, clients: int, measured: Measured, before: float) -> None:
        """Keep what was measured since the server had used that many seconds of processor time."""
        row = self.rows.setdefault((operation, clients), Row(operation, clients))
        row.add(measured, self.server_seconds() - before)

    def server_seconds(self) -> float:
        """Return the processor time that the server has used."""
        times = self._server.cpu_times()
        spent: float = times.user + times.system
        return spent

    def posts(self, namespace: str, count: int, template: Pod | None = None) -> Iterator[bytes]:
        """Yield requests that create pods, and remember these."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        for _ in range(count):
            pod = dict(template or SMALL)
            name = f"pod-{self.pods}"
            self.pods += 1
            self.made.append(f"{path}/{name}")
            yield request("POST", path, pod | {"metadata": {**pod["metadata"], "name": name}})

    def fill(self, namespace: str, count: int, template: Pod | None = None) -> None:
        """Create a namespace and that many pods in it, unmeasured."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        self._connection.ask(request("POST", "/api/v1/namespaces", body))
        drive(self.port, self.posts(namespace, count, template), clients=8)


def executor() -> Pod:
    """Return an executor pod of Spark's without its owner, whom this server does not know."""
    pod: Pod = json.loads(EXECUTOR.read_text())
    del pod["metadata"]["ownerReferences"]
    return pod


def run() -> str:
    """Measure all operations; return the table."""
    with (
        tempfile.TemporaryDirectory() as state,
        chalice_local(Path(state), "--provider", "none", "--port", "0") as server,
    ):
        server.wait_until_ready()
        bench = Bench(server.port, server.process.pid)
        drive(bench.port, bench.posts("default", 100), clients=1)  # what is imported or cached late
        for round_ in range(ROUNDS):
            quick_verbs(bench)
            watch_delivery(bench, round_)
        lists(bench)
        server.end()
    return table(list(bench.rows.values()))


def quick_verbs(bench: Bench) -> None:
    """Measure POST, GET, PATCH and DELETE of pods, each with all numbers of clients."""
    for clients, count in REQUESTS.items():
        bench.measure("POST", bench.posts("default", count), clients=clients)
    for clients, count in REQUESTS.items():
        gets = (request("GET", path) for path in bench.made[-count:])
        bench.measure("GET", gets, clients=clients)
    for clients, count in REQUESTS.items():
        label = {"metadata": {"labels": {"bench": str(clients)}}}  # a new one each time
        patches = (request("PATCH", path, label, content_type=MERGE_PATCH) for path in bench.made[-count:])
        bench.measure("PATCH", patches, clients=clients)
    for clients, count in REQUESTS.items():
        gone, bench.made[-count:] = bench.made[-count:], []
        bench.measure("DELETE", (request("DELETE", path) for path in gone), clients=clients)
    for clients, count in REQUESTS.items():
        bench.measure("POST of an executor", bench.posts("default", count, executor()), clients=clients)


def watch_delivery(bench: Bench, round_: int) -> None:
    """Measure from the sending of a POST until its event is there on another connection."""
    path = "/api/v1/namespaces/default/configmaps"
    writer, watcher = Connection(bench.port), Connection(bench.port)
    listed = json.loads(writer.ask(request("GET", path)))
    query = f"watch=true&resourceVersion={listed['metadata']['resourceVersion']}"
    watcher.send(request("GET", f"{path}?{query}"))
    stream = watcher.sock.makefile("rb")
    while stream.readline().strip():
        pass  # the head
    measured, before = Measured(), bench.server_seconds()
    for number in range(DELIVERIES):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"delivered-{round_}-{number}"}}
        writer.send(request("POST", path, body))
        while f"delivered-{round_}-{number}".encode() not in stream.readline():
            pass
        measured.seconds.append(time.perf_counter() - writer.begun)
        while writer.receive() is None:
            pass
    measured.wall_seconds = sum(measured.seconds)
    bench.add("watch delivery", 1, measured, before)


def lists(bench: Bench) -> None:
    """Measure whole lists of several sizes."""
    path = "/api/v1/namespaces/{}/pods"
    for size, count in LIST_SIZES.items():
        namespace = f"pods-{size}"
        bench.fill(namespace, size)
        for clients in CLIENTS if size <= 1000 else (1, 8):
            requests = [request("GET", path.format(namespace))] * max(count, clients)
            bench.measure(f"list of {size:,}", requests, clients=clients)
    bench.fill("executors", 1000, executor())
    requests = [request("GET", path.format("executors"))] * LIST_SIZES[1000]
    bench.measure("list of 1,000 executors", requests, clients=1)


def table(rows: list[Row]) -> str:
    """Return the Markdown of what was measured."""
    head = ["| pods | clients | p50 ms | p99 ms | /s | server ms |", "|---|--:|--:|--:|--:|--:|"]
    load = os.getloadavg()[0]
    return "\n".join([*head, *[row.markdown() for row in rows], "", f"Load {load:.1f} at the end."])
