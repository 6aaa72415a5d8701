"""Roles and bindings allow exactly what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.runtime.tokens import POD_GROUP
from chalicelib.endpoints.auth.callers import ADMIN, ANONYMOUS, POD_UID
from chalicelib.endpoints.auth.rbac import Attributes, Rbac, refusal, rule_allows
from chalicelib.endpoints.http.requests import AUTHENTICATED, RequestInfo, User
from chalicelib.resources.default_objects import DRIVER_ROLE, cluster_role_bindings, cluster_roles
from chalicelib.storage.base import Page, Storage
from chalicelib.storage.keys import object_key
from chalicelib.storage.sqlite.storage import SqliteStorage

ANA = User("ana", ("devs", AUTHENTICATED))
SPARK = User("system:serviceaccount:jobs:spark", ("system:serviceaccounts", AUTHENTICATED))


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqliteStorage]:
    store = SqliteStorage(tmp_path / "objects.sqlite")
    for role in cluster_roles():
        put(store, "clusterroles", None, role)
    for binding in cluster_role_bindings():
        put(store, "clusterrolebindings", None, binding)
    yield store
    store.close()


def put(store: SqliteStorage, resource: str, namespace: str | None, obj: JSON) -> None:
    name = obj["metadata"]["name"]
    metadata = {**obj["metadata"], "uid": f"{resource}-{namespace}-{name}"}
    store.create(object_key(resource, namespace, name), {**obj, "metadata": metadata})


def binding(role: str, subject: JSON, *, kind: str = "ClusterRole") -> JSON:
    return {"metadata": {"name": "b"}, "roleRef": {"kind": kind, "name": role}, "subjects": [subject]}


@pytest.mark.parametrize(
    ("rule", "asked", "allowed"),
    [
        ({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, Attributes("get", "", "pods"), True),
        ({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, Attributes("list", "", "pods"), False),
        ({"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]}, Attributes("get", "", "pods"), False),
        ({"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}, Attributes("get", "", "pods/log"), False),
        ({"apiGroups": [""], "resources": ["*/log"], "verbs": ["*"]}, Attributes("get", "", "pods/log"), True),
        (
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a"]},
            Attributes("get", "", "pods", "x", "b"),
            False,
        ),
        ({"nonResourceURLs": ["/logs/*"], "verbs": ["get"]}, Attributes("get", path="/logs/a"), True),
        ({"nonResourceURLs": ["/logs"], "verbs": ["get"]}, Attributes("get", path="/logs/a"), False),
    ],
)
def test_a_rule_covers_what_it_names(rule: JSON, asked: Attributes, allowed: bool) -> None:
    assert rule_allows(rule, asked) is allowed


def test_a_role_binding_counts_in_its_namespace_alone(storage: SqliteStorage) -> None:
    put(storage, "rolebindings", "jobs", binding("edit", {"kind": "User", "name": "ana"}))
    rbac = Rbac(storage)

    assert rbac.allows(ANA, Attributes("create", "", "pods", "jobs"))
    assert not rbac.allows(ANA, Attributes("create", "", "pods", "other"))
    assert not rbac.allows(ANA, Attributes("list", "", "pods"))


def test_sparks_own_recipe_works_as_written(storage: SqliteStorage) -> None:
    # kubectl create clusterrolebinding spark-role --clusterrole=edit --serviceaccount=jobs:spark
    subject = {"kind": "ServiceAccount", "name": "spark", "namespace": "jobs"}
    put(storage, "clusterrolebindings", None, binding("edit", subject))
    rbac = Rbac(storage)

    for resource in ("pods", "services", "configmaps", "persistentvolumeclaims"):
        assert rbac.allows(SPARK, Attributes("deletecollection", "", resource, "jobs"))
    assert not rbac.allows(SPARK, Attributes("create", "rbac.authorization.k8s.io", "roles", "jobs"))


def _pods_user(uid: str) -> User:
    groups = ("system:serviceaccounts", AUTHENTICATED, POD_GROUP + uid)
    return User("system:serviceaccount:jobs:default", groups, extra={POD_UID: (uid,)})


def _asking(verb: str, resource: str, namespace: str = "jobs", name: str = "") -> RequestInfo:
    resource, _, subresource = resource.partition("/")
    where = RequestInfo(verb=verb, path="/x", method="GET", namespace=namespace, name=name)
    return replace(where, resource=resource, subresource=subresource)


def test_what_a_pods_group_is_granted_holds_for_that_pods_own_objects(storage: SqliteStorage) -> None:
    subject = {"kind": "Group", "name": f"{POD_GROUP}d"}
    put(storage, "rolebindings", "jobs", binding(DRIVER_ROLE, subject))
    rbac, driver = Rbac(storage), _pods_user("d")

    assert rbac.authorize(driver, _asking("create", "pods")) == "d"
    assert not rbac.allows(driver, Attributes("create", "", "pods", "jobs"))
    assert not list(rbac.rules(driver, "jobs"))  # which it could hand on
    for info in (_asking("get", "secrets"), _asking("list", "pods", "other"), _asking("list", "pods", "")):
        with pytest.raises(StatusError):
            rbac.authorize(driver, info)
    for exec_by in ("get", "create"):
        with pytest.raises(StatusError):
            rbac.authorize(driver, _asking(exec_by, "pods/exec", name="e"))
    with pytest.raises(StatusError):
        rbac.authorize(_pods_user("another"), _asking("list", "pods"))


def test_a_pods_group_is_granted_nothing_for_the_whole_cluster(storage: SqliteStorage) -> None:
    subject = {"kind": "Group", "name": f"{POD_GROUP}d"}
    put(storage, "clusterrolebindings", None, binding("cluster-admin", subject))

    with pytest.raises(StatusError):
        Rbac(storage).authorize(_pods_user("d"), _asking("list", "pods"))


def test_rights_that_hold_for_all_come_before_those_for_ones_own(storage: SqliteStorage) -> None:
    both = [{"kind": "Group", "name": f"{POD_GROUP}d"}, {"kind": "ServiceAccount", "name": "default"}]
    put(storage, "rolebindings", "jobs", {**binding(DRIVER_ROLE, {}), "subjects": both})

    assert Rbac(storage).authorize(_pods_user("d"), _asking("list", "pods")) == ""


def test_a_label_gives_a_pod_no_rights(storage: SqliteStorage) -> None:
    put(storage, "pods", "jobs", {"metadata": {"name": "d", "labels": {"spark-role": "driver"}}})

    with pytest.raises(StatusError):
        Rbac(storage).authorize(_pods_user("pods-jobs-d"), _asking("list", "pods"))


def test_a_right_that_another_process_has_just_given_is_not_refused(storage: SqliteStorage) -> None:
    now = 0.0
    rbac = Rbac(storage, monotonic=lambda: now)
    with pytest.raises(StatusError):
        rbac.authorize(ANA, _asking("list", "pods"))
    put(storage, "rolebindings", "jobs", binding("edit", {"kind": "User", "name": "ana"}))

    now = 1.0

    assert rbac.authorize(ANA, _asking("list", "pods")) == ""


def test_a_token_of_an_executor_may_nothing(storage: SqliteStorage) -> None:
    put(storage, "pods", "jobs", {"metadata": {"name": "e", "labels": {"spark-role": "executor"}}})
    executor = User("system:serviceaccount:jobs:default", (AUTHENTICATED,), extra={POD_UID: ("pods-jobs-e",)})

    assert not Rbac(storage).allows(executor, Attributes("list", "", "pods", "jobs"))


@pytest.mark.parametrize(
    ("user", "path", "allowed"),
    [
        (ANONYMOUS, "/version", True),
        (ANONYMOUS, "/apis", False),
        (ANA, "/apis", True),
        (ANA, "/apisx", False),
        (ANA, "/openapi/v3/api/v1", True),
    ],
)
def test_discovery_is_for_those_who_are_known(storage: SqliteStorage, user: User, path: str, allowed: bool) -> None:
    assert Rbac(storage).allows(user, Attributes("get", path=path)) is allowed


def test_a_changed_binding_counts_once_forgotten(storage: SqliteStorage) -> None:
    rbac = Rbac(storage)
    asked = Attributes("get", "", "pods", "jobs")
    assert not rbac.allows(ANA, asked)

    put(storage, "rolebindings", "jobs", binding("view", {"kind": "Group", "name": "devs"}))
    rbac.forget()

    assert rbac.allows(ANA, asked)


def test_the_administrator_may_everything(storage: SqliteStorage) -> None:
    assert Rbac(storage).allows(ADMIN, Attributes("delete", "x", "y", "z", "w"))


def test_a_refusal_reads_as_a_real_servers() -> None:
    error = refusal(User("nobody"), Attributes("get", "", "pods/log", "a", "p"))

    assert error.code == 403
    assert error.message == (
        'pods "p" is forbidden: User "nobody" cannot get resource "pods/log" in API group "" in the namespace "a"'
    )
    assert error.details == {"name": "p", "kind": "pods"}


def test_what_was_read_before_a_change_is_not_kept_after_it(storage: SqliteStorage) -> None:
    put(storage, "rolebindings", "jobs", binding("edit", {"kind": "User", "name": "ana"}))
    place = object_key("rolebindings", "jobs", "b")
    asked = Attributes("create", "", "pods", "jobs")

    class Late:
        """A store that loses the binding while it is being read."""

        def list(self, prefix: str) -> Page:
            page = storage.list(prefix)
            if "/rolebindings/" in prefix and page.items:
                storage.delete(place, expected_revision=page.items[0].revision)
                rbac.forget()
            return page

    rbac = Rbac(cast(Storage, Late()))
    assert rbac.allows(ANA, asked)

    assert not rbac.allows(ANA, asked)


def test_a_custom_kind_named_like_a_review_is_not_open_to_all(storage: SqliteStorage) -> None:
    assert not Rbac(storage).allows(ANA, Attributes("create", "example.org", "selfsubjectreviews"))
