"""Requests over TLS on keep-alive connections with a token, on durable stores; a real API server's beside ours.

Pods are small ones of one container, and where it says so executors as Spark 4.3 sends them. "server ms" is processor
time of the server per request: other than the rest it hardly depends on what else the machine does. Both servers
take turns with each operation, three rounds of the quick ones, so that a busy moment does not meet one of them alone.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from benchmarks.load import Measured, drive, request
from benchmarks.sides import Side, compared_with, sides, table
from sparkanywhere.project import PROJECT

ROUNDS = 3
REQUESTS = {1: 200, 8: 400, 64: 800}  # of a quick verb in a round, by clients
EVENTS = 100  # a round
WATCHES = 100
HEARD = 20  # POSTs that all watches hear, a round
REST_SECONDS = 30.0  # three of our resyncs
SETTLE_SECONDS = 10.0  # what follows writes is over by then
MORE = 2  # namespaces more of 10,000 pods each, at rest
SMALL: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"labels": {"app": "bench"}},
    "spec": {"containers": [{"name": "main", "image": "busybox:1.36", "command": ["sleep", "1"]}]},
}
MERGE_PATCH = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"  # as kubectl asks
EXECUTOR = PROJECT / "tests" / "data" / "spark" / "executor-4.3.0.json"
NAMESPACES = "/api/v1/namespaces"
Pod = dict[str, Any]  # as Spark sends it


def executor() -> Pod:
    """Return an executor pod of Spark's without its owner, whom no server here knows."""
    pod: Pod = json.loads(EXECUTOR.read_text())
    del pod["metadata"]["ownerReferences"]
    return pod


FILLED = {"few": (100, SMALL), "pods": (1000, SMALL), "executors": (1000, executor()), "many": (10_000, SMALL)}
LISTS = {  # by operation: the path, what is accepted, and how many of them
    "LIST of 100": ("few/pods", "application/json", 100),
    "LIST of 1,000": ("pods/pods", "application/json", 40),
    "LIST of 10,000": ("many/pods", "application/json", 10),
    "LIST of 1,000 executors": ("executors/pods", "application/json", 40),
    "LIST of 1,000 as Table": ("pods/pods", TABLE, 40),
    "LIST of 10,000 by a label that none has": ("many/pods?labelSelector=spark-app-selector%3Dnone", "*/*", 40),
}


def run() -> str:
    """Measure all operations; return the tables."""
    told = compared_with()
    with sides() as found:
        for side in found:
            side.figures["memory, empty, MiB"] = side.memory_mib()
            drive(side.target, posts(side, "warm", 100), clients=1)  # what is imported or cached late
        for round_ in range(ROUNDS):
            quick_verbs(found, round_)
            for side in turn(found, round_):
                heard(side, "POST to its watch event", watches=1, names=[f"event-{round_}-{n}" for n in range(EVENTS)])
            for side in turn(found, round_):
                names = [f"heard-{round_}-{number}" for number in range(HEARD)]
                heard(side, f"POST heard by {WATCHES} watches", watches=WATCHES, names=names)
        lists(found)
        for side in found:
            at_rest(side)
        return f"{told}\n\n{table(found)}\n\nLoad {os.getloadavg()[0]:.1f} at the end."


def turn(found: list[Side], number: int) -> list[Side]:
    """Return the sides, another one first each time."""
    return found if number % 2 == 0 else found[::-1]


def posts(side: Side, prefix: str, count: int, template: Pod = SMALL, *, namespace: str = "default") -> Iterator[bytes]:
    """Yield requests that create pods, and remember these."""
    path = f"{NAMESPACES}/{namespace}/pods"
    for number in range(count):
        name = f"{prefix}-{number}"
        side.made.append(f"{path}/{name}")
        yield request("POST", path, template | {"metadata": {**template["metadata"], "name": name}})


def gets(side: Side, _: str, count: int) -> Iterator[bytes]:
    """Yield requests for the pods made last."""
    return (request("GET", path) for path in side.made[-count:])


def patches(side: Side, prefix: str, count: int) -> Iterator[bytes]:
    """Yield requests that give the pods made last a new label."""
    label = {"metadata": {"labels": {"bench": prefix}}}
    return (request("PATCH", path, label, content_type=MERGE_PATCH) for path in side.made[-count:])


def deletes(side: Side, _: str, count: int) -> Iterator[bytes]:
    """Yield requests that delete the pods made last, and forget these."""
    gone, side.made[-count:] = side.made[-count:], []
    return (request("DELETE", path) for path in gone)


def executors(side: Side, prefix: str, count: int) -> Iterator[bytes]:
    """Yield requests that create executors."""
    return posts(side, f"exec-{prefix}", count, executor())


QUICK: dict[str, Callable[[Side, str, int], Iterator[bytes]]] = {
    "POST": posts,
    "GET": gets,
    "PATCH": patches,
    "DELETE": deletes,
    "POST of an executor": executors,
}


def quick_verbs(found: list[Side], round_: int) -> None:
    """Measure each verb with all numbers of clients."""
    for operation, requests in QUICK.items():
        for clients, count in REQUESTS.items():
            for side in turn(found, round_):
                side.measure(operation, requests(side, f"r{round_}-{clients}", count), clients=clients)


def fill(side: Side, namespace: str, count: int, template: Pod = SMALL) -> None:
    """Create a namespace and that many pods in it, unmeasured."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    side.connect().ask(request("POST", NAMESPACES, body))
    drive(side.target, posts(side, "pod", count, template, namespace=namespace), clients=8)


def heard(side: Side, operation: str, *, watches: int, names: list[str]) -> None:
    """Create ConfigMaps, one after the other, while so many watches are open."""
    path = f"{NAMESPACES}/default/configmaps"
    writer = side.connect()
    version = json.loads(writer.ask(request("GET", path)))["metadata"]["resourceVersion"]
    measured = Measured()
    with ExitStack() as stack:
        watchers = [side.connect() for _ in range(watches)]
        for each in watchers:
            stack.callback(each.sock.close)
        streams = [each.watch(f"{path}?watch=true&resourceVersion={version}") for each in watchers]
        before = side.server_seconds()
        for name in names:
            writer.send(request("POST", path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}))
            for stream in streams:
                while name.encode() not in stream.readline():
                    pass
            measured.seconds.append(time.perf_counter() - writer.begun)
            while writer.receive() is None:
                pass
        measured.wall_seconds = sum(measured.seconds)
        side.add(operation, 1, measured, before)


def lists(found: list[Side]) -> None:
    """Measure lists of pods: whole ones of several sizes, one as a Table, one of which nothing is wanted."""
    for namespace, (count, template) in FILLED.items():
        for side in found:
            fill(side, namespace, count, template)
    for number, (operation, (path, accept, count)) in enumerate(LISTS.items()):
        requests = [request("GET", f"{NAMESPACES}/{path}", accept=accept)] * count
        for side in turn(found, number):
            side.measure(operation, requests, clients=1)


def at_rest(side: Side) -> None:
    """Measure what the server takes while nobody asks: with 10,000 pods and somewhat more, and with 30,000."""
    for more in (0, MORE):
        for number in range(more):
            fill(side, f"more-{number}", 10_000)
        what = f"{'10,000' if not more else '30,000'} pods"
        time.sleep(SETTLE_SECONDS)
        side.figures[f"memory with {what}, MiB"] = side.memory_mib()
        before = side.server_seconds()
        time.sleep(REST_SECONDS)
        side.figures[f"at rest with {what}, % of a core"] = (side.server_seconds() - before) / REST_SECONDS * 100
