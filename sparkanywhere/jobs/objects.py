"""A JobSpec as the Kubernetes objects that spark-submit itself would make in cluster mode. Pure but for its files.

The driver is a pod, or a Job that makes it anew where it may be tried more than once. It owns all the rest.
Compare Spark 4.3, resource-managers/kubernetes: DriverServiceFeatureStep; checked against requests recorded from
spark-submit.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import javaproperties

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.configuration.secrets import DELETE_AT_END
from sparkanywhere.jobs.applications import APPLICATION_LABEL
from sparkanywhere.jobs.driver_pod import driver_pod
from sparkanywhere.jobs.executor_pod import class_paths, executor_template, executors_list, executors_own
from sparkanywhere.jobs.job_fields import TEMPLATE_FILE
from sparkanywhere.jobs.job_files import Fetched, entry_key, fetch_list, sort_files
from sparkanywhere.jobs.spark_properties import driver_ports, properties
from sparkanywhere.jobs.spec import NAME_LIMIT, JobSpec

JOB_KEEP_SECONDS = 24 * 3600  # of one that has ended, as of a pod


@dataclass(frozen=True, slots=True)
class Objects:
    """What to create: the pod or Job first, since the rest is owned by it."""

    main: JSON
    owned: tuple[tuple[str, JSON], ...]  # (collection path under /api/v1/namespaces/NS, object)

    @property
    def driver(self) -> JSON:
        """Return the driver's pod, or the template that a Job makes it from."""
        driver: JSON = self.main if self.main["kind"] == "Pod" else self.main["spec"]["template"]
        return driver

    @property
    def collection(self) -> str:
        """Return the path that the first object is created at."""
        base = "/api/v1" if self.main["kind"] == "Pod" else "/apis/batch/v1"
        resource = "pods" if self.main["kind"] == "Pod" else "jobs"
        return f"{base}/namespaces/{self.main['metadata']['namespace']}/{resource}"


def resource_name(spec: JobSpec, suffix: str) -> str:
    """Return the prefix of the application's object names: lower case, digits and dashes."""
    clean = "".join(each if each.isascii() and each.isalnum() else "-" for each in spec.app_name.lower())
    clean = "-".join(part for part in clean.split("-") if part) or "spark"
    if not clean[0].isalpha():
        clean = f"spark-{clean}"
    return f"{clean[:NAME_LIMIT].strip('-')}-{suffix}"


def main_place(spec: JobSpec, suffix: str) -> str:
    """Return what build() makes as the first object: `pods/NAME`, or `jobs/NAME`."""
    name = resource_name(spec, suffix)
    return f"jobs/{name}" if spec.max_attempts > 1 else f"pods/{name}-driver"


def build(spec: JobSpec, *, suffix: str, user: str, fetched: Sequence[Fetched] = ()) -> Objects:
    """Return the objects of one run; `suffix` makes it unlike all others. Raises SpecError.

    `fetched` are the files that the pod fetches itself; the rest of this machine's travel along.
    """
    name, app_id = resource_name(spec, suffix), f"spark-{suffix}"
    carried = sort_files(spec.named_files).carried
    pod = driver_pod(spec, name=name, app_id=app_id, user=user, carried=carried, fetched=fetched)
    conf = properties(spec, name=name, app_id=app_id)
    conf |= class_paths(spec, fetched)
    if spec.max_attempts > 1:
        conf[f"spark.kubernetes.executor.label.{APPLICATION_LABEL}"] = app_id
    text = javaproperties.dumps(dict(sorted(conf.items())), timestamp=None)
    owned: list[tuple[str, JSON]] = [
        ("configmaps", _immutable("ConfigMap", f"{name}-conf-map", data={"spark.properties": text})),
        ("services", _service(name, pod["metadata"]["labels"], spec.spark)),
    ]
    if carried:
        contents = {entry_key(path): _base64(Path(path).read_bytes()) for path in carried}
        owned.append(("configmaps", _immutable("ConfigMap", f"{name}-files", binaryData=contents)))
    for list_name, those in ((f"{name}-fetch", fetched), (executors_list(name), executors_own(spec, fetched))):
        if those:
            entries = {key: _base64(text.encode()) for key, text in fetch_list(those).items()}
            secret = _immutable("Secret", list_name, type="Opaque", data=entries)
            secret["metadata"]["annotations"] = {DELETE_AT_END: "true"}  # it holds what opens the files
            owned.append(("secrets", secret))
    if template := executor_template(spec, name=name, carried=carried, fetched=fetched):
        owned.append(("configmaps", _immutable("ConfigMap", f"{name}-podspec", data={TEMPLATE_FILE: template})))
    return Objects(_job(spec, name, pod) if spec.max_attempts > 1 else pod, tuple(owned))


def _job(spec: JobSpec, name: str, pod: JSON) -> JSON:
    """Return the Job that makes the driver anew, with a pause that doubles, until it succeeds or was tried enough."""
    metadata = {key: value for key, value in pod["metadata"].items() if key in ("labels", "annotations")}
    job_spec: JSON = {
        "backoffLimit": spec.max_attempts - 1,
        "ttlSecondsAfterFinished": JOB_KEEP_SECONDS,
        "template": {"metadata": metadata, "spec": pod["spec"]},
    }
    if spec.time_limit:
        job_spec["activeDeadlineSeconds"] = spec.time_limit
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": spec.namespace, **metadata},
        "spec": job_spec,
    }


def _immutable(kind: str, name: str, **content: JSON | str) -> JSON:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "immutable": True, **content}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _service(name: str, labels: dict[str, str], version: str) -> JSON:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{name}-driver-svc", "labels": {"spark-app-selector": labels["spark-app-selector"]}},
        "spec": {
            "clusterIP": "None",
            "selector": {key: labels[key] for key in ("spark-app-selector", "spark-role")},
            "ports": [
                {"name": port, "port": number, "targetPort": number} for port, number in driver_ports(version).items()
            ],
        },
    }


def owned_by(owner: JSON, obj: JSON) -> JSON:
    """Return `obj` as owned by the pod or Job that the server has stored: it goes when that goes."""
    reference = {
        "apiVersion": owner.get("apiVersion", "v1"),
        "kind": owner.get("kind", "Pod"),
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": [reference]}}
