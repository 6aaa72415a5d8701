"""A container's environment, command and args, as a kubelet makes them."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.resources import NodeSize
from chalicelib.controllers.translation.env import expand
from chalicelib.controllers.translation.network import ApiAddress
from chalicelib.controllers.translation.task import translate
from chalicelib.providers.base import ADDRESS
from tests.unit.controllers.builders import UID, container, pod
from tests.unit.controllers.translation.builders import missing_of, node, only, task_of


def env_of(*env: JSON, **fields: Any) -> dict[str, str]:  # Any: container fields
    return dict(only(task_of(pod(containers=[container(env=list(env), **fields)]))).env)


LABELLED: JSON = {"labels": {"app": "x"}, "annotations": {"note": "hi"}}

FIELDS = [
    ("metadata.name", "a"),
    ("metadata.namespace", "ns"),
    ("metadata.uid", UID),
    ("metadata.labels['app']", "x"),
    ("metadata.labels['absent']", ""),
    ("metadata.annotations['note']", "hi"),
    ("spec.nodeName", "fake"),
    ("spec.serviceAccountName", "default"),
    ("status.podIP", ADDRESS),
    ("status.podIPs", ADDRESS),
    ("status.hostIP", ADDRESS),
]


@pytest.mark.parametrize(("path", "value"), FIELDS)
def test_field_ref(path: str, value: str) -> None:
    variable = {"name": "V", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}

    task = task_of(pod(metadata=LABELLED, containers=[container(env=[variable])]))

    assert dict(only(task).env)["V"] == value


SIZES = {"limits": {"cpu": "1500m", "memory": "1Gi"}, "requests": {"cpu": "250m", "ephemeral-storage": "1G"}}

RESOURCES = [
    ("limits.cpu", None, "2"),
    ("limits.cpu", "1m", "1500"),
    ("limits.memory", None, "1073741824"),
    ("limits.memory", "1Mi", "1024"),
    ("limits.memory", "1Gi", "1"),
    ("requests.cpu", "1m", "250"),
    ("requests.cpu", "1", "1"),
    ("requests.ephemeral-storage", "1M", "1000"),
    ("requests.memory", "1Mi", "0"),
    ("limits.ephemeral-storage", None, "0"),
]


@pytest.mark.parametrize(("resource", "divisor", "value"), RESOURCES)
def test_resource_field_ref(resource: str, divisor: str | None, value: str) -> None:
    reference = {"resource": resource, **({"divisor": divisor} if divisor else {})}

    assert env_of({"name": "V", "valueFrom": {"resourceFieldRef": reference}}, resources=SIZES)["V"] == value


def test_limit_that_is_not_set_is_the_nodes_size() -> None:
    variables = [
        {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    obj = pod(containers=[container(env=variables)])

    task = task_of(obj, node(size=NodeSize(cpu_milli=4000, memory_mib=2048)))

    assert dict(only(task).env) == {"C": "4", "M": "2048"}


def test_resource_of_another_container() -> None:
    variable = {"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "containerName": "d"}}}
    obj = pod(containers=[container(env=[variable]), container("d", resources={"limits": {"cpu": "3"}})])

    assert dict(task_of(obj).containers[0].env)["V"] == "3"


def test_values_see_what_comes_before_them() -> None:
    env = env_of(
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)2"},
        {"name": "C", "value": "$(D) $$(A)"},
        {"name": "D", "value": "4"},
        {"name": "A", "value": "$(B)!"},
    )

    assert env == {"A": "12!", "B": "12", "C": "$(D) $(A)", "D": "4"}


def test_env_from_comes_first_and_env_wins() -> None:
    sources = [{"configMapRef": {"name": "settings"}}, {"prefix": "S_", "secretRef": {"name": "keys"}}]
    env = env_of({"name": "A", "value": "own $(B)"}, envFrom=sources)

    assert env == {"A": "own 2", "B": "2", "S_USER": "me", "S_PASSWORD": "secret"}


def test_variables_of_services_lose_to_the_pods_own() -> None:
    own = {"name": "KUBERNETES_SERVICE_HOST", "value": "$(KUBERNETES_SERVICE_PORT)"}

    task = task_of(pod(containers=[container(env=[own])]), node(api=lambda: ApiAddress("10.0.0.1", 443)))

    assert dict(only(task).env)["KUBERNETES_SERVICE_HOST"] == "443"


def test_key_that_cannot_be_a_variable_is_left_out() -> None:
    assert env_of(envFrom=[{"configMapRef": {"name": "odd"}}]) == {"with space": "2"}


def key_ref(kind: str, name: str, key: str, **fields: Any) -> JSON:  # Any: optional
    return {"name": "V", "valueFrom": {kind: {"name": name, "key": key, **fields}}}


def test_key_refs() -> None:
    assert env_of(key_ref("configMapKeyRef", "settings", "A"))["V"] == "1"
    assert env_of(key_ref("secretKeyRef", "keys", "USER"))["V"] == "me"


@pytest.mark.parametrize(
    "variable",
    [
        key_ref("configMapKeyRef", "absent", "A", optional=True),
        key_ref("configMapKeyRef", "settings", "absent", optional=True),
        key_ref("secretKeyRef", "keys", "absent", optional=True),
    ],
)
def test_optional_key_that_is_absent_sets_nothing(variable: JSON) -> None:
    assert env_of(variable) == {}


MISSING_ENV = [
    (key_ref("configMapKeyRef", "absent", "A"), 'configmap "absent" not found'),
    (key_ref("secretKeyRef", "absent", "A"), 'secret "absent" not found'),
    (key_ref("configMapKeyRef", "settings", "Z"), "couldn't find key Z in ConfigMap ns/settings"),
    (key_ref("configMapKeyRef", "settings", "BIN"), "couldn't find key BIN in ConfigMap ns/settings"),
    (key_ref("secretKeyRef", "keys", "Z"), "couldn't find key Z in Secret ns/keys"),
]


@pytest.mark.parametrize(("variable", "message"), MISSING_ENV)
def test_variable_without_its_source_is_a_wait(variable: JSON, message: str) -> None:
    translation = translate(pod(containers=[container(env=[variable])]), node())

    assert missing_of(translation) == [("Failed", message, "c")]


def test_absent_env_from_is_a_wait_unless_optional() -> None:
    absent = {"configMapRef": {"name": "absent"}}
    optional = {"secretRef": {"name": "absent", "optional": True}}

    translation = translate(pod(containers=[container(envFrom=[absent, optional])]), node())

    assert missing_of(translation) == [("Failed", 'configmap "absent" not found', "c")]


def test_command_and_args_are_expanded() -> None:
    env = [{"name": "A", "value": "1"}]
    said = container(command=["sh", "$(A)"], args=["$(A)", "$$(A)", "$(B)"], env=env)

    found = only(task_of(pod(containers=[said])))

    assert found.command == ("sh", "1")
    assert found.args == ("1", "$(A)", "$(B)")


def test_without_command_and_args_the_images_own_apply() -> None:
    found = only(task_of(pod()))

    assert (found.command, found.args) == (None, None)


VALUES = {"A": "a", "B": "b", "EMPTY": "", "NESTED": "$(A)", "SPARK_DRIVER_BIND_ADDRESS": "10.0.0.1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$(A)", "a"),
        ("$(A)$(B)", "ab"),
        ("x-$(A)-y", "x-a-y"),
        ("$(EMPTY)", ""),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$(NESTED)", "$(A)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$$$$(A)", "$$(A)"),
        ("$", "$"),
        ("$$", "$"),
        ("a$", "a$"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("$(A$(B))", "$(A$(B))"),
        ("spark.driver.host=$(SPARK_DRIVER_BIND_ADDRESS)", "spark.driver.host=10.0.0.1"),
    ],
)
def test_text_expands_as_in_kubernetes(text: str, expected: str) -> None:
    assert expand(text, VALUES) == expected
