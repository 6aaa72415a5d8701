"""Default roles of an older store come by what a newer release adds, and keep what others have done to them."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.plane.default_roles import AUTOUPDATE, reconciled
from chalicelib.resources.default_objects import cluster_role_bindings, cluster_roles
from tests.api_client import ApiClient, control_plane

ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
PODS: JSON = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
JOBS: JSON = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get"]}
ALL: JSON = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


def role(*rules: JSON, **annotations: str) -> JSON:
    """Return a role."""
    return {"metadata": {"name": "view", "annotations": annotations}, "rules": list(rules)}


@pytest.mark.parametrize(
    ("stored", "wanted", "rules"),
    [
        (role(PODS), role(PODS, JOBS), [PODS, JOBS]),
        (role(JOBS), role(PODS), [JOBS, PODS]),
        (role(ALL), role(PODS, JOBS), [ALL]),  # it can that already
        (role({**PODS, "verbs": ["get"]}, {**PODS, "verbs": ["list"]}), role(PODS), None),
        (role(), role(PODS), [PODS]),
        (role(PODS, JOBS), role(PODS), [PODS, JOBS]),
        (role({**PODS, "resourceNames": ["a"]}), role(PODS), [{**PODS, "resourceNames": ["a"]}, PODS]),
    ],
)
def test_missing_rules_are_added_and_others_stay(stored: JSON, wanted: JSON, rules: list[JSON] | None) -> None:
    assert reconciled(stored, wanted)["rules"] == (stored["rules"] if rules is None else rules)


def test_what_is_marked_is_left_alone() -> None:
    stored = role(**{AUTOUPDATE: "false"})

    assert reconciled(stored, role(PODS)) is stored


def test_labels_and_annotations_of_others_stay() -> None:
    stored = {"metadata": {"name": "view", "labels": {"a": "theirs"}}, "rules": []}
    wanted = {"metadata": {"name": "view", "labels": {"a": "ours", "b": "ours"}, "annotations": {AUTOUPDATE: "true"}}}

    metadata = reconciled(stored, wanted)["metadata"]

    assert metadata["labels"] == {"a": "theirs", "b": "ours"}
    assert metadata["annotations"] == {AUTOUPDATE: "true"}


def test_a_binding_gets_its_subject_back_and_keeps_its_role() -> None:
    (wanted,) = cluster_role_bindings()
    ana = {"kind": "User", "name": "ana"}

    assert reconciled({**wanted, "subjects": [ana]}, wanted)["subjects"] == [ana, *wanted["subjects"]]
    elsewhere = {**wanted, "roleRef": {**wanted["roleRef"], "name": "other"}, "subjects": []}
    assert reconciled(elsewhere, wanted) is elsewhere


@pytest.mark.parametrize(
    "wanted", [*cluster_roles(), *cluster_role_bindings()], ids=lambda obj: obj["metadata"]["name"]
)
def test_our_own_defaults_are_what_they_should_be(wanted: JSON) -> None:
    assert reconciled(deepcopy(wanted), wanted) == wanted


def test_a_start_completes_the_roles_of_an_older_release(tmp_path: Path) -> None:
    first = control_plane(tmp_path)
    client = ApiClient(first)
    for name, marks in (("view", None), ("edit", {AUTOUPDATE: "false"})):
        old = client.get(f"{ROLES}/{name}")
        old = {**old, "rules": [PODS], "metadata": {**old["metadata"], "annotations": marks}}
        assert client.request("PUT", f"{ROLES}/{name}", old).status == 200
    first.close()

    second = control_plane(tmp_path)
    client = ApiClient(second)
    view, edit, revision = client.get(f"{ROLES}/view"), client.get(f"{ROLES}/edit"), client.revision
    second.close()
    third = control_plane(tmp_path)
    again = ApiClient(third).revision
    third.close()

    assert view["rules"][0] == PODS
    assert any("configmaps" in rule["resources"] for rule in view["rules"])
    assert view["metadata"]["annotations"] == {AUTOUPDATE: "true"}
    assert edit["rules"] == [PODS]
    assert again == revision  # nothing more to do
