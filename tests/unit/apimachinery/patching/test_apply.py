"""Server-side apply: ownership, conflicts, fields given up, and the record that every writer leaves."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.apimachinery.patching.apply import apply, update_managed_fields
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.schema import find_type
from chalicelib.apimachinery.types import JSON

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(seconds=5)
TIME, LATER_TIME = "2026-01-02T03:04:05Z", "2026-01-02T03:04:10Z"


def config_map(data: JSON | None = None, **metadata: Any) -> JSON:  # Any: metadata is JSON
    obj: JSON = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}}
    return obj if data is None else {**obj, "data": data}


def pod(*containers: JSON, **metadata: Any) -> JSON:  # Any: metadata is JSON
    obj: JSON = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", **metadata}}
    return {**obj, "spec": {"containers": list(containers)}} if containers else obj


def applied(live: JSON | None, config: JSON, manager: str = "m1", *, force: bool = False, now: datetime = NOW) -> JSON:
    before = copy.deepcopy((live, config))
    result = apply(
        live,
        config,
        manager=manager,
        force=force,
        now=now,
        schema=find_type("", "v1", config["kind"]),
        subresource="",
        api_version="v1",
    )
    assert (live, config) == before
    return result


def updated(old: JSON | None, new: JSON, manager: str = "u1", *, now: datetime = NOW, subresource: str = "") -> JSON:
    result = copy.deepcopy(new)
    update_managed_fields(
        old,
        result,
        manager=manager,
        now=now,
        subresource=subresource,
        schema=find_type("", "v1", new["kind"]),
        api_version="v1",
    )
    return result


def owners(obj: JSON) -> dict[str, JSON]:
    """Return manager -> fieldsV1."""
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", [])}


def refusal(live: JSON | None, config: JSON, manager: str = "m1") -> StatusError:
    with pytest.raises(StatusError) as caught:
        applied(live, config, manager)
    return caught.value


def test_apply_creates_and_records() -> None:
    result = applied(None, config_map({"k": "v"}, labels={"l": "1"}))

    assert (result["data"], result["metadata"]["labels"]) == ({"k": "v"}, {"l": "1"})
    assert result["metadata"]["managedFields"] == [
        {
            "manager": "m1",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": TIME,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:k": {}}, "f:metadata": {"f:labels": {"f:l": {}}}},
        }
    ]


def test_create_is_recorded_with_parts_that_came_to_be() -> None:
    result = updated(None, pod({"name": "c", "image": "i", "resources": {}}, labels={"app": "x"}))

    assert owners(result)["u1"] == {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {"f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}}}},
    }


def test_status_and_the_servers_own_fields_are_not_the_clients() -> None:
    result = updated(None, {**config_map(uid="u", generation=1), "data": {"a": "b"}})
    with_status = updated(None, {**pod(labels={"a": "b"}), "status": {"phase": "Pending"}})

    assert owners(result)["u1"] == {"f:data": {".": {}, "f:a": {}}}
    assert owners(with_status)["u1"] == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}


def test_update_owns_what_it_changed_and_others_lose_it() -> None:
    created = updated(None, config_map({"a": "1", "b": "1"}))
    changed = updated(created, {**created, "data": {"a": "2", "b": "1"}}, "u2", now=LATER)

    assert owners(changed) == {"u1": {"f:data": {".": {}, "f:b": {}}}, "u2": {"f:data": {"f:a": {}}}}
    assert [entry["time"] for entry in changed["metadata"]["managedFields"]] == [TIME, LATER_TIME]


def test_removed_fields_are_nobodys() -> None:
    created = updated(None, pod(labels={"app": "x"}, finalizers=["x/y"]))
    stripped = copy.deepcopy(created)
    stripped["metadata"].pop("finalizers")
    stripped["metadata"]["labels"] = {"b": "1"}

    assert owners(updated(created, stripped)) == {"u1": {"f:metadata": {"f:labels": {".": {}, "f:b": {}}}}}


def test_update_for_nothing_leaves_the_record_alone() -> None:
    created = updated(None, config_map({"a": "1"}))

    assert updated(created, created, "u2", now=LATER) == created


def test_status_writers_are_recorded_by_subresource() -> None:
    created = updated(None, pod({"name": "c", "image": "i"}))
    result = updated(created, {**created, "status": {"phase": "Running"}}, "kubelet", subresource="status")

    [entry] = [entry for entry in result["metadata"]["managedFields"] if entry["manager"] == "kubelet"]
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:phase": {}}})


def test_conflict_names_field_and_owner() -> None:
    live = updated(None, config_map({"k": "old"}), "creator")

    error = refusal(live, config_map({"k": "v"}))

    assert (error.code, error.reason) == (409, "Conflict")
    assert error.message == 'Apply failed with 1 conflict: conflict with "creator" using v1: .data.k'
    assert error.details == {
        "causes": [
            {"reason": "FieldManagerConflict", "message": 'conflict with "creator" using v1', "field": ".data.k"}
        ]
    }


def test_several_conflicts_are_listed_by_owner() -> None:
    live = applied(updated(None, config_map({"a": "1", "b": "1"})), config_map({"c": "1"}), "m2")

    error = refusal(live, config_map({"a": "2", "b": "2", "c": "2"}))

    assert error.message == (
        'Apply failed with 3 conflicts: conflicts with "m2":\n- .data.c\n'
        'conflicts with "u1" using v1:\n- .data.a\n- .data.b'
    )


def test_force_takes_the_field_over() -> None:
    live = updated(None, config_map({"k": "old"}), "creator")
    result = applied(live, config_map({"k": "v"}, labels={"l": "1"}), force=True)

    assert result["data"] == {"k": "v"}
    assert owners(result) == {
        "m1": {"f:data": {"f:k": {}}, "f:metadata": {"f:labels": {"f:l": {}}}},
        "creator": {"f:data": {}},
    }


def test_same_value_is_shared_without_a_time() -> None:
    live = applied(None, config_map({"k": "v"}))
    result = applied(live, config_map({"k": "v"}), "m2", now=LATER)

    assert [(entry["manager"], entry.get("time")) for entry in result["metadata"]["managedFields"]] == [
        ("m2", None),
        ("m1", TIME),
    ]


def test_field_given_up_goes_unless_somebody_else_owns_it() -> None:
    live = applied(None, config_map({"mine": "1", "ours": "1"}))
    live = applied(live, config_map({"ours": "1"}), "m2")

    result = applied(live, config_map())

    assert result["data"] == {"ours": "1"}
    assert owners(result) == {"m2": {"f:data": {"f:ours": {}}}}


def test_last_field_of_a_map_takes_the_map_along() -> None:
    live = applied(None, config_map({"k": "v"}))

    assert "data" not in applied(live, config_map())


def test_fields_of_updaters_stay() -> None:
    live = applied(None, config_map({"mine": "1"}))
    live = updated(live, {**live, "data": {"mine": "1", "theirs": "1"}})

    assert applied(live, config_map())["data"] == {"theirs": "1"}


def test_item_given_up_goes_with_what_others_set_inside() -> None:
    live = applied(None, pod({"name": "c", "image": "i"}, {"name": "d", "image": "j"}))
    live = updated(
        live, {**live, "spec": {"containers": [{**item, "tty": True} for item in live["spec"]["containers"]]}}
    )

    result = applied(live, pod({"name": "c", "image": "k"}))

    assert result["spec"]["containers"] == [{"name": "c", "image": "k", "tty": True}]


def test_item_of_nobody_else_goes_whole() -> None:
    live = applied(None, pod({"name": "c", "image": "i"}, {"name": "d", "image": "j"}))

    assert applied(live, pod({"name": "c", "image": "i"}))["spec"]["containers"] == [{"name": "c", "image": "i"}]


def test_untracked_object_belongs_to_before_first_apply() -> None:
    live = config_map({"k": "old", "x": "1"})

    assert 'conflict with "before-first-apply" using v1: .data.k' in refusal(live, config_map({"k": "v"})).message
    assert owners(applied(live, config_map({"y": "2"}))) == {
        "m1": {"f:data": {"f:y": {}}},
        "before-first-apply": {"f:data": {".": {}, "f:k": {}, "f:x": {}}},
    }


def test_untracked_object_stays_untracked_by_updates() -> None:
    old = config_map({"k": "v"})

    assert "managedFields" not in updated(old, config_map({"k": "w"}))["metadata"]


def test_lone_empty_entry_ends_tracking() -> None:
    created = updated(None, config_map({"k": "v"}))
    reset = copy.deepcopy(created)
    reset["metadata"]["managedFields"] = [{}]

    assert "managedFields" not in updated(created, reset)["metadata"]


def test_sent_entries_count_but_not_through_a_subresource() -> None:
    created = updated(None, config_map({"k": "v"}))
    renamed = copy.deepcopy(created)
    renamed["metadata"]["managedFields"][0]["manager"] = "other"

    assert list(owners(updated(created, renamed))) == ["other"]
    assert list(owners(updated(created, renamed, subresource="status"))) == ["u1"]


@pytest.mark.parametrize(
    "broken", [[{"operation": "Steal"}], [{"operation": "Update", "fieldsV1": {"f:a": 1}}], [{}, {}]]
)
def test_broken_entries_are_passed_over(broken: list[JSON]) -> None:
    created = updated(None, config_map({"k": "v"}))
    sent = copy.deepcopy(created)
    sent["metadata"]["managedFields"] = broken

    assert updated(created, sent) == created


def test_many_updaters_are_merged_oldest_first() -> None:
    obj = updated(None, config_map({"k0": "v"}), "u0")
    for number in range(1, 14):
        new = {**obj, "data": {**obj["data"], f"k{number}": "v"}}
        obj = updated(obj, new, f"u{number}", now=NOW + timedelta(seconds=number))

    names = [entry["manager"] for entry in obj["metadata"]["managedFields"]]
    assert len(names) == 10
    assert names[0] == "ancient-changes"
    assert set(owners(obj)["ancient-changes"]["f:data"]) == {".", "f:k0", "f:k1", "f:k2", "f:k3", "f:k4"}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({**config_map(), "nope": 1}, "(/a; /v1, Kind=ConfigMap): .nope: field not declared in schema"),
        (config_map({"k": 1}), "(/a; /v1, Kind=ConfigMap): .data.k: expected string,"
         " got &value.valueUnstructured{Value:1}"),
        ({**config_map(), "data": "x"}, "(/a; /v1, Kind=ConfigMap): .data: expected map, got &{x}"),
        ({**config_map(), "metadata": 5}, "(/; /v1, Kind=ConfigMap): .metadata: expected map, got &{5}"),
        (
            pod({"name": "c"}, {"name": "c"}),
            '(/a; /v1, Kind=Pod): .spec.containers: duplicate entries for key [name="c"]',
        ),
        (
            pod({"image": "i"}),
            '(/a; /v1, Kind=Pod): .spec.containers: element 0: associative list with keys has an element that omits'
            ' key field "name" (and doesn\'t have default value)',
        ),
        (
            pod({"name": "c", "tty": "x", "stdin": 1}),
            '(/a; /v1, Kind=Pod): errors:\n  .spec.containers[name="c"].tty: expected boolean, got &{x}\n'
            '  .spec.containers[name="c"].stdin: expected boolean, got &{1}',
        ),
        (
            {**pod(), "spec": {"priority": "x", "tolerations": [{"nope": 1}]}},
            "(/a; /v1, Kind=Pod): errors:\n  .spec.priority: expected numeric (int or float), got string\n"
            "  .spec.tolerations[0].nope: field not declared in schema",
        ),
    ],
)  # fmt: skip
def test_configuration_that_fits_no_schema_is_refused(config: JSON, problem: str) -> None:
    error = refusal(None, config)

    assert (error.code, error.reason) == (500, "")
    assert error.message == f"failed to create typed patch object {problem}"


def test_value_that_does_not_convert_is_refused() -> None:
    config = pod({"name": "c", "resources": {"limits": {"cpu": "x"}}})

    assert (
        "failed to convert new typed object (/a; /v1, Kind=Pod) to object: quantities" in refusal(None, config).message
    )


LAST = "kubectl.kubernetes.io/last-applied-configuration"


def client_side(data: JSON, last: JSON | str) -> JSON:
    text = last if isinstance(last, str) else json.dumps(config_map(last))
    return updated(None, config_map(data, annotations={LAST: text}), "kubectl-client-side-apply")


def test_kubectl_takes_back_what_it_applied_client_side() -> None:
    live = client_side({"a": "1", "b": "1"}, {"a": "1", "b": "1"})

    result = applied(live, config_map({"a": "2"}), "kubectl")

    assert result["data"] == {"a": "2", "b": "1"}
    assert json.loads(result["metadata"]["annotations"][LAST]) == config_map({"a": "2"})


def test_fields_that_changed_since_client_side_apply_conflict() -> None:
    live = client_side({"a": "other", "b": "1"}, {"a": "1", "b": "1"})

    error = refusal(live, config_map({"a": "2", "b": "2"}), "kubectl")

    assert error.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.a'
    )


@pytest.mark.parametrize("last", ["", "{", "[]", '{"apiVersion":"v2"}', '{"apiVersion":"v1","data":5}'])
def test_unusable_annotation_gives_kubectl_no_rights(last: str) -> None:
    assert refusal(client_side({"a": "1"}, last), config_map({"a": "2"}), "kubectl").code == 409


def test_other_managers_leave_the_annotation_alone() -> None:
    live = client_side({"a": "1"}, {"a": "1"})

    assert refusal(live, config_map({"a": "2"})).code == 409
    assert applied(live, config_map({"c": "2"}))["metadata"]["annotations"] == live["metadata"]["annotations"]


def test_applying_twice_changes_nothing() -> None:
    config = pod({"name": "c", "image": "i", "ports": [{"containerPort": 80}]}, labels={"a": "b"})
    once = applied(None, config)

    assert applied(once, config, now=LATER) == once


NAMES = st.sampled_from("abc")
DATA = st.dictionaries(NAMES, st.sampled_from("12"), max_size=3)
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"image": NAMES, "tty": st.just(True)}),
    max_size=3,
    unique_by=lambda item: item["name"],
)


@given(st.lists(st.tuples(st.sampled_from(["m1", "m2", "u1"]), DATA, CONTAINERS), max_size=6))
def test_what_is_applied_holds_and_records_stay_true(steps: list[tuple[str, JSON, list[JSON]]]) -> None:
    live: JSON | None = None
    for manager, labels, containers in steps:
        config = pod(*containers, labels=labels)
        if manager == "u1":
            live = updated(live, {**config, "metadata": {**config["metadata"], **_record(live)}}, manager)
        else:
            live = applied(live, config, manager, force=True)
        assert labels.items() <= (live["metadata"].get("labels") or {}).items()
        have = {item["name"]: item for item in (live.get("spec") or {}).get("containers") or []}
        assert all(item.items() <= have[item["name"]].items() for item in containers)
        for tree in owners(live).values():
            assert _exists(tree, live)
        json.dumps(live)


def _record(live: JSON | None) -> JSON:
    found = ((live or {}).get("metadata") or {}).get("managedFields")
    return {"managedFields": found} if found else {}


def _exists(tree: JSON, value: Any) -> bool:  # Any: a value out of JSON
    """Return whether everything that a tree names is there."""
    for element, below in tree.items():
        if not below:
            continue  # an empty map is owned, and left out where Go leaves it out
        if element.startswith("f:"):
            if element[2:] not in value or not _exists(below, value[element[2:]]):
                return False
        elif element.startswith("k:"):
            key = json.loads(element[2:])
            items = [item for item in value if key.items() <= item.items()]
            if len(items) != 1 or not _exists(below, items[0]):
                return False
    return True
