"""What is put into driver pods, on the bodies that real Spark sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.admission import Admission
from chalicelib.controllers.translation.spark_admission import (
    INJECT,
    INJECTED,
    Injection,
    admit,
    driver_container,
    respecting_properties,
)
from chalicelib.resources.pods.strategy import PodStrategy
from tests.unit.controllers.world import World

DATA = Path(__file__).parents[3] / "data" / "spark"
URL = "http://127.0.0.1:8001"
FULL = Injection(master_url=URL, token=True)
SHARED = Injection(master_url=URL, token=True, shares_network=True)
AUTHENTICATED = "spark.authenticate=true"
HOST = "spark.driver.host=$(SPARK_DRIVER_BIND_ADDRESS)"
MASTER = f"spark.kubernetes.driver.master={URL}"
TOKEN = (
    "spark.kubernetes.authenticate.driver.mounted.oauthTokenFile=/var/run/secrets/kubernetes.io/serviceaccount/token"
)
DRIVERS = ["driver-4.3.0", "driver-3.5.9", "driver-template-4.3.0", "driver-token-4.3.0"]


def recorded(name: str) -> JSON:
    found: JSON = json.loads((DATA / f"{name}.json").read_text())
    return found


def driver(pod: JSON) -> JSON:
    found = driver_container(pod)
    assert found is not None
    return found


@pytest.mark.parametrize("name", DRIVERS)
def test_driver_learns_where_we_are(name: str) -> None:
    before = driver(recorded(name))["args"]

    pod = admit(recorded(name), FULL)

    added = ["--conf", HOST, "--conf", MASTER, "--conf", TOKEN]
    assert driver(pod)["args"] == [before[0], *added, *before[1:]]
    assert driver(pod)["env"][-2:] == [
        {"name": "KUBERNETES_WATCH_RECONNECTINTERVAL", "value": "50"},
        {"name": "KUBERNETES_REQUEST_RETRY_BACKOFFLIMIT", "value": "7"},
    ]
    assert pod["metadata"]["annotations"][INJECTED] == ",".join(
        [
            "spark.driver.host",
            "spark.kubernetes.driver.master",
            "spark.kubernetes.authenticate.driver.mounted.oauthTokenFile",
            "KUBERNETES_WATCH_RECONNECTINTERVAL",
            "KUBERNETES_REQUEST_RETRY_BACKOFFLIMIT",
        ]
    )


@pytest.mark.parametrize("name", DRIVERS)
def test_second_admission_changes_nothing(name: str) -> None:
    once = admit(recorded(name), FULL)

    assert admit(once, FULL) == once


@pytest.mark.parametrize("name", ["executor-4.3.0", "executor-3.5.9", "executor-template-4.3.0"])
def test_executors_are_left_alone(name: str) -> None:
    assert admit(recorded(name), FULL) == recorded(name)


def test_sidecar_is_left_alone() -> None:
    pod = admit(recorded("driver-template-4.3.0"), FULL)

    assert pod["spec"]["containers"][0] == recorded("driver-template-4.3.0")["spec"]["containers"][0]


def test_pod_that_only_has_the_label_is_left_alone() -> None:
    pod = {"metadata": {"labels": {"spark-role": "driver"}}, "spec": {"containers": [{"args": ["a"]}]}}

    assert admit(pod, FULL) is pod


def test_admission_does_not_change_what_it_is_given() -> None:
    pod = recorded("driver-4.3.0")

    admit(pod, FULL)

    assert pod == recorded("driver-4.3.0")


def test_what_the_command_line_says_already_is_not_said_twice() -> None:
    pod = recorded("driver-4.3.0")
    driver(pod)["args"][1:1] = ["--conf", "spark.kubernetes.driver.master=http://other"]
    driver(pod)["env"].append({"name": "KUBERNETES_WATCH_RECONNECTINTERVAL", "value": "9"})

    args = driver(admit(pod, FULL))["args"]

    assert MASTER not in args
    assert "spark.kubernetes.driver.master=http://other" in args
    assert [e["value"] for e in driver(pod)["env"] if e["name"].startswith("KUBERNETES_WATCH")] == ["9"]


@pytest.mark.parametrize(
    ("wish", "injected"),
    [
        ("false", None),
        ("true", "all"),
        ("spark.driver.host", "spark.driver.host"),
        (
            "spark.driver.host, KUBERNETES_WATCH_RECONNECTINTERVAL",
            "spark.driver.host,KUBERNETES_WATCH_RECONNECTINTERVAL",
        ),
    ],
)
def test_annotation_chooses_what_is_injected(wish: str, injected: str | None) -> None:
    pod = recorded("driver-4.3.0")
    pod["metadata"]["annotations"] = {INJECT: wish}

    annotations = admit(pod, FULL)["metadata"]["annotations"]

    if injected == "all":
        assert len(annotations[INJECTED].split(",")) == 5
    else:
        assert annotations.get(INJECTED) == injected


def test_nothing_is_said_of_what_we_do_not_have() -> None:
    args = driver(admit(recorded("driver-4.3.0"), Injection()))["args"]

    assert [arg for arg in args if arg.startswith("spark.")] == [HOST]


@pytest.mark.parametrize("name", DRIVERS)
def test_where_others_reach_its_ports_a_driver_knows_its_executors(name: str) -> None:
    pod = admit(recorded(name), SHARED)

    assert AUTHENTICATED in driver(pod)["args"]
    assert "spark.authenticate" in pod["metadata"]["annotations"][INJECTED].split(",")
    assert AUTHENTICATED not in driver(admit(recorded(name), FULL))["args"]


@pytest.mark.parametrize("name", DRIVERS)
def test_where_others_have_its_address_a_driver_counts_on_no_port(name: str) -> None:
    marks = {
        "spark.driver.port=--task-port-7078--",
        "spark.driver.blockManager.port=--task-port-7079--",
        "spark.ui.port=--task-port-4040--",
    }

    assert marks < set(driver(admit(recorded(name), replace(FULL, shares_address=True)))["args"])
    assert not marks & set(driver(admit(recorded(name), FULL))["args"])


def test_a_port_of_the_interface_that_the_user_names_wins() -> None:
    pod = admit(recorded("driver-4.3.0"), replace(FULL, shares_address=True))

    args = respecting_properties(pod, driver(pod), "spark.ui.port=5050\nspark.driver.port=7078\n") or []

    assert not [arg for arg in args if arg.startswith("spark.ui.port")]
    assert [arg for arg in args if arg.startswith("spark.driver.port")] == ["spark.driver.port=--task-port-7078--"]


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_resolves_packages_where_it_may_write(name: str) -> None:
    pod = admit(recorded(name), Injection(ivy_home="/cache/ivy"))

    assert "spark.jars.ivy=/cache/ivy" in driver(pod)["args"]
    assert "spark.jars.ivy" in pod["metadata"]["annotations"][INJECTED].split(",")


def test_what_the_user_says_of_the_ivy_home_wins() -> None:
    pod = admit(recorded("driver-4.3.0"), Injection(ivy_home="/cache/ivy"))

    args = respecting_properties(pod, driver(pod), "spark.jars.ivy=/mine\n") or []

    assert not [arg for arg in args if "spark.jars.ivy" in arg]


@pytest.mark.parametrize("line", ["spark.authenticate=false", "spark.authenticate=true"])
def test_what_the_user_says_of_authentication_wins(line: str) -> None:
    pod = admit(recorded("driver-4.3.0"), SHARED)

    args = respecting_properties(pod, driver(pod), f"{line}\n") or []

    assert [arg for arg in args if arg.startswith("spark.authenticate")] == []


def args_with(properties: str, name: str = "driver-4.3.0") -> list[str]:
    pod = admit(recorded(name), FULL)
    return respecting_properties(pod, driver(pod), properties) or []


def test_users_own_master_in_the_properties_wins() -> None:
    properties = recorded("configmap-4.3.0")["data"]["spark.properties"]
    assert "spark.kubernetes.driver.master=" in properties

    args = args_with(properties)

    assert MASTER not in args
    assert args[:5] == ["driver", "--conf", HOST, "--conf", TOKEN]
    assert args[5:] == driver(recorded("driver-4.3.0"))["args"][1:]


def test_users_own_token_in_the_properties_wins() -> None:
    args = args_with(recorded("configmap-token-4.3.0")["data"]["spark.properties"], "driver-token-4.3.0")

    assert TOKEN not in args


def test_driver_host_wins_over_the_properties() -> None:
    assert HOST in args_with("spark.driver.host=pi-driver-svc.ns.svc\n")


def test_commented_property_does_not_count() -> None:
    assert MASTER in args_with("#spark.kubernetes.driver.master=http://other\n")


def test_what_was_not_injected_stays() -> None:
    pod = recorded("driver-4.3.0")
    driver(pod)["args"][1:1] = ["--conf", "spark.kubernetes.driver.master=http://mine"]

    args = respecting_properties(pod, driver(pod), "spark.kubernetes.driver.master=http://other\n")

    assert args == driver(pod)["args"]


def admission(w: World) -> Admission:
    return admission_with(w, lambda: FULL)


def admission_with(w: World, injection: Callable[[], Injection]) -> Admission:
    return Admission(
        storage=w.storage,
        quotas=w.controllers.quotas,
        warm=w.plane.stored.warm,
        node=w.plane.stored.node,
        provider=w.provider,
        injection=injection,
    )


def test_hook_changes_a_driver_in_place(w: World) -> None:
    pod = recorded("driver-4.3.0")
    metadata = pod["metadata"]
    metadata["namespace"] = "ns"
    w.create("serviceaccounts", "spark")

    warnings = admission(w).admit("pods", pod, w.storage)

    assert MASTER in driver(pod)["args"]
    assert pod["metadata"] is metadata
    assert warnings == []


def test_hook_names_what_is_not_honoured(w: World) -> None:
    pod = recorded("executor-template-4.3.0")
    pod["metadata"]["namespace"] = "ns"
    w.create("serviceaccounts", "spark")
    pod["spec"]["containers"][1]["resources"]["limits"]["nvidia.com/gpu"] = "1"

    warnings = admission(w).admit("pods", pod, w.storage)

    assert "spec.nodeSelector[disk]: not honoured by provider fake" in warnings
    assert 'container "main": no GPUs in the fake' in warnings


def test_fault_of_our_own_is_not_taken_for_an_invalid_pod(w: World) -> None:
    def fail() -> Injection:
        raise TypeError("ours")

    pod = {**w.create_pod(), "kind": "Pod", "apiVersion": "v1"}

    with pytest.raises(TypeError, match="ours"):
        admission_with(w, fail).admit("pods", pod, w.storage)


NAMELESS_MOUNT = {"name": "c", "image": "i", "volumeMounts": [{}]}
NAMELESS_VOLUME = {"volumes": [{"emptyDir": {}}], "containers": [{"name": "c", "image": "i"}]}


@pytest.mark.parametrize("spec", [{}, {"containers": [{}]}, {"containers": [NAMELESS_MOUNT]}, NAMELESS_VOLUME], ids=str)
def test_hook_leaves_invalid_pods_to_validation(w: World, spec: JSON) -> None:
    pod = {"metadata": {}, "spec": spec}
    PodStrategy().default(pod)

    assert admission(w).admit("pods", pod, w.storage) == []
    assert list(PodStrategy().validate(pod))


def test_hook_leaves_other_resources_alone(w: World) -> None:
    assert admission(w).admit("configmaps", {"data": {}}, w.storage) == []


def test_where_watches_are_polled_a_driver_asks_seldom() -> None:
    pod = driver(admit(recorded("driver-4.3.0"), replace(FULL, polled=True)))

    assert "spark.kubernetes.executor.apiPollingInterval=120s" in pod["args"]
    assert {"name": "KUBERNETES_WATCH_RECONNECTINTERVAL", "value": "1000"} in pod["env"]


def test_a_polling_interval_in_the_properties_is_kept() -> None:
    pod = admit(recorded("driver-4.3.0"), replace(FULL, polled=True))

    args = respecting_properties(pod, driver(pod), "spark.kubernetes.executor.apiPollingInterval=5s\n")

    assert not [arg for arg in args or [] if "apiPollingInterval" in arg]


def test_where_declared_ports_alone_are_open_executors_get_the_one_that_they_declare() -> None:
    pod = admit(recorded("driver-4.3.0"), Injection(master_url=URL, declared_ports=True))

    assert "spark.blockManager.port=7079" in driver(pod)["args"]
    own = respecting_properties(pod, driver(pod), "spark.blockManager.port=7100\n") or []
    assert not [arg for arg in own if "blockManager" in arg]
    assert "spark.blockManager.port" not in str(admit(recorded("driver-4.3.0"), Injection(master_url=URL)))
