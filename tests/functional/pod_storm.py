"""Many pods on local servers that are killed at seeded moments; what must be true of them when all is over."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.apimachinery.types import JSON
from tests.functional.local_server import LocalServer, chalice_local
from tests.functional.web_client import Reply, connected
from tests.waiting import until

PODS = "/api/v1/namespaces/default/pods"
CREATORS = 2
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


class Creator:
    """Threads that create the pods and delete some, again and again until a server has answered."""

    def __init__(self, storm: Storm, ports: list[int], *, marks: str, volumes: dict[str, Any], headers: str) -> None:
        self._ports, self._marks, self._volumes, self._headers = ports, marks, volumes, headers
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
            reply = ask(random.choice(self._ports), method, path, body, headers=self._headers)
            if reply is not None and reply.status in wanted:
                return
            assert reply is None or reply.status in (429, 503), reply
            self._closing.wait(RETRY_SECONDS)


def ask(port: int, method: str, path: str, body: object = None, *, headers: str = "") -> Reply | None:
    """Return a server's answer, None if there is none: it is dead, or dies meanwhile."""
    raw = b"" if body is None else json.dumps(body).encode()
    try:
        with connected(port) as client:
            return client.get(path, method=method, body=raw, headers=headers)
    except (OSError, AssertionError, ValueError, IndexError):
        return None


def name_of(number: int) -> str:
    """Return a pod's name, which has its kind in it."""
    return f"{KINDS[number % len(KINDS)]}-{number}"


@contextlib.contextmanager
def weathered(storm: Storm, state: Path, ports: list[int], *arguments: str, **how: Any) -> Iterator[LocalServer]:
    """Run the storm to its end; yield the first of the servers that still run. `how` is for Creator."""
    draw = random.Random(storm.seed)
    stacks = [contextlib.ExitStack() for _ in ports]
    servers = [_start(stack, state, port, *arguments) for stack, port in zip(stacks, ports, strict=True)]
    creator = Creator(storm, ports, **how)
    try:
        for life in range(storm.kills):
            creator.release(storm.pods * (life + 1) // storm.kills - storm.pods * life // storm.kills)
            time.sleep(draw.uniform(0.0, LONGEST_LIFE_SECONDS))  # the moment is what is drawn: no condition to wait for
            turn = draw.randrange(len(ports))
            servers[turn].process.kill()
            stacks[turn].close()
            servers[turn] = _start(stacks[turn], state, ports[turn], *arguments)
        for server in servers:
            server.wait_until_ready()
        creator.release(CREATORS)  # they see that none is left
        until(lambda: creator.is_done, "all pods to be created", seconds=END_SECONDS)
        yield servers[0]
    finally:
        creator.close()
        for stack in stacks:
            stack.close()


def _start(stack: contextlib.ExitStack, state: Path, port: int, *arguments: str) -> LocalServer:
    return stack.enter_context(chalice_local(state, "--port", str(port), *arguments))


def phases(port: int, *, headers: str = "") -> dict[str, str]:
    """Return the phase of each pod by name."""
    reply = ask(port, "GET", PODS, headers=headers)
    assert reply is not None
    return {pod["metadata"]["name"]: pod["status"]["phase"] for pod in reply.json()["items"]}


def check_ends(storm: Storm, port: int, marks: Path, *, headers: str = "") -> None:
    """Wait until every pod has come to its right end, and see that none has run twice or not at all."""
    names = [name_of(number) for number in range(storm.pods)]
    ends = {"short": "Succeeded", "failing": "Failed"}
    expected = {name: ends[name.split("-")[0]] for name in names if name.split("-")[0] in ends}
    try:
        until(lambda: phases(port, headers=headers) == expected, "every pod's end", seconds=END_SECONDS)
    except AssertionError:
        found = phases(port, headers=headers)
        wrong = {name: (found.get(name), expected.get(name)) for name in {*found, *expected}}
        raise AssertionError({name: pair for name, pair in wrong.items() if pair[0] != pair[1]}) from None
    runs = {name: len((marks / name).read_text().split()) if (marks / name).exists() else 0 for name in names}
    assert {name: count for name, count in runs.items() if name in expected and count != 1} == {}, "runs of each"
    assert {name: count for name, count in runs.items() if count > 1} == {}, "runs of each"


def delete_all(port: int, *, headers: str = "") -> None:
    """Delete every pod, and wait until none is left."""
    reply = ask(port, "DELETE", f"{PODS}?gracePeriodSeconds=0", headers=headers)
    assert reply is not None
    assert reply.status == 200, reply
    until(lambda: phases(port, headers=headers) == {}, "the pods to be gone")
