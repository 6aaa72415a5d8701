"""What a driver asks for is foretold as real drivers asked for it (tests/data/spark): the same shape on Fargate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.parked import parked_pod
from chalicelib.controllers.translation.executor_plan import ExecutorPlan, executor_plan, parse_properties
from chalicelib.controllers.translation.task import Node, draft
from chalicelib.providers.base import Task
from chalicelib.providers.fargate.definitions import shape
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World
from tests.unit.providers.fargate.fake_api import SITE

RECORDED = Path(__file__).parents[3] / "data" / "spark"
PROPERTIES = json.loads((RECORDED / "configmap-4.3.0.json").read_text())["data"]["spark.properties"]


def recorded(name: str) -> Any:  # Any: a pod, as JSON
    return json.loads((RECORDED / f"{name}.json").read_text())


def task(pod: JSON) -> Task:
    """Return a pod as a task, with its own ConfigMap there."""
    w = World(MemoryStorage())
    for volume in pod["spec"]["volumes"]:
        source = volume.get("configMap") or {"optional": True}
        if not source.get("optional"):
            w.create("configmaps", source["name"], data={"log4j2.properties": ""})
    metadata = {"namespace": "ns", "uid": "u", **pod["metadata"]}
    found = draft({**pod, "metadata": metadata}, Node(name="fargate", lookup=w.lookup))
    assert found is not None
    return found


def foretold(driver: JSON, properties: str = PROPERTIES, **files: str) -> ExecutorPlan | None:
    data = {"spark.properties": properties.encode(), **{key: text.encode() for key, text in files.items()}}
    return executor_plan(driver, lambda name: data if name else None)


def told(properties: str = "", **files: str) -> ExecutorPlan:
    found = foretold(recorded("driver-4.3.0"), PROPERTIES + properties, **files)
    assert found is not None
    return found


def local_dir(executor: JSON) -> str:
    """Return where a recorded executor has its scratch space: its driver told it, by its own environment."""
    path = executor["spec"]["containers"][-1]["volumeMounts"][-1]["mountPath"]
    return str(path)


@pytest.mark.parametrize("version", ["3.5.9", "4.3.0"])
def test_executors_are_of_the_shape_that_was_foretold(version: str) -> None:
    driver, executor = recorded(f"driver-{version}"), recorded(f"executor-{version}")
    env = driver["spec"]["containers"][0]["env"]
    next(each for each in env if each["name"] == "SPARK_LOCAL_DIRS")["value"] = local_dir(executor)

    plan = foretold(driver)

    assert plan is not None
    assert plan.count == 2
    named = {**driver, "metadata": {**driver["metadata"], "namespace": "ns", "uid": "d"}}
    parked = parked_pod(plan.pod, named, 1, seconds=60)
    assert shape(task(parked), SITE) == shape(task(executor), SITE)


TEMPLATE = """
metadata: {labels: {team: data}}
spec:
  initContainers: [{name: init1, image: busybox, command: ["true"]}]
  containers:
    - {name: sidecar, image: "side:1", command: [sleep, "1"]}
    - name: main
      image: ignored
      resources: {limits: {ephemeral-storage: 5Gi}}
  nodeSelector: {disk: ssd}
  volumes: [{name: scratch, emptyDir: {sizeLimit: 2Gi}}]
"""


def test_a_template_is_completed_as_spark_completes_it() -> None:
    driver, executor = recorded("driver-template-4.3.0"), recorded("executor-template-4.3.0")
    env = driver["spec"]["containers"][1]["env"]
    next(each for each in env if each["name"] == "SPARK_LOCAL_DIRS")["value"] = local_dir(executor)
    settings = """
spark.kubernetes.executor.podTemplateFile=/opt/spark/pod-template/pod-spec-template.yml
spark.kubernetes.executor.podTemplateContainerName=main
spark.kubernetes.local.dirs.tmpfs=true
spark.kubernetes.executor.request.cores=500m
spark.kubernetes.executor.limit.cores=2
spark.executor.memoryOverhead=300m
"""
    plan = foretold(driver, PROPERTIES + settings, **{"podspec-configmap-key": TEMPLATE})
    # by settings for which there is no plan: a secret, a host's folder, and a GPU
    spec, main = executor["spec"], executor["spec"]["containers"][1]
    spec["volumes"] = [each for each in spec["volumes"] if each["name"] not in ("mysec-volume", "hp")]
    main["volumeMounts"] = [each for each in main["volumeMounts"] if each["name"] not in ("mysec-volume", "hp")]
    del main["resources"]["limits"]["nvidia.com/gpu"]

    assert plan is not None
    named = {**driver, "metadata": {**driver["metadata"], "namespace": "ns", "uid": "d"}}
    assert shape(task(parked_pod(plan.pod, named, 1, seconds=60)), SITE) == shape(task(executor), SITE)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ("", 2),
        ("spark.executor.instances=7", 7),
        ("spark.dynamicAllocation.enabled=true\nspark.executor.instances=0", 0),
        ("spark.dynamicAllocation.enabled=true\nspark.dynamicAllocation.minExecutors=3", 3),
        ("spark.dynamicAllocation.enabled=true\nspark.dynamicAllocation.initialExecutors=5", 5),
        ("spark.dynamicAllocation.enabled=true\nspark.executor.instances=4", 4),
    ],
)
def test_so_many_as_spark_asks_for_at_once(settings: str, count: int) -> None:
    assert told(f"\n{settings}\n").count == count


@pytest.mark.parametrize(
    ("settings", "memory"),
    [
        ("spark.executor.memory=600m", "984Mi"),
        ("spark.executor.memory=4g", "5734Mi"),  # Python: 40 %
        ("spark.executor.memory=4g\nspark.kubernetes.memoryOverheadFactor=0.1", "4505Mi"),
        ("spark.executor.memory=4g\nspark.executor.memoryOverheadFactor=0.2", "4915Mi"),
        ("spark.executor.memory=4g\nspark.executor.memoryOverhead=1g", "5120Mi"),
        ("spark.executor.memory=2048", "2867Mi"),
        ("spark.executor.memory=600m\nspark.executor.minMemoryOverhead=512m", "1112Mi"),
        ("spark.executor.memory=600m\nspark.executor.pyspark.memory=1g", "2008Mi"),
        (
            "spark.executor.memory=600m\nspark.memory.offHeap.enabled=true\nspark.memory.offHeap.size=1073741824",
            "2008Mi",
        ),
    ],
)
def test_memory_is_what_spark_works_out(settings: str, memory: str) -> None:
    container = told(f"\n{settings}\n").pod["spec"]["containers"][0]

    assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"] == memory


@pytest.mark.parametrize(
    "setting",
    [
        "spark.kubernetes.executor.volumes.persistentVolumeClaim.data.mount.path=/data",
        "spark.kubernetes.executor.secrets.mysec=/etc/mysec",
        "spark.kubernetes.allocation.pods.allocator=statefulset",
        "spark.executor.resource.gpu.amount=1",
        "spark.kubernetes.kerberos.krb5.path=/etc/krb5.conf",
    ],
)
def test_what_is_not_foretold_has_no_plan(setting: str) -> None:
    assert foretold(recorded("driver-4.3.0"), f"{PROPERTIES}\n{setting}\n") is None


def test_what_is_no_driver_of_spark_has_no_plan() -> None:
    assert foretold(recorded("executor-4.3.0")) is None


def test_the_command_line_has_the_last_word() -> None:
    driver = recorded("driver-4.3.0")
    driver["spec"]["containers"][0]["args"][1:1] = ["--conf", "spark.executor.instances=9"]

    plan = foretold(driver)

    assert plan is not None
    assert plan.count == 9


def test_properties_are_read_as_java_writes_them() -> None:
    text = "#Mon\n!x\na=b\nurl=k8s\\://http\\://h\\:1\nempty=\nsp\\ ace=a\\u00e9\\\\b \\=c\n"

    assert parse_properties(text) == {"a": "b", "url": "k8s://http://h:1", "empty": "", "sp ace": "a\u00e9\\b =c"}
