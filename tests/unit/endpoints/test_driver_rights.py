"""A driver manages what it owns and nothing else of its namespace, as stock Spark needs it, by a RoleBinding to see."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.controllers.runtime.tokens import POD_GROUP, TokenClaims
from chalicelib.resources.default_objects import DRIVER_ROLE
from tests.api_client import ApiClient, Json, control_plane

NS = "/api/v1/namespaces/jobs"
PODS, CONFIGMAPS, CLAIMS, SERVICES = (
    f"{NS}/{each}" for each in ("pods", "configmaps", "persistentvolumeclaims", "services")
)
SETS = "/apis/apps/v1/namespaces/jobs/statefulsets"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/jobs/rolebindings"
SPEC: Json = {"containers": [{"name": "c", "image": "i"}]}
CLAIM_SPEC: Json = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
APPLY = "application/apply-patch+yaml"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    plane = control_plane(tmp_path_factory.mktemp("plane"), token="admin-token", user_requests_per_second=0)
    client = ApiClient(plane, "admin-token")
    for name in ("jobs", "other"):
        client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    for name in ("spark", "idle", "mighty"):
        client.create(f"{NS}/serviceaccounts", {"metadata": {"name": name}})
    mighty = {"kind": "ServiceAccount", "name": "mighty", "namespace": "jobs"}
    client.create(
        "/apis/rbac.authorization.k8s.io/v1/namespaces/other/rolebindings",
        {
            "metadata": {"name": "mighty"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [mighty],
        },
    )
    yield client
    plane.close()


class Application:
    """A driver with an executor, a ConfigMap, a claim, a Service and a StatefulSet, and the driver's token."""

    def __init__(self, api: ApiClient, name: str, **metadata: Any) -> None:
        self.api, self.name, self.label = api, name, f"spark-{name}"
        labels = {"spark-role": "driver", "spark-app-selector": self.label}
        body = {"metadata": {"name": f"{name}-driver", "labels": labels, **metadata}, "spec": self.spec}
        self.driver = api.create(PODS, body)
        self.token = self.token_of(self.driver)
        self.objects = {
            PODS: {"spec": self.spec},
            CONFIGMAPS: {"data": {"k": "v"}},
            CLAIMS: {"spec": CLAIM_SPEC},
            SERVICES: {"spec": {"clusterIP": "None", "selector": {"spark-app-selector": self.label}}},
            SETS: self.stateful_set(),
        }
        for url, body in self.objects.items():
            self.api.create(url, self.owned(body, f"{name}-own"))

    @property
    def spec(self) -> Json:
        return {**copy.deepcopy(SPEC), "serviceAccountName": "spark"}

    def token_of(self, pod: Json) -> str:
        account = self.api.get(f"{NS}/serviceaccounts/spark")
        claims = TokenClaims(
            "jobs", "spark", account["metadata"]["uid"], pod["metadata"]["name"], pod["metadata"]["uid"]
        )
        return self.api.plane.base.issuer.issue(claims, seconds=3600).token

    def owned(self, body: Json, name: str) -> Json:
        labels = {"spark-app-selector": self.label, "spark-role": "executor"}
        metadata = {"name": name, "labels": labels, "ownerReferences": [self.reference]}
        return {"metadata": metadata, **copy.deepcopy(body)}

    @property
    def reference(self) -> Json:
        found = self.driver["metadata"]
        owner = {"apiVersion": "v1", "kind": "Pod", "name": found["name"], "uid": found["uid"]}
        return {**owner, "controller": True}

    def stateful_set(self) -> Json:
        labels = {"spark-app-selector": self.label}
        template = {"metadata": {"labels": labels}, "spec": self.spec}
        return {"spec": {"serviceName": "s", "replicas": 1, "selector": {"matchLabels": labels}, "template": template}}

    def ask(self, method: str, url: str, body: object = None, **how: Any) -> tuple[int, Json]:
        """Return code and body of the answer to a request with the driver's token."""
        answer = self.api.request(method, url, body, token=self.token, **how)
        return answer.status, answer.body


@pytest.fixture(scope="module")
def mine(api: ApiClient) -> Application:
    return Application(api, "mine")


@pytest.fixture(scope="module")
def theirs(api: ApiClient) -> Application:
    """Return another application, the neighbour of `mine`."""
    return Application(api, "theirs")


KINDS = (PODS, CONFIGMAPS, CLAIMS, SERVICES, SETS)


def test_the_rights_are_a_role_binding_that_goes_with_the_driver(api: ApiClient) -> None:
    app = Application(api, "short")
    named = f"{BINDINGS}?labelSelector=spark-app-selector={app.label}"

    (binding,) = api.get(named)["items"]

    uid = app.driver["metadata"]["uid"]
    assert binding["roleRef"]["name"] == DRIVER_ROLE
    assert [each["name"] for each in binding["subjects"]] == [POD_GROUP + uid]
    assert [each["uid"] for each in binding["metadata"]["ownerReferences"]] == [uid]
    api.request("DELETE", f"{PODS}/short-driver?gracePeriodSeconds=0")
    api.plane.controllers.lifecycle.garbage.owner_gone(app.driver)
    assert api.get(named)["items"] == []


def test_who_deletes_the_binding_takes_the_rights_away(api: ApiClient) -> None:
    app = Application(api, "revoked")
    assert app.ask("GET", PODS)[0] == 200

    api.request("DELETE", f"{BINDINGS}?labelSelector=spark-app-selector={app.label}")

    assert app.ask("GET", PODS)[0] == 403


def test_a_pod_that_is_no_driver_gets_no_binding(api: ApiClient, mine: Application) -> None:
    before = len(api.get(BINDINGS)["items"])
    api.create(PODS, {"metadata": {"name": "plain"}, "spec": SPEC})
    dry = {"metadata": {"name": "dry", "labels": mine.driver["metadata"]["labels"]}, "spec": SPEC}
    api.create(f"{PODS}?dryRun=All", dry)

    assert len(api.get(BINDINGS)["items"]) == before


def test_the_setting_turns_them_off(tmp_path: Path) -> None:
    plane = control_plane(tmp_path, token="admin-token", driver_rights=False)
    api = ApiClient(plane, "admin-token")
    labels = {"spark-role": "driver"}

    api.create("/api/v1/namespaces/default/pods", {"metadata": {"name": "d", "labels": labels}, "spec": SPEC})

    assert api.get("/apis/rbac.authorization.k8s.io/v1/rolebindings")["items"] == []
    plane.close()


# -- what stock Spark does -----------------------------------------------------------------------------


def test_a_driver_does_what_spark_asks_of_it(mine: Application) -> None:
    selector = f"spark-app-selector={mine.label},spark-role=executor"

    for url in KINDS:
        code, listed = mine.ask("GET", f"{url}?labelSelector={selector}")
        assert (code, [each["metadata"]["name"] for each in listed["items"]]) == (200, ["mine-own"]), url
    assert mine.ask("GET", f"{PODS}/mine-driver")[0] == 200
    assert (
        mine.ask(
            "PATCH",
            f"{PODS}/mine-driver",
            {"metadata": {"annotations": {"a": "b"}}},
            content_type="application/merge-patch+json",
        )[0]
        == 200
    )
    assert mine.ask("GET", f"{PODS}/mine-own/log")[0] in (200, 204)
    made = mine.ask("POST", PODS, mine.owned({"spec": mine.spec}, "exec-1"))
    assert made[0] == 201
    executor = {"apiVersion": "v1", "kind": "Pod", "name": "exec-1", "uid": made[1]["metadata"]["uid"]}
    claim = mine.owned({"spec": CLAIM_SPEC}, "exec-1-pvc")
    claim["metadata"]["ownerReferences"] = [executor]  # as with spark.kubernetes.driver.ownPersistentVolumeClaim=false
    assert mine.ask("POST", CLAIMS, claim)[0] == 201
    assert mine.ask("GET", f"{CLAIMS}/exec-1-pvc")[0] == 200
    assert mine.ask("POST", SETS, mine.owned(mine.stateful_set(), "set"))[0] == 201
    scale = {"metadata": {"name": "set", "namespace": "jobs"}, "spec": {"replicas": 3}}
    assert mine.ask("PUT", f"{SETS}/set/scale", scale)[0] == 200
    assert mine.ask("DELETE", f"{PODS}/exec-1")[0] == 200
    assert mine.ask("DELETE", f"{PODS}/no-such")[0] == 404
    assert mine.ask("DELETE", f"{CONFIGMAPS}?labelSelector=spark-app-selector={mine.label},spark-role=none")[0] == 200


def test_what_a_driver_creates_is_its_own(mine: Application) -> None:
    bare: Json = {"metadata": {"generateName": "bare-"}}
    for url in KINDS:
        code, made = mine.ask("POST", url, bare | mine.objects[url])

        assert code == 201, made
        assert [each["uid"] for each in made["metadata"]["ownerReferences"]] == [mine.driver["metadata"]["uid"]]
        assert made["metadata"]["labels"]["spark-app-selector"] == mine.label
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}"
    code, made = mine.ask("PATCH", f"{CONFIGMAPS}/applied?fieldManager=me", body, content_type=APPLY)
    assert (code, made["metadata"]["labels"]) == (201, {"spark-app-selector": mine.label})
    bare_set = mine.stateful_set()
    del bare_set["spec"]["template"]["metadata"]["labels"]
    bare_set["spec"]["selector"] = {"matchLabels": {"spark-app-selector": mine.label}}
    code, made = mine.ask("POST", SETS, bare | bare_set)
    assert (code, made["spec"]["template"]["metadata"]["labels"]) == (201, {"spark-app-selector": mine.label})


def test_what_a_driver_of_an_operators_application_creates_may_name_that_application_too(api: ApiClient) -> None:
    made = api.create(CONFIGMAPS, {"metadata": {"name": "operated"}})["metadata"]
    application = {"apiVersion": "v1", "kind": "ConfigMap", "name": made["name"], "uid": made["uid"]}
    operated = Application(api, "operated", ownerReferences=[application])
    body: Json = {**operated.objects[PODS], "metadata": {"name": "exec-1", "ownerReferences": [application]}}

    code, executor = operated.ask("POST", PODS, body)

    owners = [each["uid"] for each in executor["metadata"].get("ownerReferences", ())]
    assert (code, owners) == (201, [made["uid"], operated.driver["metadata"]["uid"]]), executor
    assert operated.ask("GET", f"{CONFIGMAPS}/operated")[0] == 403


# -- what it may not -----------------------------------------------------------------------------------


@pytest.mark.parametrize("url", KINDS)
def test_a_driver_neither_reads_nor_writes_another_application(
    mine: Application, theirs: Application, url: str
) -> None:
    merge = {"content_type": "application/merge-patch+json"}
    one = f"{url}/theirs-own"
    relabel = {"metadata": {"labels": {"spark-app-selector": mine.label}, "ownerReferences": [mine.reference]}}
    before = theirs.api.get(one)

    answers = [
        mine.ask("GET", one),
        mine.ask("PATCH", one, relabel, **merge),
        mine.ask(
            "PATCH",
            one,
            [{"op": "test", "path": "/metadata/name", "value": "x"}],
            content_type="application/json-patch+json",
        ),
        mine.ask("PUT", one, before | {"metadata": before["metadata"] | relabel["metadata"]}),
        mine.ask("DELETE", one),
    ]

    assert [code for code, _ in answers] == [403] * 5
    assert "it does not belong to pod mine-driver" in answers[0][1]["message"]
    for selector in ("", f"?labelSelector=spark-app-selector={theirs.label}", "?limit=1"):
        names = [each["metadata"]["name"] for each in mine.ask("GET", url + selector)[1]["items"]]
        assert not [name for name in names if name.startswith("theirs")]
    assert mine.ask("DELETE", f"{url}?labelSelector=spark-app-selector={theirs.label}")[0] == 200
    assert theirs.api.get(one) == before


@pytest.mark.parametrize(
    "sub", ["log", "exec", "attach", "portforward", "status", "eviction", "binding", "ephemeralcontainers"]
)
@pytest.mark.usefixtures("theirs")
def test_a_driver_reaches_no_subresource_of_another_applications_pod(mine: Application, sub: str) -> None:
    for method in ("GET", "POST", "PUT", "PATCH"):
        assert mine.ask(method, f"{PODS}/theirs-own/{sub}")[0] in (403, 405), method


def test_a_driver_sees_only_its_own_in_a_watch(api: ApiClient, mine: Application, theirs: Application) -> None:
    since = api.get(PODS)["metadata"]["resourceVersion"]
    for app in (mine, theirs):
        api.create(PODS, app.owned({"spec": app.spec}, f"{app.name}-late"))
        api.request("DELETE", f"{PODS}/{app.name}-late?gracePeriodSeconds=0")

    code, frames = mine.ask("GET", f"{PODS}?watch=1&timeoutSeconds=2&resourceVersion={since}")

    assert code == 200
    assert "mine-late" in frames
    assert "DELETED" in frames
    assert "theirs" not in frames


def test_a_driver_puts_nothing_into_another_application(mine: Application, theirs: Application) -> None:
    foreign_owner = mine.owned({"spec": mine.spec}, "smuggled")
    foreign_owner["metadata"]["ownerReferences"] = [theirs.reference]
    both_owners = mine.owned({"spec": mine.spec}, "smuggled")
    both_owners["metadata"]["ownerReferences"].append(theirs.reference | {"controller": False})
    foreign_label = mine.owned({"spec": mine.spec}, "smuggled")
    foreign_label["metadata"]["labels"]["spark-app-selector"] = theirs.label
    in_template = mine.owned(mine.stateful_set(), "smuggled")
    in_template["spec"]["template"]["metadata"]["labels"] = {"spark-app-selector": theirs.label}
    in_template["spec"]["selector"] = {"matchLabels": {"spark-app-selector": theirs.label}}
    relabelled = {"metadata": {"labels": {"spark-app-selector": theirs.label}}}
    merge = {"content_type": "application/merge-patch+json"}

    assert mine.ask("POST", PODS, foreign_owner)[0] == 403
    assert mine.ask("POST", PODS, both_owners)[0] == 403
    assert mine.ask("POST", PODS, foreign_label)[0] == 403
    assert mine.ask("POST", SETS, in_template)[0] == 403
    assert mine.ask("PATCH", f"{PODS}/mine-own", relabelled, **merge)[0] == 403
    assert (
        mine.ask("PATCH", f"{PODS}/mine-own", {"metadata": {"ownerReferences": [theirs.reference]}}, **merge)[0] == 403
    )
    assert mine.ask("PATCH", f"{PODS}/mine-own", {"metadata": {"ownerReferences": None}}, **merge)[0] == 403


@pytest.mark.parametrize(("account", "code"), [("spark", 201), ("idle", 201), ("mighty", 403)])
def test_a_driver_borrows_no_service_account_with_rights(mine: Application, account: str, code: int) -> None:
    pod = mine.owned({"spec": mine.spec | {"serviceAccountName": account}}, f"as-{account}")
    workload = mine.owned(mine.stateful_set(), f"as-{account}")
    workload["spec"]["template"]["spec"]["serviceAccountName"] = account

    assert mine.ask("POST", PODS, pod)[0] == code
    assert mine.ask("POST", SETS, workload)[0] == code


def test_a_workload_of_workloads_is_held_to_the_same(api: ApiClient, mine: Application, theirs: Application) -> None:
    """A driver whose pod is given rights over CronJobs: in their innermost template."""
    at, url = "/apis/rbac.authorization.k8s.io/v1/namespaces/jobs", "/apis/batch/v1/namespaces/jobs/cronjobs"
    rule = {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["create"]}
    api.create(f"{at}/roles", {"metadata": {"name": "cron"}, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "cron"}
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group"}
    subject = {**group, "name": POD_GROUP + mine.driver["metadata"]["uid"]}
    api.create(f"{at}/rolebindings", {"metadata": {"name": "cron"}, "roleRef": reference, "subjects": [subject]})

    def asked(account: str, template_label: str, job_label: str) -> tuple[int, Json]:
        pod = {**mine.spec, "serviceAccountName": account, "restartPolicy": "Never"}
        template = {"metadata": {"labels": {"spark-app-selector": template_label}}, "spec": pod}
        job = {"metadata": {"labels": {"spark-app-selector": job_label}}, "spec": {"template": template}}
        spec = {"schedule": "0 0 1 1 *", "jobTemplate": job}
        return mine.ask("POST", url, {"metadata": {"generateName": "cron-"}, "spec": spec})

    code, made = asked("spark", mine.label, mine.label)
    assert code == 201, made
    assert [each["uid"] for each in made["metadata"]["ownerReferences"]] == [mine.driver["metadata"]["uid"]]
    assert asked("mighty", mine.label, mine.label)[0] == 403
    assert asked("spark", theirs.label, mine.label)[0] == 403
    assert asked("spark", mine.label, theirs.label)[0] == 403


def test_whoever_labels_his_pod_as_a_driver_gains_nothing_over_that_application(
    api: ApiClient, theirs: Application
) -> None:
    labels = {"spark-role": "driver", "spark-app-selector": theirs.label}
    pod = api.create(PODS, {"metadata": {"name": "impostor", "labels": labels}, "spec": theirs.spec})
    token = theirs.token_of(pod)

    names = [each["metadata"]["name"] for each in api.request("GET", PODS, token=token).body["items"]]

    assert names == ["impostor"]
    assert api.request("GET", f"{PODS}/theirs-own", token=token).status == 403


def test_owning_the_name_of_the_driver_is_not_enough(api: ApiClient) -> None:
    """Owners count by uid, also after the driver was replaced by another of its name."""
    app = Application(api, "again")
    api.request("DELETE", f"{PODS}/again-driver?gracePeriodSeconds=0")
    assert app.ask("GET", PODS)[0] == 401

    labels = {"spark-role": "driver", "spark-app-selector": app.label}
    pod = api.create(PODS, {"metadata": {"name": "again-driver", "labels": labels}, "spec": app.spec})
    answer = api.request("GET", PODS, token=app.token_of(pod))

    assert [each["metadata"]["name"] for each in answer.body["items"]] == ["again-driver"]


def test_an_executor_may_nothing(api: ApiClient, mine: Application) -> None:
    token = mine.token_of(api.get(f"{PODS}/mine-own"))

    for url in KINDS:
        assert api.request("GET", url, token=token).status == 403


def test_a_driver_stages_no_files_and_reviews_nobody(mine: Application) -> None:
    reviews = "/apis/authorization.k8s.io/v1"

    assert mine.ask("POST", "/sparkanywhere/v1/namespaces/jobs/files", {"sha256": "0" * 64, "size": 1})[0] == 403
    assert mine.ask("POST", f"{reviews}/namespaces/jobs/localsubjectaccessreviews", {})[0] == 403


def test_a_right_to_create_ones_own_makes_no_apply_of_a_right_to_patch_all(api: ApiClient, mine: Application) -> None:
    """An apply that creates is held to the pod's own objects, though the service account may patch all."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch"]}
    at = "/apis/rbac.authorization.k8s.io/v1/namespaces/jobs"
    api.create(f"{at}/roles", {"metadata": {"name": "patcher"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "patcher"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "patcher"},
        "subjects": [{"kind": "ServiceAccount", "name": "spark", "namespace": "jobs"}],
    }
    api.create(f"{at}/rolebindings", binding)
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: free}"
    try:
        code, answer = mine.ask("PATCH", f"{CONFIGMAPS}/free?fieldManager=me", body, content_type=APPLY)
    finally:
        api.request("DELETE", f"{at}/rolebindings/patcher")

    assert code == 403, answer
    assert "cannot create resource" in answer["message"]


def test_a_review_says_for_which_objects_the_rights_hold(mine: Application) -> None:
    reviews = "/apis/authorization.k8s.io/v1"
    asked = {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "jobs"}}}
    uid = mine.driver["metadata"]["uid"]

    access = mine.ask("POST", f"{reviews}/selfsubjectaccessreviews", asked)[1]["status"]
    rules = mine.ask("POST", f"{reviews}/selfsubjectrulesreviews", {"spec": {"namespace": "jobs"}})[1]["status"]

    assert access == {"allowed": True, "reason": f"for what the pod of uid {uid} owns, and nothing else"}
    assert rules["incomplete"]
    assert any("statefulsets" in rule["resources"] for rule in rules["resourceRules"])


def test_rights_in_a_namespace_reach_nothing_of_the_cluster(api: ApiClient) -> None:
    """Also where a path puts a cluster's object into the namespace."""
    at = "/apis/rbac.authorization.k8s.io/v1/namespaces/other"
    subject = {"kind": "ServiceAccount", "name": "idle", "namespace": "jobs"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    api.create(f"{at}/rolebindings", {"metadata": {"name": "owner"}, "roleRef": reference, "subjects": [subject]})
    token = api.create(f"{NS}/serviceaccounts/idle/token", {})["status"]["token"]
    review = {"spec": {"user": "x", "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "jobs"}}}

    inside = "/api/v1/namespaces/other"
    assert api.request("GET", f"{inside}/pods", token=token).status == 200
    assert api.request("PUT", f"{inside}/nodes/local/status", {}, token=token).status == 404
    assert api.request("GET", f"{inside}/persistentvolumes/x", token=token).status == 404
    authorization = "/apis/authorization.k8s.io/v1/namespaces/other"
    assert api.request("POST", f"{authorization}/subjectaccessreviews", review, token=token).status == 404
