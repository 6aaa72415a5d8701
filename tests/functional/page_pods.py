"""Pods that look like a Spark application's and run `sh`, put into a control plane."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import requests

from sparkanywhere.jobs.usage import usage

Pod = dict[str, Any]  # Any: a Kubernetes object
SECONDS = 30.0


def spark_pod(app: str, role: str, script: str, *, name: str = "", cpu: str = "1") -> Pod:
    """Return a pod labelled as Spark labels its own."""
    container = {
        "name": f"spark-kubernetes-{role}",
        "image": "sh",
        "command": ["sh", "-c", script],
        "resources": {"requests": {"cpu": cpu, "memory": "1408Mi"}, "limits": {"memory": "1408Mi"}},
    }
    labels = {"spark-app-selector": app, "spark-role": role, "spark-app-name": app}
    metadata = {"name": name or f"{app}-{role}", "labels": labels}
    return {"metadata": metadata, "spec": {"restartPolicy": "Never", "containers": [container]}}


def put(url: str, pod: Pod, *, token: str = "") -> None:
    """Create a pod in the namespace default."""
    answer = requests.post(pods_url(url), json=pod, headers=_headers(token), timeout=SECONDS)
    assert answer.status_code == 201, answer.text


def pods_of(url: str, app: str) -> list[Pod]:
    """Return the pods of an application."""
    params = {"labelSelector": f"spark-app-selector={app}"}
    answer = requests.get(pods_url(url), params=params, timeout=SECONDS)
    items: list[Pod] = answer.json()["items"]
    return items


def dollars_of(url: str, app: str) -> str:
    """Return what the command line says that an application costs."""
    return f"${usage(pods_of(url, app), datetime.now(UTC)).usd:.4f}"


def pods_url(url: str) -> str:
    """Return the URL of the pods in the namespace default."""
    return f"{url}/api/v1/namespaces/default/pods"


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}
