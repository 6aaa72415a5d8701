"""A JobSpec as the Kubernetes objects that spark-submit itself would make in cluster mode. Pure.

Compare Spark 4.3, resource-managers/kubernetes: KubernetesDriverBuilder's feature steps and
DriverServiceFeatureStep; checked against requests recorded from spark-submit (tests/data/spark).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.apimachinery.status import JSON
from sparkanywhere.jobs import memory
from sparkanywhere.jobs.spec import NAME_LIMIT, JobSpec, SpecError, is_local, local_files

CONTAINER = "spark-kubernetes-driver"
CONF_PATH = "/opt/spark/conf"
FILES_PATH = "/opt/sparkanywhere/files"
PYTHON_RUNNER = "org.apache.spark.deploy.PythonRunner"
RPC_PORT, BLOCK_MANAGER_PORT, UI_PORT = 7078, 7079, 4040
MASTER = "k8s://https://kubernetes.default.svc"
MAX_FILES_BYTES = 1_000_000  # what one ConfigMap holds beside its other entries


@dataclass(frozen=True, slots=True)
class Objects:
    """What to create: the driver pod first, since the rest is owned by it."""

    driver: JSON
    owned: tuple[tuple[str, JSON], ...]  # (collection path under /api/v1/namespaces/NS, object)


def resource_name(spec: JobSpec, suffix: str) -> str:
    """Return the prefix of the application's object names: lower case, digits and dashes."""
    clean = "".join(each if each.isascii() and each.isalnum() else "-" for each in spec.app_name.lower())
    clean = "-".join(part for part in clean.split("-") if part)[:NAME_LIMIT].strip("-") or "spark"
    if not clean[0].isalpha():
        clean = f"spark-{clean}"
    return f"{clean}-{suffix}"


def build(spec: JobSpec, *, suffix: str, user: str) -> Objects:
    """Return the objects of one run; `suffix` makes it unlike all others. Raises SpecError."""
    name, app_id = resource_name(spec, suffix), f"spark-{suffix}"
    labels = _labels(spec, app_id)
    driver = _driver(spec, name=name, app_id=app_id, labels=labels, user=user)
    conf = _properties(spec, name=name, app_id=app_id)
    text = "".join(f"{key}={_escaped(value)}\n" for key, value in sorted(conf.items()))
    owned: list[tuple[str, JSON]] = [
        ("configmaps", _config_map(f"{name}-conf-map", {"spark.properties": text})),
        ("services", _service(name, labels)),
    ]
    paths = local_files(spec)
    if paths:
        owned.append(("configmaps", _files(f"{name}-files", paths)))
    return Objects(driver, tuple(owned))


def _labels(spec: JobSpec, app_id: str) -> dict[str, str]:
    clean = "".join(
        each if each.isascii() and (each.isalnum() or each in "-_.") else "-" for each in spec.app_name
    )[:63]
    return {
        **spec.labels,
        "spark-app-selector": app_id,
        "spark-app-name": clean.strip("-_.") or "spark",
        "spark-role": "driver",
        "spark-version": spec.spark,
    }


def _properties(spec: JobSpec, *, name: str, app_id: str) -> dict[str, str]:
    factor = memory.OTHER_FACTOR if spec.is_python else memory.JVM_FACTOR
    own = {
        "spark.app.id": app_id,
        "spark.app.name": spec.app_name,
        "spark.master": MASTER,
        "spark.submit.deployMode": "cluster",
        "spark.kubernetes.submitInDriver": "true",
        "spark.kubernetes.namespace": spec.namespace,
        "spark.kubernetes.driver.pod.name": f"{name}-driver",
        "spark.kubernetes.executor.podNamePrefix": name,
        "spark.kubernetes.container.image": spec.image_name,
        "spark.kubernetes.container.image.pullPolicy": spec.image_pull_policy,
        "spark.kubernetes.resource.type": "python" if spec.is_python else "java",
        "spark.kubernetes.memoryOverheadFactor": str(factor),
        "spark.driver.host": f"{name}-driver-svc.{spec.namespace}.svc",
        "spark.driver.port": str(RPC_PORT),
        "spark.driver.blockManager.port": str(BLOCK_MANAGER_PORT),
        "spark.driver.memory": spec.driver_memory,
        "spark.driver.cores": str(spec.driver_cores),
        "spark.executor.instances": str(spec.executors),
        "spark.executor.memory": spec.executor_memory,
        "spark.executor.cores": str(spec.executor_cores),
    }
    if spec.service_account:
        own["spark.kubernetes.authenticate.driver.serviceAccountName"] = spec.service_account
    if spec.packages:
        own["spark.jars.packages"] = ",".join(spec.packages)
    if spec.dynamic_allocation:
        own |= {
            "spark.dynamicAllocation.enabled": "true",
            "spark.dynamicAllocation.shuffleTracking.enabled": "true",
            "spark.dynamicAllocation.maxExecutors": str(spec.executors),
        }
        del own["spark.executor.instances"]
    if spec.spot:
        own["spark.kubernetes.executor.node.selector.sparkanywhere.io/capacity-type"] = "spot"
        own["spark.decommission.enabled"] = "true"
    if spec.arch:
        own["spark.kubernetes.node.selector.kubernetes.io/arch"] = spec.arch
    own |= {f"spark.executorEnv.{key}": value for key, value in spec.env.items()}
    return {**own, **spec.conf}


def _driver(spec: JobSpec, *, name: str, app_id: str, labels: dict[str, str], user: str) -> JSON:
    factor = memory.OTHER_FACTOR if spec.is_python else memory.JVM_FACTOR
    overhead = spec.conf.get("spark.driver.memoryOverhead", "")
    amount = f"{memory.pod_mib(spec.driver_memory, overhead=overhead, factor=factor)}Mi"
    local_dir = f"/var/data/{app_id}"
    env = {
        "SPARK_USER": user,
        "SPARK_APPLICATION_ID": app_id,
        "SPARK_LOCAL_DIRS": local_dir,
        "SPARK_CONF_DIR": CONF_PATH,
        **spec.env,
    }
    mounts = [
        {"name": "spark-local-dir-1", "mountPath": local_dir},
        {"name": "spark-conf-volume-driver", "mountPath": CONF_PATH},
    ]
    volumes: list[JSON] = [
        {"name": "spark-local-dir-1", "emptyDir": {}},
        {"name": "spark-conf-volume-driver", "configMap": {"name": f"{name}-conf-map"}},
    ]
    if local_files(spec):
        mounts.append({"name": "files", "mountPath": FILES_PATH})
        volumes.append({"name": "files", "configMap": {"name": f"{name}-files"}})
    bind_address = {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}
    container = {
        "name": CONTAINER,
        "image": spec.image_name,
        "imagePullPolicy": spec.image_pull_policy,
        "args": _args(spec),
        "env": [
            *({"name": key, "value": value} for key, value in env.items()),
            {"name": "SPARK_DRIVER_BIND_ADDRESS", "valueFrom": bind_address},
        ],
        "ports": [
            {"name": "driver-rpc-port", "containerPort": RPC_PORT},
            {"name": "blockmanager", "containerPort": BLOCK_MANAGER_PORT},
            {"name": "spark-ui", "containerPort": UI_PORT},
        ],
        "resources": {
            "limits": {"memory": amount},
            "requests": {"cpu": str(spec.driver_cores), "memory": amount},
        },
        "volumeMounts": mounts,
    }
    pod_spec: JSON = {"containers": [container], "restartPolicy": "Never", "volumes": volumes}
    if spec.service_account:
        pod_spec["serviceAccountName"] = spec.service_account
    if spec.time_limit:
        pod_spec["activeDeadlineSeconds"] = spec.time_limit
    if spec.arch:
        pod_spec["nodeSelector"] = {"kubernetes.io/arch": spec.arch}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{name}-driver", "namespace": spec.namespace, "labels": labels},
        "spec": pod_spec,
    }


def _args(spec: JobSpec) -> list[str]:
    args = ["driver", "--properties-file", f"{CONF_PATH}/spark.properties"]
    for option, paths in (("--py-files", spec.py_files), ("--files", spec.files), ("--jars", spec.jars)):
        if paths:
            args += [option, ",".join(_in_pod(path) for path in paths)]
    main_class = PYTHON_RUNNER if spec.is_python else spec.main_class
    return [*args, "--class", main_class, _in_pod(spec.application), *spec.args]


def _in_pod(path: str) -> str:
    return f"file://{FILES_PATH}/{Path(path).name}" if is_local(path) else path


def _config_map(name: str, data: dict[str, str]) -> JSON:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "immutable": True,
        "data": data,
    }


def _files(name: str, paths: Sequence[Path]) -> JSON:
    total = sum(path.stat().st_size for path in paths)
    if total > MAX_FILES_BYTES:
        raise SpecError(
            f"The job's own files have {total:,} bytes, and {MAX_FILES_BYTES:,} are carried with it:"
            " put larger ones into the image, or where the pods can fetch them (s3a://, https://)."
        )
    names = [path.name for path in paths]
    if len(set(names)) != len(names):
        raise SpecError("Two of the job's files have the same name; rename one.")
    content = {path.name: base64.b64encode(path.read_bytes()).decode() for path in paths}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "immutable": True,
        "binaryData": content,
    }


def _service(name: str, labels: dict[str, str]) -> JSON:
    ports = (("driver-rpc-port", RPC_PORT), ("blockmanager", BLOCK_MANAGER_PORT), ("spark-ui", UI_PORT))
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": f"{name}-driver-svc",
            "labels": {"spark-app-selector": labels["spark-app-selector"]},
        },
        "spec": {
            "clusterIP": "None",
            "selector": {key: labels[key] for key in ("spark-app-selector", "spark-role")},
            "ports": [{"name": port, "port": number, "targetPort": number} for port, number in ports],
        },
    }


def owned_by(driver: JSON, obj: JSON) -> JSON:
    """Return `obj` as owned by the driver pod that the server has stored: it goes when the pod goes."""
    owner = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": driver["metadata"]["name"],
        "uid": driver["metadata"]["uid"],
        "controller": True,
    }
    return {**obj, "metadata": {**obj["metadata"], "ownerReferences": [owner]}}


def _escaped(value: str) -> str:
    """Return a value as a Java properties file holds it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
