"""A Spark history server as a pod, over the event logs that jobs leave (event_log.py). Pure.

Reference: Spark 4.3, "Monitoring and Instrumentation", spark.history.*; org.apache.spark.deploy.history.HistoryServer.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from chalicelib.apimachinery.types import JSON
from sparkanywhere.jobs import event_log, memory
from sparkanywhere.jobs.service_pod import SERVICE, Service

HISTORY = Service("history", "Bound HistoryServer to")
NAME = "spark-history"
PORT = 18080
CLASS = "org.apache.spark.deploy.history.HistoryServer"
PROGRAM = "/opt/spark/bin/spark-class"
# Logs are kept for so long, as long as a server runs to look; else they would fill the disk.
KEEP = {"spark.history.fs.cleaner.enabled": "true", "spark.history.fs.cleaner.maxAge": "30d"}


def history_pod(*, image: str, directory: str, heap: str, conf: Mapping[str, str]) -> JSON:
    """Return the pod of a history server over `directory`: a URL of Hadoop's, or event_log.DIRECTORY for the claim."""
    is_claim = directory == event_log.DIRECTORY
    settings = {
        "spark.history.fs.logDirectory": directory,
        "spark.history.ui.port": str(PORT),
        **KEEP,
        **conf,
    }
    options = " ".join(shlex.quote(f"-D{key}={value}") for key, value in settings.items())
    amount = f"{memory.pod_mib(heap)}Mi"
    container = {
        "name": "history",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [PROGRAM, CLASS],
        "env": [
            {"name": "SPARK_HISTORY_OPTS", "value": options},
            {"name": "SPARK_DAEMON_MEMORY", "value": heap},
        ],
        "ports": [{"name": "history", "containerPort": PORT}],
        "resources": {"limits": {"memory": amount}, "requests": {"cpu": "500m", "memory": amount}},
        "volumeMounts": [event_log.mount()] if is_claim else [],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"{NAME}-", "labels": {SERVICE: HISTORY.label, "app": NAME}},
        "spec": {
            "containers": [container],
            "restartPolicy": "Never",
            "volumes": [event_log.volume()] if is_claim else [],
        },
    }
