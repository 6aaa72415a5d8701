"""Which fields an object has, and how two objects differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.patching.field_merge import merge, remove
from chalicelib.apimachinery.patching.field_set import Path, path_text, tree_of
from chalicelib.apimachinery.patching.field_walk import compare, field_set
from chalicelib.apimachinery.patching.managed_fields import created_fields
from chalicelib.apimachinery.schema import named_type
from chalicelib.apimachinery.types import JSON

POD = named_type("core.v1.Pod")
CONFIG_MAP = named_type("core.v1.ConfigMap")
SERVICE = named_type("core.v1.Service")
C = 'k:{"name":"c"}'


def spec(**fields: object) -> JSON:
    return {"spec": fields}


def texts(paths: list[Path] | set[Path]) -> list[str]:
    return sorted(path_text(path) for path in paths)


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ({"metadata": {"labels": {"a": "1"}}}, [".metadata.labels.a"]),
        ({"metadata": {"finalizers": ["x/y"]}}, ['.metadata.finalizers[="x/y"]']),
        (spec(nodeSelector={"a": "b"}), [".spec.nodeSelector"]),
        (spec(tolerations=[{"key": "a"}]), [".spec.tolerations"]),
        (spec(securityContext={}), [".spec.securityContext"]),
        (spec(), [".spec"]),
        (
            spec(containers=[{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]),
            [
                '.spec.containers[name="c"]',
                '.spec.containers[name="c"].image',
                '.spec.containers[name="c"].name',
                '.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"]',
                '.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"].containerPort',
            ],
        ),
        (spec(imagePullSecrets=[{"name": "s"}]), ['.spec.imagePullSecrets[name="s"]']),
    ],
)
def test_configurations_own_their_leaves_and_list_items(config: JSON, fields: list[str]) -> None:
    assert texts(field_set(config, POD)) == fields


def test_empty_maps_are_owned() -> None:
    assert texts(field_set({"data": {}}, CONFIG_MAP)) == [".data"]


def test_items_without_their_key_are_refused() -> None:
    with pytest.raises(ValueError, match='omits key field "name"'):
        field_set(spec(containers=[{"image": "i"}]), POD)


def test_differences_name_parts_that_came_and_went() -> None:
    old = {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    new = {"metadata": {"annotations": {"b": "2"}}, "spec": {"containers": [{"name": "c", "image": "j"}]}}

    found = compare(old, new, POD)

    assert texts(found.added) == [".metadata.annotations", ".metadata.annotations.b"]
    assert texts(found.removed) == [".metadata.labels", ".metadata.labels.a"]
    assert texts(found.modified) == ['.spec.containers[name="c"].image']


def test_equal_objects_do_not_differ() -> None:
    found = compare(spec(nodeName="a", hostAliases=None), spec(nodeName="a"), POD)

    assert (found.added, found.removed, found.modified) == ([], [], [])


def test_order_of_items_is_no_difference() -> None:
    first, second = {"name": "a"}, {"name": "b"}

    found = compare(spec(containers=[first, second]), spec(containers=[second, first]), POD)

    assert list(found.changed()) == []


def test_parts_that_go_never_leaves_out_are_no_difference() -> None:
    assert texts(compare({}, {"spec": {"containers": []}, "status": {}}, POD).added) == []
    assert texts(compare({}, {"spec": {"type": "ClusterIP"}, "status": {"loadBalancer": {}}}, SERVICE).added) == [
        ".spec.type"
    ]
    assert texts(list(compare({}, {"value": 0}, named_type("scheduling.v1.PriorityClass")).changed())) == []


def test_new_items_come_with_the_parts_that_are_never_absent() -> None:
    found = compare({}, spec(containers=[{"name": "c"}]), POD)

    assert '.spec.containers[name="c"].resources' in texts(found.added)


def test_merge_replaces_leaves_and_joins_the_rest() -> None:
    live = {"metadata": {"labels": {"a": "1"}}, "spec": {"tolerations": [{"key": "x"}], "nodeSelector": {"z": "1"}}}
    config = {"metadata": {"labels": {"b": "2"}}, "spec": {"tolerations": [], "nodeSelector": {"y": "2"}}}

    assert merge(live, config, POD) == {
        "metadata": {"labels": {"a": "1", "b": "2"}},
        "spec": {"tolerations": [], "nodeSelector": {"y": "2"}},
    }


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        ("abc", "", "abc"),
        ("", "ab", "ab"),
        ("abc", "cb", "acb"),
        ("abc", "xb", "axbc"),
        ("abcd", "da", "bcda"),
        ("ab", "ba", "ba"),
        ("aab", "a", "ab"),
    ],
)
def test_configured_order_wins(live: str, config: str, merged: str) -> None:
    result = merge(
        spec(containers=[{"name": name} for name in live]), spec(containers=[{"name": name} for name in config]), POD
    )

    assert "".join(item["name"] for item in result["spec"]["containers"]) == merged


def test_remove_takes_members_and_empties_become_null() -> None:
    obj = {"metadata": {"labels": {"a": "1"}, "name": "x"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    paths: list[Path] = [("f:metadata", "f:labels", "f:a"), ("f:spec", "f:containers", C, "f:image")]

    assert remove(obj, tree_of(paths), POD) == {
        "metadata": {"labels": None, "name": "x"},
        "spec": {"containers": [{"name": "c"}]},
    }
    assert remove(obj, tree_of([("f:spec", "f:containers", C)]), POD)["spec"] == {"containers": None}


METADATA = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("a"),
        "labels": st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "x"]), max_size=2),
        "finalizers": st.lists(st.sampled_from(["a/a", "b/b"]), max_size=2),
        "creationTimestamp": st.none(),
    },
)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("cd")},
        optional={
            "image": st.sampled_from(["", "i"]),
            "resources": st.sampled_from([{}, {"limits": {"cpu": "1"}}]),
            "env": st.lists(st.fixed_dictionaries({"name": st.sampled_from("AB")}), max_size=3),
            "securityContext": st.sampled_from([{}, {"privileged": False}]),
        },
    ),
    max_size=3,
)


@given(METADATA, CONTAINERS, st.sampled_from([{}, {"phase": "Pending"}, None]))
def test_creating_sets_what_comparing_with_nothing_finds(
    metadata: JSON, containers: list[JSON], status: object
) -> None:
    obj = {"kind": "Pod", "metadata": metadata, "spec": {"containers": containers, "nodeName": ""}, "status": status}
    changed = [path for path in compare({}, obj, POD).changed() if path[0] not in ("f:kind", "f:status")]

    tree = created_fields(obj, POD, without=frozenset({"kind", "status"}))

    assert tree == tree_of(changed)
    assert list(tree) == sorted(tree)
