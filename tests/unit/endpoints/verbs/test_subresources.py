"""What acts on an object beside its own verbs: resize, binding, eviction, tokens, status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.catalogue import ALL
from chalicelib.storage.keys import object_key
from chalicelib.storage.updates import guaranteed_update
from tests.api_client import Answer, ApiClient, control_plane

CORE = "/api/v1/namespaces/default"
POD = f"{CORE}/pods/a"
TOKEN = f"{CORE}/serviceaccounts/default/token"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiClient]:
    """Return a client of a fresh API that holds the pod `a`."""
    plane = control_plane(tmp_path)
    made = ApiClient(plane)
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m"}}}
    made.create(f"{CORE}/pods", {"metadata": {"name": "a"}, "spec": {"containers": [container]}})
    yield made
    plane.close()


def _resize(api: ApiClient, **container: Any) -> Answer:  # Any: fields of a container
    spec = {"containers": [{"name": "c", **container}]}
    return api.request("PATCH", f"{POD}/resize", {"spec": spec}, content_type=STRATEGIC)


def _said(answer: Answer) -> tuple[int, str]:
    return answer.status, str(answer.body["message"])


def test_a_pod_that_does_not_run_yet_is_resized(api: ApiClient) -> None:
    answer = _resize(api, image="other", resources={"requests": {"cpu": "200m", "memory": "1Gi"}})

    pod = api.get(f"{POD}/resize")
    assert answer.status == 200
    assert pod["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "200m", "memory": "1Gi"}}
    assert pod["spec"]["containers"][0]["image"] == "i"
    assert pod["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("resources", "why"),
    [
        ({"requests": {"cpu": "1"}, "limits": {"example.com/gpu": "1"}}, "only cpu and memory resources are"),
        ({"$patch": "replace", "requests": {"memory": "1Gi"}}, "resource requests cannot be removed"),
        ({"$patch": "replace"}, "Pod QOS Class may not change as a result of resizing"),
        ({"requests": {"cpu": "-1"}}, "must be greater than or equal to 0"),
    ],
)
def test_a_resize_may_change_amounts_of_cpu_and_memory_alone(api: ApiClient, resources: JSON, why: str) -> None:
    status, message = _said(_resize(api, resources=resources))

    assert status == 422
    assert why in message


def _mark(api: ApiClient, **marks: str) -> None:
    """Annotate the pod `a` as only we do."""

    def marked(pod: JSON) -> JSON:
        annotations = {f"sparkanywhere.io/{name}": text for name, text in marks.items()}
        return {**pod, "metadata": {**pod["metadata"], "annotations": annotations}}

    guaranteed_update(api.plane.base.storage, object_key("pods", "default", "a"), marked)


@pytest.mark.parametrize("part", ["", "/status"])
@pytest.mark.parametrize("marks", [None, {"sparkanywhere.io/task": "another-pod's"}, {"sparkanywhere.io/task": None}])
def test_no_client_changes_what_we_have_written_into_a_pod(api: ApiClient, part: str, marks: JSON | None) -> None:
    _mark(api, task="t", size="{}")

    sent = {"metadata": {"annotations": {**marks, "own": "1"} if marks else marks}}
    answer = api.request("PATCH", f"{POD}{part}", sent, content_type=MERGE)

    assert answer.status == 200
    annotations = api.get(POD)["metadata"]["annotations"]
    own = annotations.pop("own", "")
    assert annotations == {"sparkanywhere.io/task": "t", "sparkanywhere.io/size": "{}"}
    assert own == ("1" if marks else "")


def test_no_client_gives_a_pod_a_task(api: ApiClient) -> None:
    sent = {"metadata": {"annotations": {"sparkanywhere.io/task": "another-pod's"}}}

    assert api.request("PATCH", POD, sent, content_type=MERGE).status == 200
    assert "annotations" not in api.get(POD)["metadata"]


def test_a_pod_that_runs_is_not_resized(api: ApiClient) -> None:
    _mark(api, task="t")

    status, message = _said(_resize(api, resources={"requests": {"cpu": "200m"}}))

    assert status == 400
    assert "delete it and create it anew" in message
    assert api.request("GET", f"{POD}/resize").status == 200


@pytest.mark.parametrize("kind", ["Eviction", "Binding"])
def test_a_body_must_name_the_pod_that_the_url_names(api: ApiClient, kind: str) -> None:
    answer = api.request("POST", f"{POD}/{kind.lower()}", {"target": {"name": "n"}})

    assert _said(answer) == (400, f"name in URL does not match name in {kind} object")


def test_a_gated_pod_is_bound_to_no_node(api: ApiClient) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], "schedulingGates": [{"name": "g"}]}
    pod = api.create(f"{CORE}/pods", {"metadata": {"name": "gated"}, "spec": spec})
    body = {"metadata": {"name": "gated"}, "target": {"kind": "Node", "name": "n"}}

    status, message = _said(api.request("POST", f"{CORE}/pods/gated/binding", body))

    assert pod["status"]["conditions"][0]["reason"] == "SchedulingGated"
    assert status == 409
    assert message.endswith("pod gated has non-empty .spec.schedulingGates")


def test_a_binding_to_something_else_than_a_node_is_refused(api: ApiClient) -> None:
    body = {"metadata": {"name": "a"}, "target": {"kind": "Pod", "name": "n"}}

    assert api.request("POST", f"{POD}/binding", body).status == 422


def test_an_eviction_deletes_the_pod_whatever_a_disruption_budget_says(api: ApiClient) -> None:
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {}}}
    api.create("/apis/policy/v1/namespaces/default/poddisruptionbudgets", budget)

    answer = api.request("POST", f"{POD}/eviction", {"metadata": {"name": "a"}})

    assert answer.status == 201
    assert api.request("GET", POD).status == 404


def test_ephemeral_containers_are_never_taken_away(api: ApiClient) -> None:
    debug = {"spec": {"ephemeralContainers": [{"name": "d", "image": "i"}]}}
    api.request("PATCH", f"{POD}/ephemeralcontainers", debug, content_type=STRATEGIC)
    none: JSON = {"spec": {"ephemeralContainers": []}}

    status, message = _said(api.request("PATCH", f"{POD}/ephemeralcontainers", none, content_type=MERGE))

    assert status == 422
    assert 'existing ephemeral containers "d" may not be removed' in message


def test_ephemeral_containers_that_nothing_would_run_are_refused(tmp_path: Path) -> None:
    with closing(control_plane(tmp_path, provider="process")) as plane:
        api = ApiClient(plane)
        spec = {"containers": [{"name": "c", "image": "i"}], "schedulingGates": [{"name": "g"}]}
        api.create(f"{CORE}/pods", {"metadata": {"name": "a"}, "spec": spec})
        debug = {"spec": {"ephemeralContainers": [{"name": "d", "image": "i"}]}}

        answer = api.request("PATCH", f"{POD}/ephemeralcontainers", debug, content_type=STRATEGIC)
        missing = api.request("PATCH", f"{CORE}/pods/no/ephemeralcontainers", debug, content_type=STRATEGIC)

        assert _said(answer)[0] == 400
        assert "not run here; use `kubectl exec`" in _said(answer)[1]
        assert missing.status == 404
        assert "ephemeralContainers" not in api.get(f"{POD}/ephemeralcontainers")["spec"]


@pytest.mark.parametrize(("version", "status"), [("1", 500), ("0", 201), ("v1", 201), ("", 201)])
def test_only_a_resource_version_that_is_a_number_keeps_an_object_from_being_created(
    api: ApiClient, version: str, status: int
) -> None:
    answer = api.request("POST", f"{CORE}/configmaps", {"metadata": {"name": "a", "resourceVersion": version}})

    assert answer.status == status
    if status == 500:
        assert _said(answer)[1] == "resourceVersion should not be set on objects to be created"
    else:
        assert answer.body["metadata"]["resourceVersion"].isdigit()


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"metadata": {"name": "other"}}, 422, "must match the service account name if specified"),
        ({"metadata": {"namespace": "other"}}, 422, "must match the service account namespace if specified"),
        ({"spec": {"expirationSeconds": 599}}, 422, "may not specify a duration less than 10 minutes"),
        ({"spec": {"expirationSeconds": 0}}, 422, "may not specify a duration less than 10 minutes"),
        ({"spec": {"expirationSeconds": 2**33}}, 422, "may not specify a duration larger than 2^32 seconds"),
        ({"spec": {"boundObjectRef": {"kind": "Pod", "name": "no"}}}, 404, 'pods "no" not found'),
        ({"spec": {"boundObjectRef": {"kind": "Node", "name": "n"}}}, 400, "of type /, Kind=Node"),
        ({"spec": {"boundObjectRef": {"kind": "Pod", "name": "a", "uid": "x"}}}, 409, "(x) does not match"),
    ],
)
def test_a_token_for_something_else_is_refused(api: ApiClient, body: JSON, status: int, why: str) -> None:
    code, message = _said(api.request("POST", TOKEN, body))

    assert code == status
    assert why in message


def test_a_pod_of_another_account_takes_no_token(api: ApiClient) -> None:
    api.create(f"{CORE}/serviceaccounts", {"metadata": {"name": "other"}})
    body = {"spec": {"boundObjectRef": {"kind": "Pod", "name": "a"}}}

    status, message = _said(api.request("POST", f"{CORE}/serviceaccounts/other/token", body))

    assert status == 400
    assert message.startswith('cannot bind token for serviceaccount "other" to pod running with different')


TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
WORKLOAD = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE, "serviceName": "s"}
STATUSES = [
    ("/apis/apps/v1/namespaces/default/deployments", WORKLOAD, {"readyReplicas": 1}, "status.readyReplicas"),
    ("/apis/apps/v1/namespaces/default/statefulsets", WORKLOAD, {"replicas": -1}, "status.replicas"),
    (
        "/apis/apps/v1/namespaces/default/replicasets",
        WORKLOAD,
        {"replicas": 2, "availableReplicas": 1},
        "status.availableReplicas",
    ),
    (f"{CORE}/resourcequotas", {}, {"used": {"pods": "x.y"}}, ""),
    (f"{CORE}/resourcequotas", {}, {"used": {"pods": "1500m"}}, "status.used[pods]"),
    ("/api/v1/namespaces", {}, {"phase": "Terminating"}, "status.Phase"),
]


@pytest.mark.parametrize(("url", "spec", "status", "field"), STATUSES)
def test_a_status_whose_numbers_do_not_fit_is_refused(
    api: ApiClient, url: str, spec: JSON, status: JSON, field: str
) -> None:
    spec = {key: value for key, value in spec.items() if key != "serviceName" or "statefulsets" in url}
    api.create(url, {"metadata": {"name": "x"}, "spec": spec})

    answer = api.request("PATCH", f"{url}/x/status", {"status": status}, content_type=MERGE)

    assert answer.status == 422, answer.body
    assert (field or "patch") in [cause["field"] for cause in answer.body["details"]["causes"]]


@pytest.mark.parametrize("kind", [MERGE, STRATEGIC])
def test_a_refused_patch_of_a_secret_shows_nothing_of_it(api: ApiClient, kind: str) -> None:
    api.create(f"{CORE}/secrets", {"metadata": {"name": "s"}, "data": {"password": "c2VjcmV0"}})

    answer = api.request("PATCH", f"{CORE}/secrets/s", {"data": {"other": "!!bmV3"}}, content_type=kind)

    assert answer.status == 422
    assert "c2VjcmV0" not in str(answer.body)
    assert "bmV3" not in str(answer.body)


def test_conditions_are_written_with_the_times_that_go_writes(api: ApiClient) -> None:
    url, status = STATUSES[0][0], {"conditions": [{"type": "Available", "status": "True"}]}
    spec = {key: value for key, value in WORKLOAD.items() if key != "serviceName"}
    api.create(url, {"metadata": {"name": "x"}, "spec": spec})

    answer = api.request("PATCH", f"{url}/x/status", {"status": status}, content_type=MERGE)

    assert answer.body["status"]["conditions"] == [
        {"type": "Available", "status": "True", "lastUpdateTime": None, "lastTransitionTime": None}
    ]


def test_every_subresource_of_every_kind_answers_its_verbs(api: ApiClient) -> None:
    methods = {"get": "GET", "create": "POST", "update": "PUT", "patch": "PATCH"}
    for kind in ALL:
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        place = f"{root}/namespaces/default/{kind.resource}" if kind.namespaced else f"{root}/{kind.resource}"
        for each in kind.all_subresources.values():
            for verb, method in methods.items():
                answer = api.request(method, f"{place}/missing/{each.name}", {})

                may = verb in each.verbs
                assert answer.status != 500, (kind.kind, each.name, verb)
                assert (answer.status != 405) == may, (kind.kind, each.name, verb)
