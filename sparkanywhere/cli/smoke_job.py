"""A pod that `doctor` runs where `run` would run a job, so that it promises nothing it has not seen."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from chalicelib.apimachinery.accessors import is_terminal, phase_of, status_of
from chalicelib.apimachinery.types import JSON
from chalicelib.providers import registry
from sparkanywhere.cli.reach import is_here
from sparkanywhere.client.access import NothingHere, find_target
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.local.local_server import temporary_server

PODS = "/api/v1/namespaces/default/pods"
POD_SECONDS = 60.0  # it takes two at most, on a loaded machine some more
LOOK_SECONDS = 0.05
SPARKS_VERSION = ["/opt/spark/bin/spark-submit", "--version"]  # Java, Spark and its scripts, in a second
ECHO = ["/bin/sh", "-c", "echo well"]


class SmokeFailed(Exception):
    """The pod did not do what it should; str() is one sentence."""


def smoke_job(environ: Mapping[str, str], spark_home: Path | None) -> str:
    """Run a pod on the local server that `run` would use, or on one of its own; return in words what it has shown.

    A control plane elsewhere is left alone: pods cost money there. `spark_home` is the Spark to run, None for none.
    Raises SmokeFailed, ServerFailed, NoAccess, ApiError, ApiUnreachable.
    """
    try:
        target = find_target(environ, lasting=True)
    except NothingHere:
        began = time.monotonic()
        with temporary_server(environ, prefix="doctor", provider=registry.DEFAULT) as server:
            client = KubeClient(server.start())
            return f"a control plane started in {time.monotonic() - began:.1f} s, {try_pod(client, spark_home)}"
    if not is_here(target.access):
        return "not tried: the control plane is elsewhere, where a pod may cost money"
    return try_pod(KubeClient(target.access), spark_home)


def try_pod(client: KubeClient, spark_home: Path | None, *, seconds: float = POD_SECONDS) -> str:
    """Run a pod on that control plane, for so long at most; return in words what it has shown.

    Raises SmokeFailed, ApiError, ApiUnreachable.
    """
    nodes = client.get("/api/v1/nodes")["items"]
    provider = registry.of_node(nodes[0]["metadata"]["name"]) if nodes else None
    if provider is not None and not provider.launches:
        return f"no pod was tried: provider {provider.name} runs none"
    has_images = provider is not None and provider.image_engine is not None
    began = time.monotonic()
    _run(client, smoke_pod(spark_home.name if spark_home else "", has_images=has_images), seconds)
    took = (
        f"a pod ran {f'Spark {spark_home.name}' if spark_home else 'and printed'} in {time.monotonic() - began:.1f} s"
    )
    return took if spark_home else f"{took}; Spark was not tried, as none is here yet"


def smoke_pod(spark: str, *, has_images: bool) -> JSON:
    """Return the pod: it runs that version of Spark, from our image where there are images, or "" just a shell."""
    repository = "sparkanywhere/spark" if has_images else "apache/spark"
    container = {
        "name": "smoke",
        "image": f"{repository}:{spark}" if spark else "busybox",
        "command": SPARKS_VERSION if spark else ECHO,
    }
    metadata = {"name": f"doctor-{uuid.uuid4().hex[:8]}"}
    spec = {"restartPolicy": "Never", "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _run(client: KubeClient, pod: JSON, seconds: float) -> None:
    """Create the pod, wait until it has succeeded, and delete it, however it ends. Raises SmokeFailed."""
    path = f"{PODS}/{client.create(PODS, pod)['metadata']['name']}"
    deadline = time.monotonic() + seconds
    try:
        while not is_terminal(pod := client.get(path)):
            waits_for = obstacle(pod)
            if waits_for or time.monotonic() >= deadline:
                raise SmokeFailed(waits_for or f"the pod is {phase_of(pod)} after {seconds:.0f} s")
            time.sleep(LOOK_SECONDS)
        if phase_of(pod) != "Succeeded":
            said = client.text(f"{path}/log").strip().splitlines()[-1:]
            raise SmokeFailed(": ".join([f"the pod ended as {phase_of(pod)}", *said]))
    finally:
        with suppress(ApiError):
            client.delete(path, gracePeriodSeconds="0")


def obstacle(pod: JSON) -> str:
    """Return why the pod's container does not start, "" while nothing is wrong."""
    for each in status_of(pod).get("containerStatuses") or ():
        waiting = each.get("state", {}).get("waiting") or {}
        if waiting.get("reason", "").startswith("Err") or waiting.get("reason", "").endswith("BackOff"):
            return str(waiting.get("message") or waiting["reason"])
    return ""
