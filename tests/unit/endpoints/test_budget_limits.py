"""A job with a spending limit neither lifts it nor leaves it, whatever rights its service account has; a user may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.controllers.podmodel.family import heads_of, members_of
from chalicelib.controllers.runtime.tokens import TokenClaims
from chalicelib.resources.catalogue import WORKLOADS
from chalicelib.resources.pods.marks import MAX_USD
from tests.api_client import ApiClient, Json, control_plane

NS = "/api/v1/namespaces/default"
PODS = f"{NS}/pods"
SETS = "/apis/apps/v1/namespaces/default/statefulsets"
BATCH = "/apis/batch/v1/namespaces/default"
JOBS, APPS = f"{BATCH}/jobs", SETS.rpartition("/")[0]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
SPEC: Json = {"containers": [{"name": "c", "image": "i"}]}
SET: Json = {
    "serviceName": "s",
    "selector": {"matchLabels": {"app": "s"}},
    "template": {"metadata": {"labels": {"app": "s"}}, "spec": SPEC},
}
JOB: Json = {"template": {"spec": {**SPEC, "restartPolicy": "Never"}}}
CRON_JOB: Json = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": JOB}}
SPECS: dict[str, tuple[str, Json]] = {  # of everything that makes pods
    "cronjobs": (BATCH, CRON_JOB),
    "deployments": (APPS, {key: value for key, value in SET.items() if key != "serviceName"}),
    "jobs": (BATCH, JOB),
    "replicasets": (APPS, {key: value for key, value in SET.items() if key != "serviceName"}),
    "statefulsets": (APPS, SET),
}
MERGE = {"content_type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    """Return a client of an API whose account `mighty` may everything."""
    plane = control_plane(tmp_path_factory.mktemp("plane"), token="admin-token", user_requests_per_second=0)
    client = ApiClient(plane, "admin-token")
    client.create("/api/v1/namespaces", {"metadata": {"name": "other"}})
    client.create(f"{NS}/serviceaccounts", {"metadata": {"name": "mighty"}})
    subject = {"kind": "ServiceAccount", "name": "mighty", "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"metadata": {"name": "mighty"}, "roleRef": reference, "subjects": [subject]}
    client.create(f"{RBAC}/clusterrolebindings", binding)
    yield client
    plane.close()


class Pod:
    """A stored pod and its token."""

    def __init__(self, api: ApiClient, body: Json) -> None:
        self.api = api
        self.obj = api.create(PODS, body)

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    @property
    def uid(self) -> str:
        return str(self.obj["metadata"]["uid"])

    @property
    def reference(self) -> Json:
        return {"apiVersion": "v1", "kind": "Pod", "name": self.name, "uid": self.uid}

    def ask(self, method: str, url: str, body: object = None, **how: Any) -> tuple[int, Json]:
        """Return code and body of the answer to a request with the pod's token."""
        account = self.api.get(f"{NS}/serviceaccounts/mighty")["metadata"]["uid"]
        claims = TokenClaims("default", "mighty", account, self.name, self.uid)
        token = self.api.plane.base.issuer.issue(claims, seconds=3600).token
        answer = self.api.request(method, url, body, token=token, **how)
        return answer.status, answer.body


def _pod(owners: list[Json] | None = None, **annotations: str) -> Json:
    metadata = {"generateName": "p-", "ownerReferences": owners or [], "annotations": annotations}
    return {"metadata": metadata, "spec": SPEC}


@pytest.fixture
def driver(api: ApiClient) -> Pod:
    return Pod(api, _pod([], **{MAX_USD: "5"}))


@pytest.fixture
def executor(api: ApiClient, driver: Pod) -> Pod:
    return Pod(api, _pod(owners=[driver.reference]))


@pytest.mark.parametrize("change", ["50", None], ids=["raised", "removed"])
def test_no_pod_of_a_job_changes_its_limit(driver: Pod, executor: Pod, change: str | None) -> None:
    url, patch = f"{PODS}/{driver.name}", {"metadata": {"annotations": {MAX_USD: change}}}

    for caller in (driver, executor):
        code, answer = caller.ask("PATCH", url, patch, **MERGE)
        assert code == 403
        assert f"does not change {MAX_USD}" in answer["message"]
        as_admin = {"Impersonate-User": "sparkanywhere-admin", "Impersonate-Group": "system:masters"}
        assert caller.ask("PATCH", url, patch, headers=as_admin, **MERGE)[0] == 403
    assert driver.api.request("PATCH", url, patch, **MERGE).status == 200


def test_a_job_changes_what_else_it_may(driver: Pod) -> None:
    patch = {"metadata": {"annotations": {"note": "x"}, "labels": {"a": "b"}}}

    assert driver.ask("PATCH", f"{PODS}/{driver.name}", patch, **MERGE)[0] == 200
    assert driver.ask("GET", PODS)[0] == 200
    assert driver.ask("DELETE", f"{PODS}/{driver.name}")[0] == 200


def test_what_a_job_creates_counts_for_its_limit(api: ApiClient, driver: Pod, executor: Pod) -> None:
    storage = api.plane.base.storage
    job = {"metadata": {"generateName": "j-"}, "spec": {"template": {"spec": {**SPEC, "restartPolicy": "Never"}}}}
    stateful_set = {"metadata": {"generateName": "s-"}, "spec": SET}
    for caller in (driver, executor):
        for url, body in ((PODS, _pod()), (PODS, _pod(owners=[executor.reference])), (SETS, stateful_set), (JOBS, job)):
            code, made = caller.ask("POST", url, body)

            assert code == 201, made
            assert driver.uid in [head["metadata"]["uid"] for head in heads_of(storage, made)]
    counted = {pod["metadata"]["uid"] for pod in members_of(storage, driver.uid, "default")}
    assert len(counted) >= 1 + 4


def test_nobody_else_keeps_what_a_job_creates(api: ApiClient, driver: Pod, executor: Pod) -> None:
    """An object stays with the owners that are left, so a foreign one would keep it beyond the limit."""
    config = api.create(f"{NS}/configmaps", {"metadata": {"generateName": "c-", "ownerReferences": [driver.reference]}})
    own_config = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": config["metadata"]["uid"]}
    foreign = (Pod(api, _pod()).reference, own_config, driver.reference | {"uid": "no-such"})
    for caller in (driver, executor):
        for owner in foreign:
            added = {"metadata": {"ownerReferences": [driver.reference, owner]}}
            for code, answer in (
                caller.ask("POST", PODS, _pod(owners=[owner])),
                caller.ask("POST", PODS, _pod(owners=[driver.reference, owner])),
                caller.ask("PATCH", f"{PODS}/{executor.name}", added, **MERGE),
            ):
                assert code == 403, answer
                assert "names no owners but its own" in answer["message"]


@pytest.mark.parametrize("resource", sorted({*WORKLOADS, *SPECS}))
def test_no_kind_that_makes_pods_leads_out_of_a_limit(api: ApiClient, driver: Pod, resource: str) -> None:
    group, spec = SPECS[resource]
    url, body = f"{group}/{resource}", {"metadata": {"generateName": "w-"}, "spec": spec}
    foreign = api.create(url, body)["metadata"]["name"]

    code, made = driver.ask("POST", url, body)

    assert code == 201, made
    assert [each["uid"] for each in made["metadata"]["ownerReferences"]] == [driver.uid]
    note, own = {"metadata": {"labels": {"a": "b"}}}, f"{url}/{made['metadata']['name']}"
    for method, what, how in (("PATCH", note, MERGE), ("DELETE", None, {})):
        code, answer = driver.ask(method, f"{url}/{foreign}?propagationPolicy=Background", what, **how)
        assert code == 403
        assert "changes workloads of its own only" in answer["message"]
    assert driver.ask("PATCH", own, {"metadata": {"ownerReferences": None}}, **MERGE)[0] == 403
    assert driver.ask("DELETE", f"{own}?propagationPolicy=Orphan")[0] == 403
    assert driver.ask("PATCH", own, note, **MERGE)[0] == 200


@pytest.mark.parametrize("resource", sorted({*WORKLOADS, *SPECS}))
def test_pods_count_through_any_chain_of_workloads(api: ApiClient, driver: Pod, resource: str) -> None:
    """However long, also one that goes in a circle, and each pod once."""
    storage, group_of = api.plane.base.storage, {"apps": "apps/v1", "batch": "batch/v1"}
    group, spec = SPECS[resource]
    owner, made = driver.reference, []
    for _ in range(5):
        body = {"metadata": {"generateName": "w-", "ownerReferences": [owner]}, "spec": {**spec, "replicas": 0}}
        if group == BATCH:
            del body["spec"]["replicas"]
        made.append(api.create(f"{group}/{resource}", body))
        kind = {"apiVersion": group_of[group.split("/")[2]], "kind": made[-1]["kind"]}
        owner = {**kind, "name": made[-1]["metadata"]["name"], "uid": made[-1]["metadata"]["uid"]}
    circle = {"metadata": {"ownerReferences": [driver.reference, owner]}}
    first = made[0]["metadata"]["name"]
    assert api.request("PATCH", f"{group}/{resource}/{first}", circle, **MERGE).status == 200

    pod = Pod(api, _pod(owners=[owner, driver.reference | {"kind": "ConfigMap"}]))

    assert [head["metadata"]["uid"] for head in heads_of(storage, made[-1])] == [driver.uid]
    uids = [each["metadata"]["uid"] for each in members_of(storage, driver.uid, "default")]
    assert uids.count(pod.uid) == 1


def test_a_driver_within_a_limited_pod_counts_for_that_one(api: ApiClient, driver: Pod) -> None:
    inner = Pod(api, _pod(owners=[driver.reference]))

    code, made = inner.ask("POST", PODS, _pod(owners=[inner.reference | {"controller": True}]))

    assert code == 201
    assert [each["uid"] for each in made["metadata"]["ownerReferences"]] == [inner.uid, driver.uid]


def test_a_job_makes_no_pods_elsewhere(driver: Pod) -> None:
    assert driver.ask("POST", "/api/v1/namespaces/other/pods", _pod())[0] == 403


def test_a_job_leaves_nothing_behind(api: ApiClient, driver: Pod, executor: Pod) -> None:
    url = f"{PODS}/{executor.name}"
    made = driver.ask("POST", SETS, {"metadata": {"generateName": "s-"}, "spec": SET})[1]

    for caller in (driver, executor):
        assert caller.ask("PATCH", url, {"metadata": {"ownerReferences": None}}, **MERGE)[0] == 403
        assert caller.ask("DELETE", f"{PODS}/{driver.name}?propagationPolicy=Orphan")[0] == 403
        assert caller.ask("DELETE", f"{SETS}/{made['metadata']['name']}?orphanDependents=true")[0] == 403
        orphaning = {"metadata": {"finalizers": ["orphan"]}}
        assert caller.ask("PATCH", f"{PODS}/{driver.name}", orphaning, **MERGE)[0] == 403
    job = {"metadata": {"generateName": "j-"}, "spec": {"template": {"spec": {**SPEC, "restartPolicy": "Never"}}}}
    name = driver.ask("POST", JOBS, job)[1]["metadata"]["name"]
    assert driver.ask("DELETE", f"{JOBS}/{name}")[0] == 403  # a Job's pods are orphaned unless told otherwise
    assert driver.ask("DELETE", f"{JOBS}/{name}?propagationPolicy=Background")[0] == 200
    assert api.request("PATCH", url, {"metadata": {"ownerReferences": None}}, **MERGE).status == 200


def test_a_job_has_nobody_elses_workload_make_its_pods(api: ApiClient, driver: Pod) -> None:
    name = api.create(SETS, {"metadata": {"generateName": "s-"}, "spec": SET})["metadata"]["name"]
    scale = {"metadata": {"name": name, "namespace": "default"}, "spec": {"replicas": 9}}

    assert driver.ask("PATCH", f"{SETS}/{name}", {"spec": {"replicas": 9}}, **MERGE)[0] == 403
    assert driver.ask("PUT", f"{SETS}/{name}/scale", scale)[0] == 403
    assert api.request("PUT", f"{SETS}/{name}/scale", scale).status == 200


def test_a_job_gets_no_token_that_is_not_of_its_pods(driver: Pod) -> None:
    assert driver.ask("POST", f"{NS}/serviceaccounts/mighty/token", {})[0] == 403


def test_a_job_without_a_limit_is_free(api: ApiClient) -> None:
    free = Pod(api, _pod())

    code, made = free.ask("POST", PODS, _pod())

    assert (code, made["metadata"].get("ownerReferences")) == (201, None)
    assert free.ask("POST", f"{NS}/serviceaccounts/mighty/token", {})[0] == 201
    limit = {"metadata": {"annotations": {MAX_USD: "1"}}}
    assert free.ask("PATCH", f"{PODS}/{free.name}", limit, **MERGE)[0] == 200


def test_a_driver_with_nothing_but_its_own_rights_is_held_to_both(api: ApiClient) -> None:
    body = _pod([], **{MAX_USD: "5"})
    body["metadata"]["labels"] = {"spark-role": "driver", "spark-app-selector": "spark-x"}
    driver, stranger = Pod(api, body), Pod(api, _pod())
    account = api.get(f"{NS}/serviceaccounts/default")["metadata"]["uid"]
    claims = TokenClaims("default", "default", account, driver.name, driver.uid)
    token = api.plane.base.issuer.issue(claims, seconds=3600).token

    made = api.request("POST", PODS, _pod(), token=token)
    seen = api.request("GET", PODS, token=token).body["items"]
    lifted = {"metadata": {"annotations": {MAX_USD: "50"}}}

    assert [each["uid"] for each in made.body["metadata"]["ownerReferences"]] == [driver.uid]
    assert {each["metadata"]["name"] for each in seen} == {driver.name, made.body["metadata"]["name"]}
    assert api.request("PATCH", f"{PODS}/{driver.name}", lifted, token=token, **MERGE).status == 403
    assert api.request("GET", f"{PODS}/{stranger.name}", token=token).status == 403
    assert api.request("DELETE", f"{PODS}/{made.body['metadata']['name']}", token=token).status == 200
