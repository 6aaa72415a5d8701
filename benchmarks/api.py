"""Requests to `chalice local` over keep-alive connections, on durable SQLite, beside what a real API server takes.

Pods are small ones of one container, and where it says so executors as Spark 4.3 sends them. "server ms" is processor
time of the server per request: other than the rest it hardly depends on what else the machine does.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.load import Connection, Measured, drive, request
from tests.functional.local_server import PROJECT, chalice_local

CLIENTS = (1, 8, 64)
REQUESTS = {1: 500, 8: 1000, 64: 2000}  # of a quick verb, by clients
LIST_SIZES = {10: 300, 100: 200, 1000: 40, 10_000: 6}  # pods in a list, and how many lists one client gets
DELIVERIES = 300
SMALL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"labels": {"app": "bench"}},
    "spec": {"containers": [{"name": "main", "image": "busybox:1.36", "command": ["sleep", "1"]}]},
}
MERGE_PATCH = "application/merge-patch+json"
EXECUTOR = PROJECT / "tests" / "data" / "spark" / "executor-4.3.0.json"
# kube-apiserver 1.36 with etcd on this kind of machine: p50 in ms of one client; requests a second of 64.
MARKS_MS = {
    "GET": 1.28,
    "POST": 2.69,
    "PATCH": 3.1,
    "DELETE": 4.7,
    "list of 100": 3.0,
    "list of 1,000": 24,
    "watch delivery": 3.25,
}
MARKS_RATE = {"GET": 2000, "POST": 980}

Pod = dict[str, Any]  # as Spark sends it


@dataclass(frozen=True, slots=True)
class Row:
    """What so many clients measured of one operation."""

    operation: str
    clients: int
    measured: Measured
    server_ms: float  # processor time of the server, a request

    def markdown(self) -> str:
        """Return the row of the table."""
        p50, p99 = self.measured.percentile_ms(50), self.measured.percentile_ms(99)
        mark = MARKS_MS.get(self.operation) if self.clients == 1 else None
        rate_mark = MARKS_RATE.get(self.operation) if self.clients == 64 else None
        told = f"{mark:g} ms" if mark else f"{rate_mark:,} /s" if rate_mark else ""
        numbers = f"{p50:.2f} | {p99:.2f} | {self.measured.rate:,.0f} | {self.server_ms:.2f}"
        return f"| {self.operation} | {self.clients} | {numbers} | {told} |"


class Bench:
    """One server under measurement; names the pods it makes."""

    def __init__(self, port: int, pid: int) -> None:
        self._connection = Connection(port)
        self.port = port
        self.rows: list[Row] = []
        self.made: list[str] = []  # paths of living pods
        self._server = psutil.Process(pid)

    def measure(self, operation: str, requests: Iterable[bytes], *, clients: int) -> None:
        """Send the requests and keep what they took."""
        before = sum(self._server.cpu_times()[:2])
        measured = drive(self.port, requests, clients=clients)
        spent = sum(self._server.cpu_times()[:2]) - before
        self.rows.append(Row(operation, clients, measured, spent / len(measured.seconds) * 1000))

    def posts(self, namespace: str, count: int, template: Pod | None = None) -> Iterator[bytes]:
        """Yield requests that create pods, and remember these."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        for _ in range(count):
            pod = dict(template or SMALL)
            name = f"pod-{len(self.made)}"
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
        quick_verbs(bench)
        watch_delivery(bench)
        lists(bench)
        server.end()
    return table(bench.rows)


def quick_verbs(bench: Bench) -> None:
    """Measure POST, GET, PATCH and DELETE of pods, each with all numbers of clients."""
    drive(bench.port, bench.posts("default", 100), clients=1)  # what is imported or cached late
    for clients, count in REQUESTS.items():
        bench.measure("POST", bench.posts("default", count), clients=clients)
    for clients, count in REQUESTS.items():
        gets = (request("GET", path) for path in bench.made[:count])
        bench.measure("GET", gets, clients=clients)
    for clients, count in REQUESTS.items():
        label = {"metadata": {"labels": {"bench": str(clients)}}}
        patches = (request("PATCH", path, label, content_type=MERGE_PATCH) for path in bench.made[:count])
        bench.measure("PATCH", patches, clients=clients)
    for clients, count in REQUESTS.items():
        gone, bench.made[-count:] = bench.made[-count:], []
        bench.measure("DELETE", (request("DELETE", path) for path in gone), clients=clients)
    for clients, count in REQUESTS.items():
        bench.measure("POST of an executor", bench.posts("default", count, executor()), clients=clients)


def watch_delivery(bench: Bench) -> None:
    """Measure from the sending of a POST until its event is there on another connection."""
    path = "/api/v1/namespaces/default/configmaps"
    writer, watcher = Connection(bench.port), Connection(bench.port)
    listed = json.loads(writer.ask(request("GET", path)))
    query = f"watch=true&resourceVersion={listed['metadata']['resourceVersion']}"
    watcher.send(request("GET", f"{path}?{query}"))
    stream = watcher.sock.makefile("rb")
    while stream.readline().strip():
        pass  # the head
    measured = Measured()
    for number in range(DELIVERIES):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"delivered-{number}"}}
        writer.send(request("POST", path, body))
        while f"delivered-{number}".encode() not in stream.readline():
            pass
        measured.seconds.append(time.perf_counter() - writer.begun)
        while writer.receive() is None:
            pass
    measured.wall_seconds = sum(measured.seconds)
    bench.rows.append(Row("watch delivery", 1, measured, 0.0))


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
    head = [
        "| pods | clients | p50 ms | p99 ms | /s | server ms | kube-apiserver 1.36 |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    load = os.getloadavg()[0]
    return "\n".join([*head, *[row.markdown() for row in rows], "", f"Load {load:.1f} at the end."])
