"""A SparkApplication of Kubeflow's operator is a job; what of it no job has is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sparkanywhere.jobs.spark_application import job_document
from sparkanywhere.jobs.spec import JobSpec, SpecError
from tests.unit.sparkanywhere.jobs.typed_job import typed

HEAD = {
    "apiVersion": "sparkoperator.k8s.io/v1beta2",
    "kind": "SparkApplication",
    "metadata": {"name": "sums", "namespace": "jobs", "labels": {"team": "data"}},
}
SPEC = {"type": "Python", "mode": "cluster", "sparkVersion": "4.3.0", "mainApplicationFile": "local:///a.py"}


def written(folder: Path, **spec: Any) -> str:
    path = folder / "so.yaml"
    path.write_text(yaml.safe_dump({**HEAD, "spec": {**SPEC, **spec}, "status": {"applicationState": {}}}))
    return str(path)


def job(folder: Path, **spec: Any) -> JobSpec:
    return typed(written(folder, **spec))


def test_a_spark_application_is_a_job(tmp_path: Path) -> None:
    spec = job(
        tmp_path,
        arguments=["--day", "010"],
        image="my/spark:1",
        driver={"cores": 2, "memory": "2g", "serviceAccount": "spark", "labels": {"version": "4.3.0"}},
        executor={"instances": 3, "cores": 4, "memory": "512m"},
        deps={"pyFiles": ["local:///b.py"], "packages": ["a:b:1"]},
        sparkConf={"spark.sql.shuffle.partitions": "64"},
        restartPolicy={"type": "OnFailure", "onFailureRetries": 3, "onFailureRetryInterval": 10},
    )

    assert (spec.application, spec.args, spec.image) == ("local:///a.py", ("--day", "010"), "my/spark:1")
    assert (spec.name, spec.namespace, spec.labels) == ("sums", "jobs", {"team": "data"})
    assert (spec.driver_cores, spec.driver_memory, spec.service_account) == (2, "2g", "spark")
    assert (spec.executors, spec.executor_cores, spec.executor_memory) == (3, 4, "512m")
    assert (spec.py_files, spec.packages, spec.max_attempts) == (("local:///b.py",), ("a:b:1",), 4)
    assert spec.conf == {"spark.sql.shuffle.partitions": "64", "spark.kubernetes.driver.label.version": "4.3.0"}


@pytest.mark.parametrize(
    ("given", "conf"),
    [
        ({"hadoopConf": {"fs.x": "1"}}, {"spark.hadoop.fs.x": "1"}),
        ({"nodeSelector": {"a": "b"}}, {"spark.kubernetes.node.selector.a": "b"}),
        ({"timeToLiveSeconds": 60}, {"spark.kubernetes.driver.annotation.sparkanywhere.io/ttl": "60"}),
        ({"driver": {"coreRequest": "500m"}}, {"spark.kubernetes.driver.request.cores": "500m"}),
        ({"executor": {"memoryOverhead": "1g"}}, {"spark.executor.memoryOverhead": "1g"}),
        ({"driver": {"env": [{"name": "A", "value": "1"}]}}, {"spark.kubernetes.driverEnv.A": "1"}),
        ({"executor": {"envVars": {"A": "1"}}}, {"spark.executorEnv.A": "1"}),
        (
            {"executor": {"secrets": [{"name": "db", "path": "/etc/db", "secretType": "Generic"}]}},
            {"spark.kubernetes.executor.secrets.db": "/etc/db"},
        ),
        (
            {"driver": {"envSecretKeyRefs": {"PASSWORD": {"name": "db", "key": "password"}}}},
            {"spark.kubernetes.driver.secretKeyRef.PASSWORD": "db:password"},
        ),
        ({"dynamicAllocation": {"minExecutors": 1}}, {"spark.dynamicAllocation.minExecutors": "1"}),
    ],
)
def test_a_field_is_the_property_that_the_operator_makes_of_it(
    tmp_path: Path, given: dict[str, Any], conf: dict[str, str]
) -> None:
    assert job(tmp_path, **given).conf == conf


def test_dynamic_allocation_has_an_upper_bound(tmp_path: Path) -> None:
    spec = job(tmp_path, dynamicAllocation={"enabled": True, "maxExecutors": 9})

    assert (spec.dynamic_allocation, spec.executors) == (True, 9)


def test_what_comes_to_the_same_without_it_is_left_out() -> None:
    given = {"driver": {"securityContext": {"runAsUser": 185}}, "batchScheduler": "volcano"}

    assert job_document({**HEAD, "spec": {**SPEC, **given}})[1] == [
        "spec.driver.securityContext",
        "spec.batchScheduler",
    ]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"volumes": []}, "spec.volumes"),
        ({"driver": {"sidecars": []}}, "spec.driver.sidecars"),
        ({"executor": {"gpu": {"name": "nvidia.com/gpu", "quantity": 1}}}, "spec.executor.gpu"),
        ({"type": "R"}, "spec.type"),
        ({"mode": "client"}, "spec.mode"),
        ({"restartPolicy": {"type": "Always"}}, "spec.restartPolicy.type"),
        ({"driver": {"env": [{"name": "A", "valueFrom": {}}]}}, "spec.driver.env"),
        ({"driver": "x"}, "spec.driver"),
        ({"mistyped": 1}, "spec.mistyped"),
    ],
)
def test_what_no_job_has_is_refused_by_its_name(tmp_path: Path, given: dict[str, Any], named: str) -> None:
    with pytest.raises(SpecError) as caught:
        job(tmp_path, **given)

    assert str(caught.value).startswith(f"{named} of the SparkApplication ")
    assert named != "spec.restartPolicy.type" or "template" not in str(caught.value)  # which would not help


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        ({"kind": "Pod", "apiVersion": "v1"}, "A Pod of v1 is no job"),
        ({"kind": "SparkApplication", "apiVersion": "spark.apache.org/v1"}, "of spark.apache.org/v1 is no job"),
        ({"kind": "ScheduledSparkApplication"}, "A ScheduledSparkApplication of"),
    ],
)
def test_another_object_is_no_job(tmp_path: Path, head: dict[str, str], sentence: str) -> None:
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({**HEAD, **head}))

    with pytest.raises(SpecError) as caught:
        typed(str(tmp_path / "other.yaml"))

    assert sentence in str(caught.value)
