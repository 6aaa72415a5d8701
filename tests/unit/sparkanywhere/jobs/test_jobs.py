"""A job as its user says it becomes the objects that Spark needs, and its mistakes become one sentence."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.providers.registry import reference_prices
from sparkanywhere.jobs.applications import group
from sparkanywhere.jobs.job_file import from_document
from sparkanywhere.jobs.job_files import CARRIED_PATH
from sparkanywhere.jobs.memory_size import parse_mib, pod_mib
from sparkanywhere.jobs.objects import build, owned_by, resource_name
from sparkanywhere.jobs.spec import JobSpec, SpecError
from sparkanywhere.jobs.usage import usage, usage_of_seen

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "My Job_1.py"
    path.write_text("print(1)\n")
    return path


@pytest.mark.parametrize(
    ("text", "mib"),
    [("512m", 512), ("4g", 4096), ("1024", 1024), ("1t", 1048576), ("1k", 1), ("2Gi", 2048), ("3GB", 3072)],
)
def test_sparks_memory_words_are_understood(text: str, mib: int) -> None:
    assert parse_mib(text) == mib


@pytest.mark.parametrize("text", ["", "4x", "-1g", "0", "1.5g", "g"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="memory size"):
        parse_mib(text)


def test_a_pod_asks_for_heap_and_overhead_as_spark_computes_it() -> None:
    assert pod_mib("600m") == 984  # as recorded from spark-submit
    assert pod_mib("600m", overhead="300m") == 900
    assert pod_mib("10g", factor=0.4) == 14336


def test_the_driver_is_what_spark_submit_makes(program: Path) -> None:
    spec = JobSpec(application=str(program), args=("1",), executors=3, conf={"spark.x": "y\\z"})

    made = build(spec, suffix="0a", user="ana")

    container = made.driver["spec"]["containers"][0]
    assert made.driver["metadata"]["name"] == "my-job-1-0a-driver"
    assert made.driver["metadata"]["labels"]["spark-role"] == "driver"
    assert container["args"][:3] == ["driver", "--properties-file", "/opt/spark/conf/spark.properties"]
    assert container["args"][-2:] == [f"file://{CARRIED_PATH}/My%20Job_1.py", "1"]
    assert container["resources"]["limits"]["memory"] == "1433Mi"
    bind = next(each for each in container["env"] if each["name"] == "SPARK_DRIVER_BIND_ADDRESS")
    assert bind["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    properties = dict(made.owned)["configmaps"] if len(dict(made.owned)) == 1 else made.owned[0][1]
    text = properties["data"]["spark.properties"]
    assert "spark.executor.instances=3\n" in text
    assert "spark.x=y\\\\z\n" in text


def test_own_files_travel_with_the_job(program: Path) -> None:
    made = build(JobSpec(application=str(program)), suffix="0a", user="ana")

    files = made.owned[-1][1]

    assert [base64.b64decode(each) for each in files["binaryData"].values()] == [b"print(1)\n"]


def test_what_is_owned_goes_with_the_driver(program: Path) -> None:
    made = build(JobSpec(application=str(program)), suffix="0a", user="ana")
    stored = {**made.driver, "metadata": {**made.driver["metadata"], "uid": "u"}}

    owned = owned_by(stored, made.owned[0][1])

    assert owned["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert "ownerReferences" not in made.owned[0][1]["metadata"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"application": ""}, "No application"),
        ({"application": "a.txt"}, "neither a .py nor a .jar"),
        ({"application": "local:///a.jar"}, "--class"),
        ({"application": "local:///a.py", "main_class": "C"}, "--class is for a .jar"),
        ({"application": "nowhere.py"}, "is not there"),
        ({"executor_memory": "4x"}, "--executor-memory"),
        ({"driver_cores": 0}, "--driver-cores"),
        ({"executors": 0}, "--executors"),
        ({"max_usd": "five"}, "--max-usd"),
        ({"image_pull_policy": "Sometimes"}, "Always, IfNotPresent or Never"),
        ({"arch": "x86"}, "amd64 or arm64"),
        ({"max_attempts": 101}, "--max-attempts must be at most 100"),
        ({"executor_cores": 2, "conf": {"spark.executor.cores": "3"}}, "contradicts --executor-cores 2"),
        ({"max_usd": "0"}, "--max-usd"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_option(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        JobSpec(**{"application": "local:///a.py", **changed})


def test_a_setting_that_means_a_field_is_that_field() -> None:
    spec = JobSpec(
        application="local:///a.py",
        conf={"spark.executor.cores": "3", "spark.jars": "local:///a.jar,local:///b.jar", "spark.x": "y"},
    )

    assert (spec.executor_cores, spec.conf) == (3, {"spark.x": "y"})
    assert spec.jars == ("local:///a.jar", "local:///b.jar")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "a.jar"
    empty.touch()

    with pytest.raises(SpecError, match="is empty"):
        JobSpec(application=str(empty), main_class="C")


def test_a_job_file_says_the_same_as_options() -> None:
    spec = from_document(
        {"application": "local:///a.jar", "class": "C", "executor-memory": "2g", "conf": {"spark.a": 1}, "args": [1]}
    )

    assert (spec.main_class, spec.executor_memory, spec.conf, spec.args) == ("C", "2g", {"spark.a": "1"}, ("1",))


def test_an_unknown_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean executors"):
        from_document({"application": "local:///a.py", "executers": 4})


@pytest.mark.parametrize(
    ("name", "prefix"), [("My Job!", "my-job"), ("1st", "spark-1st"), ("-", "spark-"), ("é", "spark-")]
)
def test_any_name_makes_a_resource_name(name: str, prefix: str) -> None:
    made = resource_name(JobSpec(application="local:///a.py", name=name), "0a")

    assert made.startswith(prefix)
    assert made.endswith("-0a")


def pod(name: str, role: str, phase: str, **spec: Any) -> JSON:
    labels = {"spark-app-selector": "spark-1", "spark-role": role, "spark-app-name": "pi"}
    state = {"terminated": {"startedAt": "2026-11-23T11:00:00Z", "finishedAt": "2026-11-23T12:00:00Z"}}
    resources = {"requests": {"cpu": "2", "memory": "4Gi"}}
    return {
        "metadata": {"name": name, "labels": labels, "creationTimestamp": "2026-11-23T10:59:00Z"},
        "spec": {"containers": [{"resources": resources}], **spec},
        "status": {"phase": phase, "containerStatuses": [{"state": state}]},
    }


def test_pods_are_grouped_into_applications() -> None:
    pods = [pod("d", "driver", "Succeeded"), pod("e1", "executor", "Running"), {"metadata": {"name": "other"}}]

    (found,) = group(pods)

    assert (found.name, found.driver_name, found.state, found.running_executors) == ("pi", "d", "Succeeded", 1)
    assert (found.seconds(NOW), found.ended_at) == (3660.0, datetime(2026, 11, 23, 12, tzinfo=UTC))


def test_an_hour_costs_its_list_price() -> None:
    used = usage([pod("e", "executor", "Succeeded")], NOW)

    rates = reference_prices().rates
    expected = 2 * rates.vcpu_hour["amd64"] + 4 * rates.gib_hour["amd64"]
    assert (used.vcpu_seconds, used.gib_seconds) == (7200.0, 14400.0)
    assert used.usd == pytest.approx(expected)


def test_spot_and_arm_cost_less() -> None:
    spot = {"sparkanywhere.io/capacity-type": "spot"}
    arm = {"kubernetes.io/arch": "arm64"}

    full, by_spot, by_arm = (
        usage([pod("e", "executor", "Succeeded", nodeSelector=selector)], NOW).usd for selector in ({}, spot, arm)
    )

    assert by_spot == pytest.approx(full * reference_prices().rates.spot_factor)
    assert by_arm < full


def test_a_limit_travels_with_the_driver(program: Path) -> None:
    made = build(JobSpec(application=str(program), max_usd="0.50"), suffix="0a", user="ana")

    assert made.driver["metadata"]["annotations"] == {"sparkanywhere.io/max-usd": "0.50"}


GONE = {"pods": 1, "vcpuSeconds": 10.0, "gibSeconds": 20.0, "usd": 0.0, "usdOnFargate": 1.5}


def with_gone(driver: JSON) -> JSON:
    annotations = {"sparkanywhere.io/used-by-gone-pods": json.dumps(GONE)}
    return {**driver, "metadata": {**driver["metadata"], "annotations": annotations}}


def test_an_application_used_what_its_gone_pods_used() -> None:
    driver = pod("d", "driver", "Succeeded")

    (plain,), (told,) = group([driver]), group([with_gone(driver)])

    assert told.usage(NOW).usd - plain.usage(NOW).usd == pytest.approx(1.5)
    assert told.usage(NOW).vcpu_seconds - plain.usage(NOW).vcpu_seconds == 10.0


def test_a_gone_pod_that_was_seen_and_told_of_counts_once() -> None:
    driver, executor = pod("d", "driver", "Succeeded"), pod("e", "executor", "Failed")
    both = usage([driver, executor], NOW)

    untold = usage_of_seen({"d": driver, "e": executor}, {"e"}, NOW)
    told = usage_of_seen({"d": with_gone(driver), "e": executor}, {"e"}, NOW)
    missed = usage_of_seen({"d": with_gone(driver)}, set(), NOW)

    assert untold.usd == told.usd == both.usd  # the executor seen used more than the driver tells
    assert missed.vcpu_seconds == usage([driver], NOW).vcpu_seconds + 10.0
