"""Fifty applications of two hundred executors at once, beside ninety thousand finished pods, and a thousand more.

On the provider `none`, where pods stay Pending, and on one that runs its tasks in memory. Pods, ConfigMaps and watches
are those of Spark 4.3's drivers; plain HTTP, SQLite with each write on disk. `STORED=n` takes fewer finished pods.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.api import EXECUTOR, MERGE_PATCH, Pod
from benchmarks.lifecycle import finished_pod, store_copy
from benchmarks.load import Connection, Measured, Target, drive, request
from benchmarks.sides import Side
from chalicelib.config import Settings
from chalicelib.plane.control_plane import ControlPlane
from tests.api_client import ApiClient
from tests.fake_provider import FakeProvider
from tests.functional.local_server import chalice_local

PROVIDERS = {"none": "none", "fake": "benchmarks.fake_provider"}
STORED = 90_000
APPLICATIONS, EXECUTORS = 50, 200
ADMITTED = 1_000
CLIENTS = 8
LISTS, CHANGES = 10, 10  # of each driver
SETTLE_SECONDS, REST_SECONDS = 30.0, 30.0
ROOM = {"SPARKANYWHERE_NODE_CPUS": "100000", "SPARKANYWHERE_NODE_MEMORY_MIB": "100000000"}
NAMESPACE = "/api/v1/namespaces/default"
PODS = f"{NAMESPACE}/pods"
GOAL_MS = 10.0


def run() -> str:
    """Measure on both providers; return the table."""
    with tempfile.TemporaryDirectory() as name:
        state = Path(name)
        stored = int(os.environ.get("STORED") or STORED)
        fill(state / "filled", stored)
        found = [measured(provider, state) for provider in PROVIDERS]
    rows = {what: [each[what] for each in found] for what in found[0]}
    lines = [f"| beside {stored:,} finished pods | {' | '.join(PROVIDERS)} | goal |", "|---|--:|--:|---|"]
    return "\n".join([*lines, *(f"| {what} | {' | '.join(cells)} | {GOALS[what]} |" for what, cells in rows.items())])


GOALS = {
    f"{APPLICATIONS} x {EXECUTORS} executors created, a second": "",
    f"applications admitted a minute, beside them ({CLIENTS} clients)": f"{ADMITTED:,}",
    "a driver's LIST of its executors, p50 / p99 ms": f"p50 under {GOAL_MS:g}",
    "a change of an executor to its driver's watch, p50 / p99 ms": f"p50 under {GOAL_MS:g}",
    "at rest, % of a core": "",
    "memory, MiB": "under 600",
}


def fill(state: Path, count: int) -> None:
    """Make the state of a server that has so many finished pods."""
    provider = FakeProvider()
    plane = ControlPlane(Settings(provider="process", state=str(state / "sparkanywhere")), provider=provider)
    plane.start()
    try:
        api = ApiClient(plane)
        api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "stored"}})
        finished = finished_pod(api, provider)
        with ThreadPoolExecutor(CLIENTS) as pool:  # commits are shared
            for _ in pool.map(lambda number: store_copy(plane, finished, number), range(1, count)):
                pass
    finally:
        plane.close()


def measured(provider: str, state: Path) -> dict[str, str]:
    """Return the cells of a provider's column."""
    shutil.copytree(state / "filled", state / provider)
    options = ("--provider", PROVIDERS[provider], "--port", "0")
    with chalice_local(state / provider, *options, environ=ROOM) as server:
        server.wait_until_ready()
        side = Side(provider, Target(server.port), (server.process.pid,))
        side.connect().ask(request("POST", f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "spark"}}))
        uids = [admit(side.connect(), number) for number in range(APPLICATIONS)]
        created = drive(side.target, executors(uids), clients=CLIENTS)
        time.sleep(SETTLE_SECONDS)  # until what was launched is reported
        lists, changes = watching(side, len(uids))
        before = side.server_seconds()
        time.sleep(REST_SECONDS)
        rest = (side.server_seconds() - before) / REST_SECONDS * 100
        more = (raw for number in range(ADMITTED) for raw in application(APPLICATIONS + number))
        admitted = drive(side.target, more, clients=CLIENTS)
        cells = [f"{created.rate:.0f}", f"{ADMITTED / admitted.wall_seconds * 60:,.0f}", both(lists), both(changes)]
        cells += [f"{rest:.1f}", f"{side.memory_mib():.0f}"]
        server.end()
    return dict(zip(GOALS, cells, strict=True))


def watching(side: Side, applications: int) -> tuple[Measured, Measured]:
    """Return what lists of all drivers took, and changes until they are seen, while each holds its watch."""
    lists, changes = Measured(), Measured()
    with ExitStack() as stack:
        lister = side.connect()
        watches = [stack.enter_context(watch_of(side, number)) for number in range(applications)]
        for _ in range(LISTS):
            for number in range(applications):
                body = lister.ask(request("GET", f"{PODS}?{query(number)}"))
                lists.seconds.append(time.perf_counter() - lister.begun)
                if len(json.loads(body)["items"]) != EXECUTORS:
                    raise RuntimeError(f"application {number} has other executors than it asked for")
        writer = side.connect()  # only now: the server closes a connection on which nothing has been asked for 20 s
        for round_ in range(CHANGES):
            for number, watch in enumerate(watches):
                text = f"changed-{round_}-{number}"
                label, path = {"metadata": {"labels": {"bench": text}}}, f"{PODS}/app-{number}-exec-{round_}"
                writer.send(request("PATCH", path, label, content_type=MERGE_PATCH))
                while text.encode() not in watch.readline():
                    pass
                changes.seconds.append(time.perf_counter() - writer.begun)
                while writer.receive() is None:
                    pass
    return lists, changes


def watch_of(side: Side, number: int) -> BinaryIO:
    """Open a driver's watch of its executors, from now on."""
    version = json.loads(side.connect().ask(request("GET", f"{PODS}?{query(number)}&limit=1")))["metadata"]
    path = f"{PODS}?{query(number)}&watch=true&resourceVersion={version['resourceVersion']}"
    return side.connect().watch(path)


def query(number: int) -> str:
    """Return by which labels a driver finds its executors."""
    return f"labelSelector=spark-app-selector%3Dspark-{number},spark-role%3Dexecutor"


def admit(connection: Connection, number: int) -> str:
    """Submit an application; return its driver's uid."""
    answers = [json.loads(connection.ask(raw)) for raw in application(number)]
    return str(answers[0]["metadata"]["uid"])


def application(number: int) -> Iterator[bytes]:
    """Yield what spark-submit sends for an application: its driver and the ConfigMap of its settings."""
    driver, settings = copy.deepcopy(template("driver")), copy.deepcopy(template("configmap"))
    driver["metadata"] |= {"name": f"app-{number}-driver", "namespace": "default"}
    driver["metadata"]["labels"]["spark-app-selector"] = f"spark-{number}"
    settings["metadata"] = {"name": f"app-{number}-conf"}
    for volume in driver["spec"]["volumes"]:
        if "configMap" in volume:
            volume["configMap"]["name"] = f"app-{number}-conf"
    yield request("POST", PODS, driver)
    yield request("POST", f"{NAMESPACE}/configmaps", settings)


def executors(uids: list[str]) -> Iterator[bytes]:
    """Yield requests for all executors of the drivers with these uids, by turns."""
    for each in range(EXECUTORS):
        for number, uid in enumerate(uids):
            pod = copy.deepcopy(template("executor"))
            name = f"app-{number}-driver"
            owner = {"apiVersion": "v1", "controller": True, "kind": "Pod", "name": name, "uid": uid}
            pod["metadata"] |= {"name": f"app-{number}-exec-{each}", "ownerReferences": [owner]}
            pod["metadata"]["labels"]["spark-app-selector"] = f"spark-{number}"
            yield request("POST", PODS, pod)


@cache
def template(kind: str) -> Pod:
    """Return an object that Spark 4.3 was recorded to send."""
    found: dict[str, Any] = json.loads(EXECUTOR.with_name(f"{kind}-4.3.0.json").read_text())
    return found


def both(measured: Measured) -> str:
    """Return median and 99th percentile."""
    return f"{measured.percentile_ms(50):.1f} / {measured.percentile_ms(99):.1f}"
