"""Upstream's rules of RBAC, row by row.

Compare kubernetes v1.36: pkg/registry/rbac/validation/rule.go (subjects), pkg/controller/clusterroleaggregation,
component-helpers/auth/rbac/validation/policy_comparator.go (what covers what), and
pkg/registry/rbac/clusterrole/policybased (who may write an aggregated role).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.callers import ANONYMOUS
from chalicelib.endpoints.auth.escalation import covers
from chalicelib.endpoints.auth.rbac import Attributes, Rbac, rule_allows, subject_is
from chalicelib.endpoints.http.requests import AUTHENTICATED, User
from chalicelib.resources.access.rbac import RBAC_GROUP
from chalicelib.storage.keys import object_key
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.api_client import ApiClient, control_plane

ANA = User("ana", ("devs", AUTHENTICATED))
SPARK = User("system:serviceaccount:jobs:spark", ("system:serviceaccounts", AUTHENTICATED))
ROLES = f"/apis/{RBAC_GROUP}/v1/clusterroles"
ROLE_BINDINGS = f"/apis/{RBAC_GROUP}/v1/clusterrolebindings"


def _subject(kind: str, name: str, namespace: str = "") -> JSON:
    return {"kind": kind, "name": name} | ({"namespace": namespace} if namespace else {})


@pytest.mark.parametrize(
    ("subject", "user", "namespace", "is_bound"),
    [
        (_subject("User", "ana"), ANA, "", True),
        (_subject("User", "Ana"), ANA, "", False),
        (_subject("User", "*"), ANA, "", False),
        (_subject("User", "*"), ANONYMOUS, "", False),
        (_subject("User", "*"), User("*"), "", True),
        (_subject("User", "a*"), ANA, "", False),
        (_subject("User", "ana", "jobs"), ANA, "", True),  # a user has no namespace
        (_subject("User", SPARK.name), SPARK, "", True),
        (_subject("User", "devs"), ANA, "", False),
        (_subject("Group", "devs"), ANA, "", True),
        (_subject("Group", "*"), ANA, "", False),
        (_subject("Group", "*"), ANONYMOUS, "", False),
        (_subject("Group", "dev"), ANA, "", False),
        (_subject("Group", "ana"), ANA, "", False),
        (_subject("Group", "system:unauthenticated"), ANONYMOUS, "", True),
        (_subject("Group", AUTHENTICATED), ANONYMOUS, "", False),
        (_subject("ServiceAccount", "spark", "jobs"), SPARK, "", True),
        (_subject("ServiceAccount", "spark", "jobs"), SPARK, "other", True),
        (_subject("ServiceAccount", "spark", "other"), SPARK, "jobs", False),
        (_subject("ServiceAccount", "spark"), SPARK, "jobs", True),
        (_subject("ServiceAccount", "spark"), SPARK, "other", False),
        (_subject("ServiceAccount", "spark"), SPARK, "", False),
        (_subject("ServiceAccount", "*", "jobs"), SPARK, "", False),
        (_subject("ServiceAccount", "ana"), ANA, "jobs", False),
        (_subject("user", "ana"), ANA, "", False),
        (_subject("", "ana"), ANA, "", False),
    ],
)
def test_a_subject_is_who_has_its_name(subject: JSON, user: User, namespace: str, is_bound: bool) -> None:
    assert subject_is(subject, user, namespace) is is_bound


@pytest.mark.parametrize(
    ("path", "asked", "allowed"),
    [
        ("*", "/logs", True),
        ("/logs*", "/logs/a", True),
        ("/logs**", "/logs", True),
        ("/logs/*", "/logs", False),
        ("/*/a", "/b/a", False),
    ],
)
def test_a_path_ends_with_stars_or_is_itself(path: str, asked: str, allowed: bool) -> None:
    assert rule_allows({"nonResourceURLs": [path], "verbs": ["get"]}, Attributes("get", path=asked)) is allowed


def _rule(*resources: str, group: str = "", verbs: tuple[str, ...] = ("get",), names: tuple[str, ...] = ()) -> JSON:
    rule: JSON = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return rule | ({"resourceNames": list(names)} if names else {})


def _paths(*paths: str) -> JSON:
    return {"nonResourceURLs": list(paths), "verbs": ["get"]}


@pytest.mark.parametrize(
    ("held", "wanted", "is_covered"),
    [
        ([_rule("pods")], _rule("pods"), True),
        ([_rule("pods")], _rule("pods", "nodes"), False),
        ([_rule("pods"), _rule("nodes")], _rule("pods", "nodes"), True),
        ([_rule("pods", verbs=("get", "list"))], _rule("pods", verbs=("*",)), False),
        ([_rule("pods", verbs=("*",))], _rule("pods", verbs=("get", "list")), True),
        ([_rule("pods", "nodes")], _rule("*"), False),
        ([_rule("*")], _rule("pods", "pods/log", "*/scale"), True),
        ([_rule("*/log")], _rule("pods/log"), True),
        ([_rule("*/log")], _rule("pods"), False),
        ([_rule("pods")], _rule("pods/log"), False),
        ([_rule("pods", group="*")], _rule("pods"), True),
        ([_rule("pods")], _rule("pods", group="*"), False),
        ([_rule("pods", names=("a",))], _rule("pods"), False),
        ([_rule("pods", names=("",))], _rule("pods"), False),
        ([_rule("pods", names=("a",))], _rule("pods", names=("a", "b")), False),
        ([_rule("pods", names=("a",)), _rule("pods", names=("b",))], _rule("pods", names=("a", "b")), True),
        ([_rule("pods")], _rule("pods", names=("a",)), True),
        ([_paths("/logs/*")], _paths("/logs/a"), True),
        ([_paths("/logs/*")], _paths("*"), False),
        ([_paths("*")], _paths("/logs/*"), True),
        ([_rule("*", group="*", verbs=("*",))], _paths("/logs"), False),
    ],
)
def test_who_holds_some_rules_can_grant_what_they_cover(held: list[JSON], wanted: JSON, is_covered: bool) -> None:
    assert covers(held, wanted) is is_covered


def _aggregated(*selectors: JSON) -> JSON:
    return {"aggregationRule": {"clusterRoleSelectors": list(selectors)}}


def _expression(key: str, operator: str, *values: str) -> JSON:
    return {"key": key, "operator": operator} | ({"values": list(values)} if values else {})


LABELS: dict[str, JSON] = {
    "dev": {"agg": "x", "tier": "dev"},
    "prod": {"agg": "x", "tier": "prod"},
    "plain": {},
    "other": {"agg": "y"},
}
AGG: JSON = {"matchLabels": {"agg": "x"}}


@pytest.mark.parametrize(
    ("role", "selected"),
    [
        (_aggregated(AGG), {"dev", "prod"}),
        (_aggregated({**AGG, "matchExpressions": [_expression("tier", "NotIn", "prod")]}), {"dev"}),
        (_aggregated({**AGG, "matchExpressions": [_expression("tier", "In", "prod", "test")]}), {"prod"}),
        (_aggregated({"matchExpressions": [_expression("agg", "Exists")]}), {"dev", "prod", "other"}),
        (_aggregated({"matchExpressions": [_expression("agg", "DoesNotExist")]}), {"plain"}),
        (_aggregated(AGG, {"matchLabels": {"agg": "y"}}), {"dev", "prod", "other"}),
        (_aggregated({"matchLabels": {"agg": "x", "tier": "test"}}), set()),
        (_aggregated({}), {"dev", "prod", "plain", "other"}),  # an empty selector selects all
        (_aggregated(AGG, {"matchExpressions": [_expression("agg", "In", "no label")]}), set()),  # of an older release
        ({**_aggregated(AGG), "rules": [_rule("own")]}, {"dev", "prod"}),  # a real server overwrites these
        ({"rules": [_rule("own")]}, {"own"}),
    ],
)
def test_an_aggregated_role_has_the_rules_of_those_it_selects(tmp_path: Path, role: JSON, selected: set[str]) -> None:
    roles: dict[str, tuple[JSON, JSON]] = {
        "all": ({}, role),
        "nested": ({"is": "nested"}, role),
        "over": ({"agg": "over"}, _aggregated({"matchLabels": {"is": "nested"}})),
    }
    roles |= {name: (labels, {"rules": [_rule(name)]}) for name, labels in LABELS.items()}
    store = SqliteStorage(tmp_path / "objects.sqlite")
    for name, (labels, fields) in roles.items():
        metadata = {"name": name, "uid": name, "labels": labels}
        store.create(object_key("clusterroles", None, name), {"metadata": metadata, **fields})

    found = {name: Rbac(store).rules_of("clusterroles", "", name) for name in ("all", "over")}
    store.close()

    for name, rules in found.items():
        assert {rule["resources"][0] for rule in rules} == selected, name


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    """Return a client of an API where a role of each name is held by a user of that name."""
    folder = tmp_path_factory.mktemp("plane")
    held: dict[str, list[JSON]] = {
        "writer": [_rule("clusterroles", group=RBAC_GROUP, verbs=("create", "update", "patch")), _rule("pods")],
        "escalator": [_rule("clusterroles", group=RBAC_GROUP, verbs=("create", "update", "patch", "escalate"))],
        "named": [
            _rule("clusterroles", group=RBAC_GROUP, verbs=("create", "update", "patch")),
            _rule("clusterroles", group=RBAC_GROUP, verbs=("escalate",), names=("grown", "made")),
        ],
        "root": [_rule("*", group="*", verbs=("*",)), {"nonResourceURLs": ["*"], "verbs": ["*"]}],
    }
    (folder / "tokens.csv").write_text("".join(f"{name},{name},{name}\n" for name in held))
    plane = control_plane(folder, token="admin", token_file=str(folder / "tokens.csv"))
    client = ApiClient(plane, "admin")
    for name, rules in held.items():
        client.create(ROLES, {"metadata": {"name": name}, "rules": rules})
        reference = {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": name}
        subject = _subject("User", name)
        client.create(ROLE_BINDINGS, {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]})
    yield client
    plane.close()


GROWN: JSON = {"metadata": {"name": "grown"}, **_aggregated(AGG)}
PLAIN: JSON = {"metadata": {"name": "grown"}, "rules": [_rule("pods")]}
APPLIED: JSON = {"apiVersion": f"{RBAC_GROUP}/v1", "kind": "ClusterRole", **GROWN}
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
EVERY_WRITER = {"escalator", "named", "root"}


@pytest.mark.parametrize(
    ("old", "method", "body", "content_type", "allowed"),
    [
        (None, "POST", {**GROWN, "metadata": {"name": "made"}}, "", {"escalator", "root"}),  # its URL has no name
        (None, "POST", {**PLAIN, "metadata": {"name": "made"}}, "", {"writer", "escalator", "root"}),
        (None, "PUT", GROWN, "", EVERY_WRITER),
        (None, "PATCH", APPLIED, APPLY, EVERY_WRITER),
        (GROWN, "PUT", PLAIN, "", EVERY_WRITER),
        (GROWN, "PATCH", {"aggregationRule": None}, MERGE, EVERY_WRITER),
        (GROWN, "PATCH", {"aggregationRule": None, "rules": [_rule("pods")]}, MERGE, EVERY_WRITER),
        (GROWN, "PATCH", [{"op": "remove", "path": "/aggregationRule"}], "application/json-patch+json", EVERY_WRITER),
        (GROWN, "PATCH", {"aggregationRule": {"clusterRoleSelectors": [{}]}}, MERGE, EVERY_WRITER),
        (GROWN, "PATCH", {"metadata": {"labels": {"agg": "x"}}}, MERGE, EVERY_WRITER),
        (PLAIN, "PATCH", _aggregated(AGG), MERGE, EVERY_WRITER),
        (PLAIN, "PATCH", {"metadata": {"labels": {"agg": "x"}}}, MERGE, {"writer"} | EVERY_WRITER),
        (PLAIN, "PATCH", {"rules": [_rule("nodes")]}, MERGE, EVERY_WRITER),
    ],
)
def test_who_may_write_an_aggregated_role(
    api: ApiClient, old: JSON | None, method: str, body: object, content_type: str, allowed: set[str]
) -> None:
    how = {"content_type": content_type} if content_type else {}
    given = set()
    for user in ("writer", "escalator", "named", "root"):
        for name in ("grown", "made"):
            api.request("DELETE", f"{ROLES}/{name}")
        if old is not None:
            api.create(ROLES, old)
        url = ROLES if method == "POST" else f"{ROLES}/grown?fieldManager=me"
        answer = api.request(method, url, body, token=user, **how)
        assert answer.status in (200, 201, 403), answer.body
        if answer.status != 403:
            given.add(user)

    assert given == allowed
