"""Pure: the driver's pod of a JobSpec, as spark-submit itself would make it in cluster mode.

Compare Spark 4.3, resource-managers/kubernetes: KubernetesDriverBuilder's feature steps; checked against requests
recorded from spark-submit (tests/data/spark). Of a user's own pod template what Spark sets wins, and lists are joined
(Running on Kubernetes, "Pod Template").
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from chalicelib.apimachinery.accessors import metadata_of, spec_of
from chalicelib.apimachinery.decoding.parsing import DecodeError
from chalicelib.apimachinery.decoding.yaml_loader import load_yaml
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.marks import KEEP_WARM, MAX_USD
from sparkanywhere.jobs.applications import APPLICATION_LABEL
from sparkanywhere.jobs.job_fields import TEMPLATE_PATH
from sparkanywhere.jobs.job_file import read_document
from sparkanywhere.jobs.job_files import (
    CARRIED_PATH,
    FETCHED_PATH,
    STAGED_ANNOTATION,
    Fetched,
    fetcher,
    in_pod,
    volume_items,
)
from sparkanywhere.jobs.memory_size import pod_mib
from sparkanywhere.jobs.spark_properties import (
    ESCALATION,
    driver_ports,
    hardens,
    literal,
    locale,
    overhead_factor,
    under,
)
from sparkanywhere.jobs.spec import JobSpec, SpecError

JOINED = ("env", "volumeMounts", "ports", "envFrom")  # lists of a container that are joined
CONTAINER = "spark-kubernetes-driver"
CONF_PATH = "/opt/spark/conf"
PYTHON_RUNNER = "org.apache.spark.deploy.PythonRunner"
POD_NAME = "SPARK_DRIVER_POD_NAME"  # variable of a pod that a Job makes, and so names
# What each attempt has of its own: executors of the one before must not be taken for its own.
PER_ATTEMPT = ("spark.kubernetes.driver.pod.name", "spark.kubernetes.executor.podNamePrefix", "spark.app.id")


def read_template(path: str, option: str) -> JSON:
    """Return the pod that a template file holds, read as kubectl reads YAML. Raises SpecError."""
    what = f"{option} {path}"
    try:
        found: Any = load_yaml(read_document(Path(path), what).encode())
    except DecodeError as error:
        raise SpecError(f"{what} cannot be read: {error}") from error
    if not isinstance(found, dict) or found.get("kind", "Pod") != "Pod":
        raise SpecError(f"{what} holds no Pod.")
    spec = spec_of(found)
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if containers is not None and not all(isinstance(each, dict) for each in containers):
        raise SpecError(f"{what}: spec.containers is a list of containers.")
    return found


def laid_over(template: JSON, pod: JSON, *, container_name: str = "") -> JSON:
    """Return `pod` with what the template has beside it. Neither is changed."""
    base = copy.deepcopy(template)
    metadata, spec = metadata_of(base), spec_of(base)
    merged = {**metadata, **pod["metadata"]}
    for key in ("labels", "annotations"):
        both = {**(metadata.get(key) or {}), **(pod["metadata"].get(key) or {})}
        if both:
            merged[key] = both
    ours = pod["spec"]
    whole = {**spec, **ours, "containers": _containers(spec.get("containers") or [], ours, container_name)}
    for key in ("volumes", "initContainers"):
        joined = [*(spec.get(key) or []), *(ours.get(key) or [])]
        if joined:
            whole[key] = joined
    selector = {**(spec.get("nodeSelector") or {}), **(ours.get("nodeSelector") or {})}
    if selector:
        whole["nodeSelector"] = selector
    return {**pod, "metadata": merged, "spec": whole}


def _containers(templates: list[JSON], ours: JSON, name: str) -> list[JSON]:
    (main,) = ours["containers"]
    chosen = next((each for each in templates if each.get("name") == name), None) if name else None
    base = chosen or (templates[0] if templates else {})
    merged = {**base, **main}
    for key in JOINED:
        joined = [*(base.get(key) or []), *(main.get(key) or [])]
        if joined:
            merged[key] = joined
    if context := {**(base.get("securityContext") or {}), **(main.get("securityContext") or {})}:
        merged["securityContext"] = context
    resources = base.get("resources") or {}
    merged["resources"] = {
        kind: {**(resources.get(kind) or {}), **(main["resources"].get(kind) or {})} for kind in ("limits", "requests")
    }
    return [merged, *(each for each in templates if each is not base)]


def labels(spec: JobSpec, app_id: str) -> dict[str, str]:
    """Return the labels of the driver."""
    clean = "".join(each if each.isascii() and (each.isalnum() or each in "-_.") else "-" for each in spec.app_name)[
        :63
    ]
    return {
        **under(dict(spec.conf), "spark.kubernetes.driver.label."),
        **spec.labels,
        "spark-app-selector": app_id,
        "spark-app-name": clean.strip("-_.") or "spark",
        "spark-role": "driver",
        "spark-version": spec.spark,
        **({APPLICATION_LABEL: app_id} if spec.max_attempts > 1 else {}),
    }


def driver_pod(
    spec: JobSpec, *, name: str, app_id: str, user: str, carried: Sequence[str], fetched: Sequence[Fetched] = ()
) -> JSON:
    """Return the pod of the driver, over the user's template if there is one. Raises SpecError for that."""
    parts = _Parts(spec, name=name, app_id=app_id)
    parts.mount_files(name, carried=carried, fetched=fetched)
    pod_spec: JSON = {
        "containers": [parts.container(user, fetched)],
        "restartPolicy": "Never",
        "volumes": parts.volumes,
    }
    if fetched:
        pod_spec["initContainers"] = [fetcher(spec.image_name, spec.image_pull_policy)]
    if spec.service_account:
        pod_spec["serviceAccountName"] = spec.service_account
    if spec.time_limit and spec.max_attempts == 1:
        pod_spec["activeDeadlineSeconds"] = spec.time_limit
    if selector := parts.node_selector():
        pod_spec["nodeSelector"] = selector
    metadata: JSON = {"name": f"{name}-driver", "namespace": spec.namespace, "labels": labels(spec, app_id)}
    if annotations := parts.annotations(fetched):
        metadata["annotations"] = annotations
    pod: JSON = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec}
    if not spec.driver_template:
        return pod
    template = read_template(spec.driver_template, "--driver-template")
    wanted = spec.conf.get("spark.kubernetes.driver.podTemplateContainerName", "")
    return laid_over(template, pod, container_name=wanted)


class _Parts:
    """What a driver's pod is put together from."""

    def __init__(self, spec: JobSpec, *, name: str, app_id: str) -> None:
        self._spec = spec
        self._conf = dict(spec.conf)
        self._app_id = app_id
        self.volumes: list[JSON] = []
        self._mounts: list[JSON] = []
        # as Spark's, whose UUID is none of a task's shape where providers keep that (LocalDirsFeatureStep, 4.3)
        self._local_dir = f"/var/data/spark-{uuid5(NAMESPACE_URL, app_id)}"
        self.mount("spark-local-dir-1", self._local_dir, {"emptyDir": {}})
        self.mount("spark-conf-volume-driver", CONF_PATH, {"configMap": {"name": f"{name}-conf-map"}})

    def mount(self, name: str, path: str, source: JSON) -> None:
        """Add a volume and mount it."""
        self._mounts.append({"name": name, "mountPath": path})
        self.volumes.append({"name": name, **source})

    def mount_files(self, name: str, *, carried: Sequence[str], fetched: Sequence[Fetched]) -> None:
        """Mount the job's own files, the template of its executors, and Secrets."""
        if carried:
            self.mount("files", CARRIED_PATH, {"configMap": {"name": f"{name}-files", **volume_items(carried)}})
        if fetched:
            self.mount("fetched", FETCHED_PATH, {"emptyDir": {}})
            self.volumes.append({"name": "fetch-list", "secret": {"secretName": f"{name}-fetch"}})
        if self._spec.executor_template or self._spec.class_path:
            self.mount("pod-template-volume", TEMPLATE_PATH, {"configMap": {"name": f"{name}-podspec"}})
        secrets = {**under(self._conf, "spark.kubernetes.driver.secrets."), **self._spec.secrets}
        for number, (secret, path) in enumerate(secrets.items()):
            self.mount(f"secret-{number}", path, {"secret": {"secretName": secret}})

    def node_selector(self) -> dict[str, str]:
        """Return the labels of the nodes that the driver may run on."""
        selector = under(self._conf, "spark.kubernetes.node.selector.")
        selector |= under(self._conf, "spark.kubernetes.driver.node.selector.")
        return {**selector, **({"kubernetes.io/arch": self._spec.arch} if self._spec.arch else {})}

    def annotations(self, fetched: Sequence[Fetched]) -> dict[str, str]:
        """Return the annotations: the user's, which staged files are needed, and what the job may cost."""
        found = under(self._conf, "spark.kubernetes.driver.annotation.")
        staged = [each.sha256 for each in fetched if each.is_staged]
        found |= {STAGED_ANNOTATION: " ".join(staged)} if staged else {}
        ours = {MAX_USD: self._spec.max_usd, KEEP_WARM: self._spec.keep_warm}
        return {**found, **{key: text for key, text in ours.items() if text}}

    def container(self, user: str, fetched: Sequence[Fetched]) -> JSON:
        """Return the driver's container."""
        spec, conf = self._spec, self._conf
        overhead = conf.get("spark.driver.memoryOverhead", "")
        mib = pod_mib(spec.driver_memory, overhead=overhead, factor=overhead_factor(spec))
        cpu = conf.get("spark.kubernetes.driver.request.cores", str(spec.driver_cores))
        limits = {"memory": f"{mib}Mi"}
        if "spark.kubernetes.driver.limit.cores" in conf:
            limits["cpu"] = conf["spark.kubernetes.driver.limit.cores"]
        return {
            "name": CONTAINER,
            "image": self._spec.image_name,
            "imagePullPolicy": self._spec.image_pull_policy,
            "args": self._args(fetched),
            "env": self._env(user),
            "ports": [{"name": name, "containerPort": port} for name, port in driver_ports(spec.spark).items()],
            "resources": {"limits": limits, "requests": {"cpu": cpu, "memory": f"{mib}Mi"}},
            **({"securityContext": {"allowPrivilegeEscalation": self._may_escalate()}} if hardens(spec.spark) else {}),
            "volumeMounts": self._mounts,
        }

    def _may_escalate(self) -> bool:
        keys = (f"spark.kubernetes.driver.{ESCALATION}", f"spark.kubernetes.{ESCALATION}")
        return next((self._conf[key].lower() == "true" for key in keys if key in self._conf), False)

    def _env(self, user: str) -> list[JSON]:
        spec = self._spec
        values = {
            "SPARK_USER": user,
            "SPARK_APPLICATION_ID": self._app_id,
            "SPARK_LOCAL_DIRS": self._local_dir,
            "SPARK_CONF_DIR": CONF_PATH,
            **under(self._conf, "spark.kubernetes.driverEnv."),
            **{key: literal(value) for key, value in spec.env.items()},
            **locale(spec),
        }
        found: list[JSON] = [{"name": key, "value": value} for key, value in values.items()]
        keys = {**under(self._conf, "spark.kubernetes.driver.secretKeyRef."), **spec.secret_env}
        for variable, place in keys.items():
            secret, _, key = place.partition(":")
            source = {"secretKeyRef": {"name": secret, "key": key}}
            found.append({"name": variable, "valueFrom": source})
        found.append(_from_field("SPARK_DRIVER_BIND_ADDRESS", "status.podIP"))
        if spec.max_attempts > 1:
            found.append(_from_field(POD_NAME, "metadata.name"))
        return found

    def _args(self, fetched: Sequence[Fetched]) -> list[str]:
        spec = self._spec
        args = ["driver", "--properties-file", f"{CONF_PATH}/spark.properties"]
        if spec.max_attempts > 1:
            for key in PER_ATTEMPT:
                args += ["--conf", f"{key}=$({POD_NAME})"]
        # Executors get the program's own jar only if it is named here: in a driver's pod Spark does not add it itself.
        jars = spec.jars if spec.is_python else (spec.application, *spec.jars)
        lists = {"--py-files": spec.py_files, "--files": spec.files, "--jars": jars, "--archives": spec.archives}
        for option, named in lists.items():
            if named:
                args += [option, ",".join(in_pod(each, fetched) for each in named)]
        main_class = PYTHON_RUNNER if spec.is_python else spec.main_class
        return [*args, "--class", main_class, in_pod(spec.application, fetched), *map(literal, spec.args)]


def _from_field(name: str, path: str) -> JSON:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
