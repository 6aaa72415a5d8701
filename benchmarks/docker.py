"""Pods in containers against the Docker SDK alone: one at a time, and fifty at once.

Both sides make the same container of the same image: an init process, a memory limit, a label, a fixed address on
a network of its own. They take turns, so that a busy minute of the machine meets both.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from docker.types import IPAMConfig, IPAMPool

from chalicelib.config import Settings
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.engine import connect
from sparkanywhere.client.kube_client import Access, ApiUnreachable, KubeClient
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from sparkanywhere.local.providers import remove_leftovers
from tests.docker_images import ensure_busybox

PODS = "/api/v1/namespaces/default/pods"
ROUNDS = 20  # single pods of each side
AT_ONCE = 50
THREADS = 4  # of the plain pool: more only add latency on two cores
BURSTS = 5  # of each side
WAIT_SECONDS = 120
LABEL = "sparkanywhere-benchmark"
MEMORY_BYTES = 128 * 1024 * 1024
Client = Any  # a docker.APIClient, whose stubs know half of it


def run() -> str:
    """Measure by turns; return the table."""
    with closing(connect()) as engine:
        ensure_busybox(engine)
        with bare_network(engine) as network, control_plane() as access:
            bare, pods = Bare(engine, network), Pods(engine, access)
            singles: tuple[list[float], list[float]] = ([], [])
            for _ in range(ROUNDS):
                singles[0].append(bare.one())
                singles[1].append(pods.one())
            bursts: tuple[list[float], list[float]] = ([], [])
            for _ in range(BURSTS):
                bursts[0].append(bare.many(AT_ONCE))
                bursts[1].append(pods.many(AT_ONCE))
    return table(singles, bursts)


def table(singles: tuple[list[float], list[float]], bursts: tuple[list[float], list[float]]) -> str:
    """Return the Markdown of what was measured."""
    lines = ["| what | Docker SDK alone | POST of a pod to running | difference | goal |", "|---|---|---|---|---|"]
    bare, pods = (statistics.median(each) * 1000 for each in singles)
    lines.append(
        f"| one container, ms: median [min..max] (n={ROUNDS}) | {spread(singles[0], 1000)} "
        f"| {spread(singles[1], 1000)} | {pods - bare:+.0f} ms | under +50 ms |"
    )
    rates = [[AT_ONCE / seconds for seconds in side] for side in bursts]
    ratio = statistics.median(rates[1]) / statistics.median(rates[0])
    lines.append(
        f"| {AT_ONCE} at once, per second: median [min..max] (n={BURSTS}) | {spread(rates[0], 1, 1)} "
        f"| {spread(rates[1], 1, 1)} | {ratio:.2f}x | 0.9x or more |"
    )
    return "\n".join(lines)


def spread(values: list[float], factor: float, digits: int = 0) -> str:
    """Return `median [min..max]`."""
    low, middle, high = (f(values) * factor for f in (min, statistics.median, max))
    return f"{middle:.{digits}f} [{low:.{digits}f}..{high:.{digits}f}]"


class Bare:
    """The SDK alone: create, start."""

    def __init__(self, engine: Client, network: str) -> None:
        self._engine = engine
        self._network = network
        self._made: list[str] = []
        self._next = 0

    def one(self) -> float:
        """Return the seconds from asking to the start; the container is gone afterwards."""
        begin = time.perf_counter()
        self._run(self._address())
        seconds = time.perf_counter() - begin
        self._clear()
        return seconds

    def many(self, count: int) -> float:
        """Return the seconds until that many run, started by a plain thread pool."""
        addresses = [self._address() for _ in range(count)]
        begin = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self._run, addresses))
        seconds = time.perf_counter() - begin
        self._clear()
        return seconds

    def _address(self) -> str:
        self._next += 1
        return f"10.229.{self._next // 250}.{self._next % 250 + 2}"

    def _run(self, address: str) -> None:
        engine = self._engine
        host = engine.create_host_config(
            init=True, network_mode=self._network, mem_limit=MEMORY_BYTES, memswap_limit=MEMORY_BYTES
        )
        endpoint = engine.create_endpoint_config(ipv4_address=address)
        made = engine.create_container(
            "busybox",
            command=["sleep", "600"],
            labels={LABEL: "1"},
            host_config=host,
            networking_config=engine.create_networking_config({self._network: endpoint}),
        )["Id"]
        self._made.append(made)
        engine.start(made)

    def _clear(self) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda made: self._engine.remove_container(made, force=True), self._made))
        self._made.clear()


class Pods:
    """Our API: POST a pod, and watch until it runs."""

    def __init__(self, engine: Client, access: Access) -> None:
        self._engine = engine
        self._client = KubeClient(access)

    def one(self) -> float:
        """Return the seconds from POST to the watch event that says Running; the pod is gone afterwards."""
        return self.many(1)

    def many(self, count: int) -> float:
        """Return the seconds until that many pods run, POSTed by as many threads."""
        names = [f"bench-{uuid.uuid4().hex[:8]}" for _ in range(count)]
        watch = Watch(self._client)
        begin = time.perf_counter()
        with ThreadPoolExecutor(min(count, 16)) as pool:
            list(pool.map(lambda name: self._client.create(PODS, pod(name)), names))
        watch.until_running(names)
        seconds = time.perf_counter() - begin
        self._client.delete(PODS, gracePeriodSeconds="0")
        watch.until_gone(names)
        watch.close()
        while self._left(names):  # the engine's own cleaning up shall not slow the other side down
            time.sleep(0.1)
        return seconds

    def _left(self, names: list[str]) -> list[str]:
        """Return the containers that the engine still has of these pods."""
        found = self._engine.containers(all=True, filters={"label": labels.NAME})
        return [item["Id"] for item in found if item["Labels"][labels.NAME] in names]


class Watch:
    """The phases of pods, as a watch tells them."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._phases: dict[str, str] = {}
        self._news = threading.Condition()
        self._closed = False
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        with suppress(ApiUnreachable):  # at the end, when the control plane has gone
            for event in self._client.watch(PODS, seconds=WAIT_SECONDS):
                if event["type"] == "BOOKMARK":
                    continue
                with self._news:
                    gone = event["type"] == "DELETED"
                    status = event["object"].get("status") or {}
                    self._phases[event["object"]["metadata"]["name"]] = "" if gone else status.get("phase", "")
                    self._news.notify_all()
                if self._closed:
                    return

    def until_running(self, names: list[str]) -> None:
        """Wait until all of them run."""
        self._until(names, "Running")

    def until_gone(self, names: list[str]) -> None:
        """Wait until none of them is left."""
        self._until(names, "")

    def _until(self, names: list[str], phase: str) -> None:
        with self._news:
            done = self._news.wait_for(lambda: all(self._phases.get(name) == phase for name in names), WAIT_SECONDS)
        if not done:
            raise RuntimeError(f"not all pods became {phase or 'gone'} within {WAIT_SECONDS} s")

    def close(self) -> None:
        """Let the thread end with the next event."""
        self._closed = True


def pod(name: str) -> dict[str, Any]:
    """Return a pod that sleeps, with the limit of the bare container."""
    container = {
        "name": "main",
        "image": "busybox",
        "imagePullPolicy": "IfNotPresent",  # a name without a tag means Always
        "command": ["sleep", "600"],
        "resources": {"limits": {"memory": "128Mi"}},
    }
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@contextmanager
def bare_network(engine: Client) -> Iterator[str]:
    """Yield a network for the bare side."""
    pools = [IPAMPool(subnet="10.229.0.0/20", iprange="10.229.15.0/24", gateway="10.229.0.1")]
    made = engine.create_network(LABEL, ipam=IPAMConfig(pool_configs=pools), labels={LABEL: "1"})["Id"]
    try:
        yield LABEL
    finally:
        engine.remove_network(made)


@contextmanager
def control_plane() -> Iterator[Access]:
    """Yield how to reach a control plane of our own."""
    with tempfile.TemporaryDirectory() as state:
        server = LocalServer(ServerOptions(state=Path(state), instance="bench", provider="docker"), os.environ)
        try:
            yield server.start()
        finally:
            server.stop()
            remove_leftovers(server.folder, Settings.from_env())
