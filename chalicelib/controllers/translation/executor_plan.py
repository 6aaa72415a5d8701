"""Which executors a Spark driver asks for first, told from its properties as it starts: how many, and their pod. Pure.

Only what decides a task's shape is foretold: containers, resources, volumes and where they are mounted, placement.
Compare the steps of KubernetesExecutorBuilder and SchedulerBackendUtils in Spark 3.5.9 and 4.3.0; tests hold this to
executors that real drivers asked for (tests/data/spark). For what is not foretold there is no plan.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import labels_of, spec_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.translation.spark_admission import PROPERTIES_KEY, driver_container

ConfigMapData = Callable[[str], Mapping[str, bytes] | None]  # of a ConfigMap of the driver's namespace, by its name

EXECUTOR, CONF_VOLUME = "spark-kubernetes-executor", "spark-conf-volume-exec"
TEMPLATE_VOLUME, TEMPLATE_KEY = "pod-template-volume", "podspec-configmap-key"
KUBERNETES, OF_EXECUTORS = "spark.kubernetes.", "spark.kubernetes.executor."
DEFAULT_INSTANCES, DEFAULT_MEMORY, MIN_OVERHEAD_MIB = "2", "1g", "384m"
JVM_FACTOR, OTHER_FACTOR = 0.1, 0.4  # of memory for what is not the heap
# Settings, or what they begin with, by which executors get volumes, containers or a maker that are not foretold here.
UNFORESEEN = (
    f"{OF_EXECUTORS}volumes.",
    f"{OF_EXECUTORS}secrets.",
    f"{OF_EXECUTORS}disableConfigMap",
    f"{KUBERNETES}hadoop.",
    f"{KUBERNETES}kerberos.",
    f"{KUBERNETES}allocation.pods.allocator",
    "spark.executor.resource.",
)
_UNITS_MIB = {"": 1.0, "b": 2.0**-20, "k": 2.0**-10, "m": 1.0, "g": 2.0**10, "t": 2.0**20}
_SIZE = re.compile(r"(\d{1,12})([bkmgt]?)b?", re.ASCII)
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.ASCII)
_PROPERTY = re.compile(r"((?:[^\\=:\s]|\\.)+)\s*[=:]?\s*(.*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExecutorPlan:
    """So many executors, and the pod of any of them without what is one's own: name, environment, ConfigMap."""

    count: int
    pod: JSON


def executor_plan(driver: JSON, config_map: ConfigMapData) -> ExecutorPlan | None:
    """Return what a driver asks for as it starts; None for what is no driver of stock Spark, or cannot be foretold."""
    container = driver_container(driver)
    if container is None:
        return None
    conf, volumes = _settings(driver, container, config_map)
    local_dirs = next(
        (each.get("value") for each in container.get("env") or () if each["name"] == "SPARK_LOCAL_DIRS"), ""
    )
    if not conf or not local_dirs or any(key.startswith(UNFORESEEN) for key in conf):
        return None
    template: JSON = {}
    if conf.get(f"{OF_EXECUTORS}podTemplateFile"):
        from chalicelib.apimachinery.decoding.yaml_loader import load_yaml  # lazy: few drivers bring one

        template = load_yaml((config_map(volumes.get(TEMPLATE_VOLUME, "")) or {})[TEMPLATE_KEY])
    pod = _pod(driver, conf, template, image=container["image"], local_dirs=local_dirs.split(","))
    return ExecutorPlan(_count(conf), pod)


def executors_awaited(driver: JSON, config_map: ConfigMapData) -> int:
    """Return how many executors a driver asks for as it starts; 0 for what is no driver of stock Spark."""
    container = driver_container(driver)
    conf = _settings(driver, container, config_map)[0] if container else {}
    try:
        return _count(conf) if conf else 0
    except ValueError:
        return 0


def _settings(driver: JSON, container: JSON, config_map: ConfigMapData) -> tuple[dict[str, str], dict[str, str]]:
    """Return a driver's properties, and the ConfigMap of each of its volumes."""
    volumes = {
        each["name"]: (each.get("configMap") or {}).get("name", "") for each in spec_of(driver).get("volumes") or ()
    }
    conf: dict[str, str] = {}
    for mount in container.get("volumeMounts") or ():
        text = (config_map(volumes[mount["name"]]) or {}) if volumes.get(mount["name"]) else {}
        conf |= parse_properties(text.get(PROPERTIES_KEY, b"").decode(errors="replace"))
    args = container["args"]
    conf |= dict(
        args[at + 1].split("=", 1) for at, word in enumerate(args[:-1]) if word == "--conf" and "=" in args[at + 1]
    )
    return conf, volumes


def parse_properties(text: str) -> dict[str, str]:
    """Return the pairs of a properties file, as java.util.Properties stores one: a pair a line, no continuations."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (_PROPERTY.fullmatch(line) for line in lines if line and not line.startswith(("#", "!")))
    return {_unescaped(found[1]): _unescaped(found[2]) for found in pairs if found}


def _unescaped(text: str) -> str:
    controls = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else controls.get(found[2], found[2]), text)


def _count(conf: Mapping[str, str]) -> int:
    instances = conf.get("spark.executor.instances")
    if conf.get("spark.dynamicAllocation.enabled", "false").lower() != "true":
        return int(instances or DEFAULT_INSTANCES)
    least = conf.get("spark.dynamicAllocation.minExecutors", "0")
    return max(int(least), int(conf.get("spark.dynamicAllocation.initialExecutors", least)), int(instances or 0))


def _pod(driver: JSON, conf: Mapping[str, str], template: JSON, *, image: str, local_dirs: list[str]) -> JSON:
    spec: JSON = copy.deepcopy(template.get("spec") or {})
    every = spec.get("containers") or [{}]
    named = conf.get(f"{OF_EXECUTORS}podTemplateContainerName")
    main = next((each for each in every if each.get("name") == named), every[0])
    volumes: list[JSON] = [{"name": CONF_VOLUME, "configMap": {"name": CONF_VOLUME, "optional": True}}]
    mounts = [{"name": CONF_VOLUME, "mountPath": "/opt/spark/conf"}]
    in_memory = conf.get(f"{KUBERNETES}local.dirs.tmpfs", "false").lower() == "true"
    for number, path in enumerate(local_dirs, 1):
        volumes.append({"name": f"spark-local-dir-{number}", "emptyDir": {"medium": "Memory"} if in_memory else {}})
        mounts.append({"name": f"spark-local-dir-{number}", "mountPath": path})
    main |= {
        "name": main.get("name") or EXECUTOR,
        "image": conf.get(f"{OF_EXECUTORS}container.image") or conf.get(f"{KUBERNETES}container.image") or image,
        "args": ["executor"],
        "resources": _resources(conf, main.get("resources") or {}),
        "volumeMounts": [*(main.get("volumeMounts") or ()), *mounts],
    }
    spec["containers"] = [*(each for each in every if each is not main), main]
    spec["volumes"] = [*(spec.get("volumes") or ()), *volumes]
    spec["restartPolicy"] = "Never"
    account = f"{KUBERNETES}authenticate.{{}}.serviceAccountName"
    own = conf.get(account.format("executor")) or conf.get(account.format("driver"))
    if own and not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = own
    selectors = [_named(conf, f"{prefix}node.selector.") for prefix in (KUBERNETES, OF_EXECUTORS)]
    spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), **selectors[0], **selectors[1]}
    about = template.get("metadata") or {}
    shared = {
        name: text for name, text in labels_of(driver).items() if name in ("spark-app-selector", "spark-app-name")
    }
    return {
        "metadata": {
            "labels": {**(about.get("labels") or {}), **_named(conf, f"{OF_EXECUTORS}label."), **shared},
            "annotations": {**(about.get("annotations") or {}), **_named(conf, f"{OF_EXECUTORS}annotation.")},
        },
        "spec": spec,
    }


def _named(conf: Mapping[str, str], start: str) -> dict[str, str]:
    return {key.removeprefix(start): text for key, text in conf.items() if key.startswith(start)}


def _resources(conf: Mapping[str, str], given: JSON) -> JSON:
    """Return a container's requests and limits: what a template gives, and over it what Spark works out."""
    heap = _mib(conf.get("spark.executor.memory", DEFAULT_MEMORY))
    is_jvm = conf.get(f"{KUBERNETES}resource.type", "java") not in ("python", "r")
    factor = conf.get("spark.executor.memoryOverheadFactor") or conf.get(f"{KUBERNETES}memoryOverheadFactor")
    share = float(factor or (JVM_FACTOR if is_jvm else OTHER_FACTOR))
    least = _mib(conf.get("spark.executor.minMemoryOverhead", MIN_OVERHEAD_MIB))
    overhead = conf.get("spark.executor.memoryOverhead")
    total = heap + (_mib(overhead) if overhead else max(int(share * heap), least))
    if conf.get("spark.memory.offHeap.enabled", "false").lower() == "true":
        size = conf.get("spark.memory.offHeap.size", "0")
        total += _mib(f"{size}b" if size.isdigit() else size)
    if conf.get(f"{KUBERNETES}resource.type") == "python":
        total += _mib(conf.get("spark.executor.pyspark.memory", "0"))
    cores = conf.get(f"{OF_EXECUTORS}request.cores") or conf.get("spark.executor.cores", "1")
    limit = conf.get(f"{OF_EXECUTORS}limit.cores")
    limits = {"memory": f"{total}Mi", **({"cpu": limit} if limit else {})}
    return {
        "requests": {**(given.get("requests") or {}), "cpu": cores, "memory": f"{total}Mi"},
        "limits": {**(given.get("limits") or {}), **limits},
    }


def _mib(text: str) -> int:
    """Return one of Spark's sizes in MiB, which it is in without a unit. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip().lower())
    if not found:
        raise ValueError(f"{text!r} is no size")
    return int(int(found[1]) * _UNITS_MIB[found[2]])
