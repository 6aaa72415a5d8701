"""Many pods at control planes that are killed at seeded moments; what must be true of them when all is over."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.apimachinery.types import JSON
from tests.functional.local_server import LocalServer, chalice_local
from tests.functional.web_client import Reply, connected
from tests.waiting import until

PODS = "/api/v1/namespaces/default/pods"
CREATORS = 2
REPEAT = (429, 502, 503, 504)  # 502 and 504 are API Gateway's, for a function that has died or was too slow
RETRY_SECONDS = 0.05  # while no server answers
LONGEST_LIFE_SECONDS = 2.5  # of a server, from its start: some die before they serve
END_SECONDS = 240.0  # from the last start until every pod has ended
# How many pods of each kind, in turn.
KINDS = ("short", "failing", "deleted", "short", "deleted-late", "failing")
SCRIPTS = {"short": "sleep 0.3", "failing": "exit 3", "deleted": "sleep 600", "deleted-late": "sleep 600"}


@dataclass(frozen=True, slots=True)
class Storm:
    """What happens: the seed chooses the moments of the kills."""

    seed: int
    pods: int
    kills: int
    servers: int = 1


@dataclass(frozen=True, slots=True)
class Api:
    """Where to ask: ports of this machine, any of which will do; lines of headers; what comes before each path."""

    ports: list[int]
    headers: str = ""
    stage: str = ""

    def ask(self, method: str, path: str, body: object = None) -> Reply | None:
        """Return an answer, None if there is none: the server is dead, or dies meanwhile."""
        raw = b"" if body is None else json.dumps(body).encode()
        try:
            with connected(random.choice(self.ports)) as client:
                return client.get(self.stage + path, method=method, body=raw, headers=self.headers)
        except (OSError, AssertionError, ValueError, IndexError):
            return None


class Creator:
    """Threads that create the pods and delete some, again and again until a server has answered."""

    def __init__(self, storm: Storm, api: Api, *, marks: str, volumes: dict[str, Any]) -> None:
        self._api, self._marks, self._volumes = api, marks, volumes
        self._closing = threading.Event()
        self._released = threading.Semaphore(0)
        self._left = list(reversed(range(storm.pods)))
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CREATORS)]
        for thread in self._threads:
            thread.start()

    def release(self, count: int) -> None:
        """Let so many more pods be created."""
        self._released.release(count)

    @property
    def is_done(self) -> bool:
        """Return whether every pod has been created, and deleted if it is of such a kind."""
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Give up, if something has gone wrong; wait for the threads."""
        self._closing.set()
        self._released.release(CREATORS)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with contextlib.suppress(IndexError):
            while not self._closing.is_set():
                self._released.acquire()
                number = self._left.pop()
                kind = KINDS[number % len(KINDS)]
                name = name_of(number)
                script = f"echo run >> {self._marks}/{name}; {SCRIPTS[kind]}"
                container: JSON = {"name": "main", "image": "busybox", "imagePullPolicy": "IfNotPresent"}
                container |= {"command": ["sh", "-c", script]}
                body = {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": name},
                    "spec": {
                        "containers": [{**container, **self._volumes.get("container", {})}],
                        "restartPolicy": "Never",
                        **self._volumes.get("pod", {}),
                    },
                }
                self._insist("POST", PODS, body, (201, 409))
                if kind == "deleted-late":
                    self._closing.wait(0.5)
                if kind.startswith("deleted"):
                    self._insist("DELETE", f"{PODS}/{name}?gracePeriodSeconds=1", None, (200, 404))

    def _insist(self, method: str, path: str, body: object, wanted: tuple[int, ...]) -> None:
        while not self._closing.is_set():
            reply = self._api.ask(method, path, body)
            if reply is not None and reply.status in wanted:
                return
            assert reply is None or reply.status in REPEAT, reply
            self._closing.wait(RETRY_SECONDS)


def name_of(number: int) -> str:
    """Return a pod's name, which has its kind in it."""
    return f"{KINDS[number % len(KINDS)]}-{number}"


class LocalServers:
    """Servers on one state folder, a port each."""

    def __init__(
        self, state: Path, ports: list[int], *arguments: str, environ: Mapping[str, str] | None = None
    ) -> None:
        self._state, self._ports, self._arguments, self._environ = state, ports, arguments, environ
        self._stacks = [contextlib.ExitStack() for _ in ports]
        self._servers = [self._start(turn) for turn in range(len(ports))]

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig of the folder."""
        return self._servers[0].kubeconfig

    def strike(self, draw: random.Random) -> None:
        """Kill one of them, and start it again."""
        turn = draw.randrange(len(self._ports))
        self._servers[turn].process.kill()
        self._stacks[turn].close()
        self._servers[turn] = self._start(turn)

    def close(self) -> None:
        """End all of them."""
        for stack in self._stacks:
            stack.close()

    def _start(self, turn: int) -> LocalServer:
        running = chalice_local(self._state, "--port", str(self._ports[turn]), *self._arguments, environ=self._environ)
        return self._stacks[turn].enter_context(running)


def weather(storm: Storm, api: Api, strike: Callable[[random.Random], None], **how: Any) -> None:
    """Run the storm until every pod has been created, and deleted if it is of such a kind. `how` is for Creator."""
    draw = random.Random(storm.seed)
    creator = Creator(storm, api, **how)
    try:
        for life in range(storm.kills):
            creator.release(storm.pods * (life + 1) // storm.kills - storm.pods * life // storm.kills)
            time.sleep(draw.uniform(0.0, LONGEST_LIFE_SECONDS))  # the moment is what is drawn: no condition to wait for
            strike(draw)
        creator.release(CREATORS)  # they see that none is left
        until(lambda: creator.is_done, "all pods to be created", seconds=END_SECONDS)
    finally:
        creator.close()


def statuses(api: Api) -> dict[str, Any]:
    """Return the status of each pod by name."""
    reply = api.ask("GET", PODS)
    assert reply is not None
    assert reply.status == 200, reply
    return {pod["metadata"]["name"]: pod["status"] for pod in reply.json()["items"]}


def phases(api: Api) -> dict[str, str]:
    """Return the phase of each pod by name."""
    return {name: status["phase"] for name, status in statuses(api).items()}


def check_ends(storm: Storm, api: Api, marks: Path) -> None:
    """Wait until every pod has come to its right end, and see that none has run twice or not at all."""
    names = [name_of(number) for number in range(storm.pods)]
    ends = {"short": "Succeeded", "failing": "Failed"}
    expected = {name: ends[name.split("-")[0]] for name in names if name.split("-")[0] in ends}
    until(lambda: api.ask("GET", PODS) is not None, "the last server to answer", seconds=END_SECONDS)
    try:
        until(lambda: phases(api) == expected, "every pod's end", seconds=END_SECONDS)
    except AssertionError:
        found = statuses(api)
        wrong = {name for name in {*found, *expected} if found.get(name, {}).get("phase") != expected.get(name)}
        raise AssertionError({name: (expected.get(name), found.get(name)) for name in wrong}) from None
    runs = {name: len((marks / name).read_text().split()) if (marks / name).exists() else 0 for name in names}
    assert {name: count for name, count in runs.items() if name in expected and count != 1} == {}, "runs of each"
    assert {name: count for name, count in runs.items() if count > 1} == {}, "runs of each"


def delete_all(api: Api) -> None:
    """Delete every pod, and wait until none is left."""
    reply = api.ask("DELETE", f"{PODS}?gracePeriodSeconds=0")
    assert reply is not None
    assert reply.status == 200, reply
    until(lambda: phases(api) == {}, "the pods to be gone", seconds=END_SECONDS)
