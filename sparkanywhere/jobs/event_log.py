"""Spark's event logs: written by drivers to a claim that all of a namespace share, read by the history server.

Where claims do not last (Fargate, and clusters that are not ours) nothing is added: there
`--conf spark.eventLog.dir=s3a://...` says where. Reference: Spark 4.3, "Monitoring and Instrumentation".
"""

from __future__ import annotations

import copy
from dataclasses import replace

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.jobs.capacity import find_provider
from sparkanywhere.jobs.objects import Objects
from sparkanywhere.jobs.spec import JobSpec

CLAIM = "spark-events"
VOLUME = "spark-events"
PATH = "/opt/sparkanywhere/events"
DIRECTORY = f"file://{PATH}"
# What the advisor needs beside the events: memory, by the second, not only with the heartbeat every ten.
METRICS = {
    "spark.eventLog.logStageExecutorMetrics": "true",
    "spark.executor.metrics.pollingInterval": "1s",
    "spark.executor.processTreeMetrics.enabled": "true",
}
SIZE = "10Gi"  # a word for the claim alone: no provider with lasting volumes enforces it
EXISTS, FORBIDDEN = 409, 403


def has_claim(client: KubeClient, namespace: str) -> bool:
    """Create the claim if claims last here; return whether there is one. Repeatable.

    Raises ApiError, ApiUnreachable.
    """
    provider = find_provider(client, namespace)
    if provider is None or not provider.volumes_last:
        return False
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": SIZE}}},
    }
    try:
        client.create(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", claim)
    except ApiError as error:
        if error.code != EXISTS:
            raise
    return True


def logs_events(client: KubeClient, spec: JobSpec) -> bool:
    """Return whether a job's driver writes to the claim, which then exists.

    False if the job configures event logs itself, or if the user may not create claims.
    Raises ApiError, ApiUnreachable.
    """
    if not spec.event_log or any(key.startswith("spark.eventLog.") for key in spec.conf):
        return False
    try:
        return has_claim(client, spec.namespace)
    except ApiError as error:
        if error.code == FORBIDDEN:
            return False
        raise


def with_event_log(made: Objects, spec: JobSpec) -> Objects:
    """Return a job's objects with a driver that writes its event log to the claim. Pure."""
    changed = replace(made, main=copy.deepcopy(made.main))
    pod_spec = changed.driver["spec"]
    pod_spec.setdefault("volumes", []).append(volume())
    container = next(each for each in pod_spec["containers"] if (each.get("args") or [])[:1] == ["driver"])
    container.setdefault("volumeMounts", []).append(mount())
    at = container["args"].index("--properties-file") + 2  # behind the file, so that these win
    settings = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": DIRECTORY}
    settings |= {key: value for key, value in METRICS.items() if key not in spec.conf}
    container["args"][at:at] = [word for item in settings.items() for word in ("--conf", "=".join(item))]
    return changed


def volume() -> JSON:
    """Return the claim as a pod's volume."""
    return {"name": VOLUME, "persistentVolumeClaim": {"claimName": CLAIM}}


def mount() -> JSON:
    """Return where a container sees it."""
    return {"name": VOLUME, "mountPath": PATH}
