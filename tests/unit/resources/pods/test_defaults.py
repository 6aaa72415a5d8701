"""What a pod is given that its client left out."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.containers import qos_class
from chalicelib.resources.pods.defaults import pull_policy
from tests.unit.registry.bodies import CONTAINER, made, pod

PULL_POLICIES = [
    ("busybox", "Always"),
    ("busybox:latest", "Always"),
    ("busybox:1.36", "IfNotPresent"),
    ("host:5000/busybox", "Always"),
    ("host:5000/a/busybox:1", "IfNotPresent"),
    ("busybox@sha256:abc", "IfNotPresent"),
    ("busybox:latest@sha256:abc", "Always"),
]


@pytest.mark.parametrize(("image", "policy"), PULL_POLICIES)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


FULL: JSON = {"cpu": "1", "memory": "1Gi"}
QOS = [
    ([{}], "BestEffort"),
    ([{"requests": {"cpu": "1"}}], "Burstable"),
    ([{"limits": FULL}], "Guaranteed"),
    ([{"limits": FULL, "requests": FULL}], "Guaranteed"),
    ([{"limits": FULL, "requests": {"cpu": "500m"}}], "Burstable"),
    ([{"limits": FULL}, {}], "Burstable"),
    ([{"limits": {"cpu": "1"}}], "Burstable"),
    ([{"limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": FULL}], "Guaranteed"),
    ([{"limits": {"ephemeral-storage": "1Gi"}}], "BestEffort"),
]


@pytest.mark.parametrize(("resources", "wanted"), QOS)
def test_quality_of_service_follows_requests_and_limits(resources: list[JSON], wanted: str) -> None:
    containers = [{**CONTAINER, "name": f"c{n}", "resources": each} for n, each in enumerate(resources)]

    _, obj = made("Pod", {"spec": {"containers": containers}})

    assert obj["status"]["qosClass"] == wanted == qos_class(obj["spec"])


def test_requests_are_taken_from_limits() -> None:
    resources = {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}

    _, obj = made("Pod", pod(container={"resources": resources}))

    assert obj["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}


def test_a_template_keeps_its_requests_as_sent() -> None:
    template = {"spec": {"containers": [{**CONTAINER, "resources": {"limits": {"cpu": "1"}}}]}}

    _, obj = made("PodTemplate", {"template": template})

    assert obj["template"]["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}}
    assert "enableServiceLinks" not in obj["template"]["spec"]


def test_ports_on_the_host_network_are_the_hosts_ports() -> None:
    _, obj = made("Pod", pod(container={"ports": [{"containerPort": 80}]}, hostNetwork=True))

    assert obj["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]


def test_either_name_of_the_service_account_gives_the_other() -> None:
    _, obj = made("Pod", pod(serviceAccount="spark"))

    assert obj["spec"]["serviceAccountName"] == "spark"


def test_files_from_the_cluster_get_a_mode_and_versions() -> None:
    downward = {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}
    sources = [{"serviceAccountToken": {"path": "token"}}, {"downwardAPI": downward}]

    _, obj = made("Pod", pod(volumes=[{"name": "p", "projected": {"sources": sources}}, {"name": "e"}]))

    projected = obj["spec"]["volumes"][0]["projected"]
    assert projected["defaultMode"] == 0o644
    assert projected["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600
    assert projected["sources"][1]["downwardAPI"]["items"][0]["fieldRef"]["apiVersion"] == "v1"
    assert obj["spec"]["volumes"][1] == {"name": "e", "emptyDir": {}}


def test_a_resource_field_is_divided_by_nothing_unless_told() -> None:
    source = {"resourceFieldRef": {"resource": "limits.cpu"}}

    _, obj = made("Pod", pod(container={"env": [{"name": "CPU", "valueFrom": source}]}))

    variable = obj["spec"]["containers"][0]["env"][0]
    assert variable["valueFrom"]["resourceFieldRef"] == {"resource": "limits.cpu", "divisor": "0"}


def test_empty_fields_are_left_out() -> None:
    mount = {"name": "v", "mountPath": "/v", "subPath": "", "readOnly": False}
    body = pod(container={"volumeMounts": [mount], "args": [], "tty": False}, hostNetwork=False)

    _, obj = made("Pod", {"spec": {**body["spec"], "volumes": [{"name": "v", "emptyDir": {}}]}})

    assert obj["spec"]["containers"][0]["volumeMounts"] == [{"name": "v", "mountPath": "/v"}]
    assert not {"args", "tty"} & obj["spec"]["containers"][0].keys()
    assert "hostNetwork" not in obj["spec"]


def test_a_toleration_of_everything_needs_no_other() -> None:
    _, obj = made("Pod", pod(tolerations=[{"operator": "Exists"}]))

    assert obj["spec"]["tolerations"] == [{"operator": "Exists"}]


def test_a_status_is_written_out_as_go_writes_it() -> None:
    each, old = made("Pod", pod())
    new = {
        "metadata": dict(old["metadata"]),
        "status": {
            "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 1}}}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }

    assert each.status is not None
    each.status.prepare_for_update(new, old)

    assert new["spec"] == old["spec"]
    assert new["status"]["qosClass"] == "BestEffort"
    condition = {"lastProbeTime": None, "lastTransitionTime": None, "status": "True", "type": "Ready"}
    assert new["status"]["conditions"] == [condition]
    assert new["status"]["containerStatuses"][0] == {
        "name": "c",
        "image": "",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"terminated": {"exitCode": 1, "startedAt": None, "finishedAt": None}},
        "lastState": {},
    }


@pytest.mark.parametrize(
    ("of_pod", "of_container", "requests"),
    [
        ({"limits": {"memory": "4Gi"}}, {}, {"memory": "4Gi"}),
        ({"limits": {"memory": "4Gi"}}, {"requests": {"memory": "1Gi"}}, {"memory": "1Gi"}),
        ({"requests": {"memory": "4Gi"}}, {"requests": {"memory": "1Gi", "cpu": "2"}}, {"memory": "4Gi", "cpu": "2"}),
        ({}, {"requests": {"memory": "1Gi"}}, None),
    ],
)
def test_a_pod_as_a_whole_requests_what_its_containers_do_or_its_limits(
    of_pod: JSON, of_container: JSON, requests: JSON | None
) -> None:
    _, obj = made("Pod", pod(resources=of_pod, container={"resources": of_container}))

    assert (obj["spec"].get("resources") or {}).get("requests") == requests
