"""A Spark job whose executors' tasks start with its driver: its objects, as a driver of stock Spark makes them."""

from __future__ import annotations

from typing import Any

from chalicelib.apimachinery.types import JSON
from tests.unit.controllers.world import World

PROPERTIES = "spark.executor.instances=2\nspark.executor.memory=1g\nspark.kubernetes.container.image=spark\n"
LOCAL = "/var/data/spark-126a3a92-1930-4579-9dd4-934ca40abf94"
HOLDS = {"cpu": "1", "memory": "1408Mi"}  # 1 GiB and what Spark adds


def conf_of(name: str) -> str:
    """Return the name of a driver's ConfigMap."""
    return "drv" if name == "a" else f"drv-{name}"


def labels_of_job(driver: str) -> dict[str, str]:
    """Return the labels that all pods of a driver's have."""
    return {"spark-app-selector": f"spark-{driver}", "spark-app-name": "pi"}


def create_driver(
    w: World, name: str = "a", *, properties: str = PROPERTIES, park: str = "true", **annotations: str
) -> JSON:
    """Create a driver, and its ConfigMap, which the driver waits for; annotations are ours, `keep_warm` and so on."""
    create_driver_pod(w, name, park=park, **annotations)
    w.create("configmaps", conf_of(name), metadata=w.owner_of(name), data={"spark.properties": properties})
    return w.pod(name)


def create_driver_pod(w: World, name: str, *, park: str = "true", **annotations: str) -> JSON:
    """Create a driver that waits for its ConfigMap."""
    container = {
        "name": "spark-kubernetes-driver",
        "image": "spark",
        "args": ["driver", "--class", "Pi"],
        "env": [{"name": "SPARK_LOCAL_DIRS", "value": LOCAL}],
        "resources": {"requests": {"cpu": "1"}},
        "volumeMounts": [{"name": "conf", "mountPath": "/opt/spark/conf"}],
    }
    ours = {f"sparkanywhere.io/{each.replace('_', '-')}": text for each, text in annotations.items()}
    about = {"labels": {"spark-role": "driver", **labels_of_job(name)}, "annotations": ours}
    if park:
        about["annotations"]["sparkanywhere.io/park"] = park
    volumes = [{"name": "conf", "configMap": {"name": conf_of(name)}}]
    return w.create_pod(name, metadata=about, containers=[container], volumes=volumes)


def create_executor(
    w: World, number: int, *, memory: str = HOLDS["memory"], driver: str = "a", prefix: str = "", **spec: Any
) -> JSON:
    """Create an executor `exec-N` of a driver, as the driver would, and their ConfigMap `exec`; names have a prefix."""
    owner = w.owner_of(driver)["ownerReferences"][0]
    labels = {"spark-role": "executor", "spark-exec-id": str(number), **labels_of_job(driver)}
    metadata = {"labels": labels, "ownerReferences": [{**owner, "controller": True}]}
    if w.get("configmaps", f"{prefix}exec") is None:
        w.create("configmaps", f"{prefix}exec", metadata=w.owner_of(driver), data={})
    container = {
        "name": "spark-kubernetes-executor",
        "image": "spark",
        "args": ["executor"],
        "env": [{"name": "SPARK_EXECUTOR_ID", "value": str(number)}],
        "resources": {"requests": {**HOLDS, "memory": memory}, "limits": {"memory": memory}},
        "volumeMounts": [
            {"name": "spark-conf-volume-exec", "mountPath": "/opt/spark/conf"},
            {"name": "spark-local-dir-1", "mountPath": LOCAL},
        ],
    }
    volumes = [
        {"name": "spark-conf-volume-exec", "configMap": {"name": f"{prefix}exec"}},
        {"name": "spark-local-dir-1", "emptyDir": {}},
    ]
    return w.create_pod(f"{prefix}exec-{number}", metadata=metadata, containers=[container], volumes=volumes, **spec)


def parked_names(w: World) -> list[str]:
    """Return the names of the parked pods that are stored."""
    pods = [item.object() for item in w.storage.list("/registry/pods/").items]
    return sorted(each["metadata"]["name"] for each in pods if each["metadata"]["labels"].get("spark-role") == "parked")


def living(w: World) -> list[str]:
    """Return the handles of tasks that have not ended."""
    return sorted(state.handle for state in w.provider.list_tasks() if state.phase != "stopped")
