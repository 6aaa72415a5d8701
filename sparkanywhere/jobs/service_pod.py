"""Pods that serve people, the history server and Spark Connect: found by a label, waited for by what they log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import TERMINAL_PHASES, is_terminal, phase_of, status_of
from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import ApiError, KubeClient

SERVICE = "sparkanywhere.io/service"
START_SECONDS = 300.0  # an image may have to be pulled, a machine may be busy
LOOK_SECONDS = 0.5
LAST_LINES = 15
GONE = 404


class ServiceFailed(Exception):
    """The pod does not serve; str() says why, with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of pod that serves: what its label says, and what it logs when it is up."""

    label: str
    marker: str


def find_running(client: KubeClient, namespace: str, service: Service) -> JSON | None:
    """Return the youngest pod of a service that has not ended and is not on its way out, None if there is none."""
    found = [pod for pod in _all(client, namespace, service) if is_alive(pod)]
    return max(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)


def is_alive(pod: JSON) -> bool:
    """Return whether a pod is there to stay: neither ended nor being deleted."""
    has_ended = is_terminal(pod)
    return not has_ended and not pod["metadata"].get("deletionTimestamp")


def stop_all(client: KubeClient, namespace: str, service: Service) -> list[str]:
    """Delete every pod of a service, also those that have ended; return the names of those that had not."""
    pods = _all(client, namespace, service)
    for pod in pods:
        try:
            client.delete(f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}")
        except ApiError as error:
            if error.code != GONE:
                raise
    return [str(pod["metadata"]["name"]) for pod in pods if is_alive(pod)]


def _all(client: KubeClient, namespace: str, service: Service) -> list[JSON]:
    query = {"labelSelector": f"{SERVICE}={service.label}"}
    return list(client.get(f"/api/v1/namespaces/{namespace}/pods", **query)["items"])


def wait_until_up(
    client: KubeClient,
    pod: JSON,
    service: Service,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[JSON, str]:
    """Wait until a pod has logged that it is up; return it as it is then, and the line that said so.

    Raises ServiceFailed where it ends before, or says nothing for START_SECONDS; ApiError, ApiUnreachable.
    """
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
    deadline = monotonic() + START_SECONDS
    while True:
        pod = client.get(path)
        phase = phase_of(pod)
        log = client.text(f"{path}/log") if phase in ("Running", *TERMINAL_PHASES) else ""
        line = next((each for each in log.splitlines() if service.marker in each), "")
        if line and is_alive(pod):
            return pod, line
        if not is_alive(pod):
            raise ServiceFailed(f"{pod['metadata']['name']} has ended.{_last_words(log)}")
        if monotonic() > deadline:
            conditions = status_of(pod).get("conditions") or ()
            waits_for = [each.get("message") for each in conditions if each.get("status") == "False"]
            why = next((f" {message}" for message in waits_for if message), _last_words(log))
            raise ServiceFailed(
                f"{pod['metadata']['name']} is not up after {START_SECONDS:.0f} s ({phase}).{why}"
            )
        sleep(LOOK_SECONDS)


def _last_words(log: str) -> str:
    lines = log.strip().splitlines()[-LAST_LINES:]
    return "".join(f"\n  {line}" for line in lines)
