"""A job of ours and stock spark-submit, given the same words, make the same driver, properties and Service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import javaproperties
import pytest

from chalicelib.apimachinery.types import JSON
from sparkanywhere.jobs.driver_pod import driver_pod
from sparkanywhere.jobs.objects import Objects, build
from sparkanywhere.jobs.spec import JobSpec

RECORDED = Path(__file__).resolve().parents[3] / "data" / "spark"
VERSIONS = ("3.5.9", "4.3.0")
# What differs on purpose: where the API is, which the control plane tells the driver; what spark-submit alone needs to
# know; and executors' names, which Spark would make up.
OURS_ALONE = {
    "3.5.9": {"spark.kubernetes.executor.podNamePrefix"},
    "4.3.0": {"spark.kubernetes.executor.podNamePrefix", "spark.submit.callSystemExitOnMainExit"},
}
THEIRS_ALONE = {"spark.app.submitTime", "spark.kubernetes.submission.waitAppCompletion"}
BY_OTHER_MEANS = {"spark.master": "our own URL in the cluster", "spark.jars": "--jars in the driver's arguments"}
EMPTY = {"spark.submit.pyFiles"}
DEFAULTS = {
    "spark.driver.cores": "1",
    "spark.driver.memory": "1g",
    "spark.executor.cores": "1",
    "spark.executor.memory": "1g",
    "spark.kubernetes.container.image.pullPolicy": "IfNotPresent",
}


def recorded(version: str) -> Any:  # Any: pod, properties and service, as JSON
    return json.loads((RECORDED / f"submitted-{version}.json").read_text())


def ours(version: str, **fields: Any) -> Objects:
    theirs = recorded(version)
    program, parts = theirs["pod"]["spec"]["containers"][0]["args"][-2:]
    spec = JobSpec(
        application=program,
        main_class="org.apache.spark.examples.SparkPi",
        args=(parts,),
        name="SparkPi",
        executors=2,
        image=f"apache/spark:{version}",
        spark=version,
        **fields,
    )
    return build(spec, suffix=theirs["pod"]["name"].split("-")[1], user="root")


def plain(pod_spec: JSON, app_id: str) -> JSON:
    """Return a driver's spec without names that are drawn, and without what an API server would add."""
    text = json.dumps(pod_spec)
    (local_dirs,) = {each["value"] for each in pod_spec["containers"][0]["env"] if each["name"] == "SPARK_LOCAL_DIRS"}
    found: JSON = json.loads(text.replace(local_dirs, "/var/data/spark-X").replace(app_id, "APP"))
    main = found["containers"][0]
    main["env"].sort(key=lambda each: str(each["name"]))
    for port in main["ports"]:
        port.setdefault("protocol", "TCP")
    (config_map,) = (each["configMap"] for each in found["volumes"] if "configMap" in each)
    config_map.clear()  # its name is drawn; of its files spark.properties alone is mounted, or all that it has
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_the_pod_is_the_one_that_spark_submit_makes(version: str) -> None:
    theirs, made = recorded(version)["pod"], ours(version)

    mine, found = (
        plain(spec, labels["spark-app-selector"])
        for spec, labels in ((made.main["spec"], made.main["metadata"]["labels"]), (theirs["spec"], theirs["labels"]))
    )
    args = mine["containers"][0]["args"]
    at = args.index("--jars")  # spark-submit says it in the properties
    assert args[at + 1] == args[-2]
    del args[at : at + 2]
    assert mine == found
    assert made.main["metadata"]["name"] == theirs["name"]
    labels = {**made.main["metadata"]["labels"], "spark-app-selector": theirs["labels"]["spark-app-selector"]}
    labels["spark-app-name"] = labels["spark-app-name"].lower()  # ours keeps the name as people write it
    assert labels == theirs["labels"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_properties_are_those_that_spark_submit_writes(version: str) -> None:
    theirs = {**DEFAULTS, **recorded(version)["properties"]}
    made = javaproperties.loads(ours(version).owned[0][1]["data"]["spark.properties"])

    assert set(made) - set(theirs) == OURS_ALONE[version]
    assert set(theirs) - set(made) == THEIRS_ALONE | EMPTY | {"spark.jars"}
    drawn = {"spark.app.id", *BY_OTHER_MEANS}
    shared = (set(made) & set(theirs)) - drawn
    assert {key: made[key] for key in shared} == {key: theirs[key] for key in shared}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_service_has_the_same_ports(version: str) -> None:
    theirs = recorded(version)["service"]
    service = dict(ours(version).owned)["services"]

    assert service["metadata"]["name"] == theirs["name"]
    for port, their in zip(service["spec"]["ports"], theirs["ports"], strict=True):
        assert port.items() <= their.items()
    assert set(service["spec"]["selector"]) <= set(theirs["selector"])


@pytest.mark.parametrize(
    ("conf", "may"),
    [
        ({}, False),
        ({"spark.kubernetes.securityContext.allowPrivilegeEscalation": "true"}, True),
        (
            {
                "spark.kubernetes.securityContext.allowPrivilegeEscalation": "true",
                "spark.kubernetes.driver.securityContext.allowPrivilegeEscalation": "false",
            },
            False,
        ),
    ],
)
def test_privileges_are_gained_only_where_a_setting_lets_them(conf: dict[str, str], may: bool) -> None:
    spec = JobSpec(application="local:///a.py", conf=conf)
    pod = driver_pod(spec, name="a", app_id="b", user="c", carried=())

    assert pod["spec"]["containers"][0]["securityContext"] == {"allowPrivilegeEscalation": may}
