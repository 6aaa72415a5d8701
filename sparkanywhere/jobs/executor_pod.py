"""Pure: what executors have before their JVM starts: the user's pod template, and jars of their own class path.

Jars are fetched by an init container, as the driver's files are. Spark makes an executor of that pod by its own steps
(Running on Kubernetes, "Pod Template"), and gives its container the name where the template has none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from chalicelib.apimachinery.types import JSON
from sparkanywhere.jobs.driver_pod import laid_over, read_template
from sparkanywhere.jobs.job_fields import TEMPLATE_FILE, TEMPLATE_PATH
from sparkanywhere.jobs.job_files import CARRIED_PATH, FETCHED_PATH, Fetched, fetcher, place_in_pod, volume_items
from sparkanywhere.jobs.spec import JobSpec

_OPTION = "--executor-template"
_TEMPLATE = "spark.kubernetes.executor.podTemplate"


def class_paths(spec: JobSpec, fetched: Sequence[Fetched]) -> dict[str, str]:
    """Return the settings by which driver and executors load the jars of the class path, none where there are none."""
    if not spec.class_path:
        return {}
    places = [place_in_pod(each, fetched) for each in spec.class_path]
    given = {"driver": spec.driver_class_path, "executor": spec.conf.get("spark.executor.extraClassPath", "")}
    found = {f"spark.{role}.extraClassPath": ":".join(filter(None, [text, *places])) for role, text in given.items()}
    return {**found, f"{_TEMPLATE}File": f"{TEMPLATE_PATH}/{TEMPLATE_FILE}"}


def executors_list(name: str) -> str:
    """Return what the Secret is called that says what executors fetch."""
    return f"{name}-fetch-jars"


def executors_own(spec: JobSpec, fetched: Sequence[Fetched]) -> list[Fetched]:
    """Return which of a job's files executors fetch themselves."""
    return [each for each in fetched if each.source in spec.class_path]


def executor_template(spec: JobSpec, *, name: str, carried: Sequence[str], fetched: Sequence[Fetched]) -> str:
    """Return the template of executors' pods as a file, "" where there is none. Raises SpecError for the user's."""
    users = read_template(spec.executor_template, _OPTION) if spec.executor_template else {}
    if not spec.class_path:
        return Path(spec.executor_template).read_text(encoding="utf-8-sig") if spec.executor_template else ""
    mounts, volumes, own = list[JSON](), list[JSON](), executors_own(spec, fetched)
    if any(each in spec.class_path for each in carried):
        mounts.append({"name": "files", "mountPath": CARRIED_PATH})
        volumes.append({"name": "files", "configMap": {"name": f"{name}-files", **volume_items(carried)}})
    if own:
        mounts.append({"name": "fetched", "mountPath": FETCHED_PATH})
        volumes += [
            {"name": "fetched", "emptyDir": {}},
            {"name": "fetch-list", "secret": {"secretName": executors_list(name)}},
        ]
    container = {"volumeMounts": mounts, "resources": {}}
    before = [fetcher(spec.image_name, spec.image_pull_policy)] if own else []
    ours = {"metadata": {}, "spec": {"containers": [container], "volumes": volumes, "initContainers": before}}
    chosen = spec.conf.get(f"{_TEMPLATE}ContainerName", "")
    return json.dumps({"apiVersion": "v1", "kind": "Pod", **laid_over(users, ours, container_name=chosen)})
