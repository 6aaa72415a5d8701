"""Metadata rules: ages, generated names, and what create and update accept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.status import Cause
from chalicelib.apimachinery.types import JSON

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OLD: JSON = {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1", "generation": 1}


def causes_of(**metadata: object) -> list[tuple[str, str]]:
    base: JSON = {"name": "a", "namespace": "n"}
    return [(cause.field, cause.message) for cause in meta.metadata_causes({**base, **metadata}, namespaced=True)]


def update_causes_of(old: JSON, **changes: object) -> list[tuple[str, str]]:
    found = [(cause.field, cause.message) for cause in meta.metadata_update_causes({**old, **changes}, old)]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (timedelta(seconds=-2), "<invalid>"),
        (timedelta(seconds=-1), "0s"),
        (timedelta(seconds=0.9), "0s"),
        (timedelta(seconds=119), "119s"),
        (timedelta(minutes=2), "2m"),
        (timedelta(minutes=9, seconds=59), "9m59s"),
        (timedelta(minutes=10, seconds=59), "10m"),
        (timedelta(minutes=179), "179m"),
        (timedelta(hours=3), "3h"),
        (timedelta(hours=7, minutes=59), "7h59m"),
        (timedelta(hours=47), "47h"),
        (timedelta(hours=49), "2d1h"),
        (timedelta(days=7), "7d"),
        (timedelta(days=8, hours=5), "8d"),
        (timedelta(days=729), "729d"),
        (timedelta(days=730), "2y"),
        (timedelta(days=731), "2y1d"),
        (timedelta(days=8 * 365 + 3), "8y"),
    ],
)
def test_age_is_shown_as_kubectl_does(span: timedelta, shown: str) -> None:
    assert meta.human_duration(span) == shown


def test_age_of_no_time_is_unknown() -> None:
    assert meta.age(None, NOW) == "<unknown>"
    assert meta.age("2026-01-02T03:04:00Z", NOW) == "5s"


def test_generated_name_is_cut_to_a_dns_label() -> None:
    assert meta.generate_name("x" * 70, lambda alphabet: alphabet[0]) == "x" * 58 + "bbbbb"


def test_good_metadata_has_no_causes() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "d", "uid": "u", "controller": True}

    assert (
        causes_of(
            labels={"app": "x", "example.com/b": ""},
            annotations={"Any.Case/OK": "\n"},
            ownerReferences=[owner],
            finalizers=["orphan", "example.com/f"],
        )
        == []
    )


def test_nulls_are_as_good_as_absent() -> None:
    assert causes_of(labels=None, annotations=None, ownerReferences=None, finalizers=None) == []


def test_name_is_required() -> None:
    found = meta.metadata_causes({"namespace": "n"}, namespaced=True)

    assert found == [Cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")]


def test_bad_generate_name_is_said_of_both() -> None:
    fields = [field for field, _ in causes_of(generateName="Bad_", name="Bad_x2456")]

    assert fields == ["metadata.generateName", "metadata.name"]


def test_namespace_fits_the_scope() -> None:
    assert causes_of(namespace="") == [("metadata.namespace", "Required value")]
    assert meta.metadata_causes({"name": "a", "namespace": "n"}, namespaced=False) == [
        Cause("FieldValueForbidden", "Forbidden: not allowed on this type", "metadata.namespace")
    ]


def test_bad_labels_name_key_and_value() -> None:
    found = causes_of(labels={"a b": "c d"})

    assert [message.split(":")[1] for _, message in found] == [' "a b"', ' "c d"']


def test_annotations_share_a_limit() -> None:
    half = "x" * (128 * 1024)

    assert causes_of(annotations={"a": half, "b": half}) == [
        ("metadata.annotations", "Too long: may not be more than 262144 bytes")
    ]


def test_owner_needs_everything() -> None:
    assert causes_of(ownerReferences=[{}]) == [
        ("metadata.ownerReferences.apiVersion", 'Invalid value: "": version must not be empty'),
        ("metadata.ownerReferences.kind", 'Invalid value: "": must not be empty'),
        ("metadata.ownerReferences.name", 'Invalid value: "": must not be empty'),
        ("metadata.ownerReferences.uid", 'Invalid value: "": must not be empty'),
    ]


def test_only_one_owner_controls() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "d", "uid": "u", "controller": True}
    [(_, message)] = causes_of(ownerReferences=[owner, {**owner, "name": "e"}])

    assert message.endswith('Found "true" in references for Pod/d and Pod/e')


def test_events_own_nothing() -> None:
    [(_, message)] = causes_of(ownerReferences=[{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}])

    assert message.endswith("/v1, Kind=Event is disallowed from being an owner")


def test_finalizers_are_standard_or_qualified() -> None:
    assert causes_of(finalizers=["mine"]) == [
        (
            "metadata.finalizers[0]",
            'Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
        )
    ]


def test_orphan_and_foreground_exclude_each_other() -> None:
    [(_, message)] = causes_of(finalizers=["orphan", "foregroundDeletion"])

    assert message.endswith("finalizer orphan and foregroundDeletion cannot be both set")


@pytest.mark.parametrize("key", ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"])
def test_identity_does_not_change(key: str) -> None:
    assert update_causes_of(OLD, **{key: "other"}) == [
        (f"metadata.{key}", 'Invalid value: "other": field is immutable')
    ]


def test_update_causes_are_said_twice() -> None:
    found = meta.metadata_update_causes({**OLD, "uid": "other"}, OLD)

    assert [cause.field for cause in found] == ["metadata.uid", "metadata.uid"]


def test_update_needs_a_resource_version() -> None:
    assert update_causes_of(OLD, resourceVersion="") == [
        ("metadata.resourceVersion", 'Invalid value: "": must be specified for an update')
    ]


def test_dying_object_gets_no_new_finalizer() -> None:
    dying = {**OLD, "deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": ["a/b"]}

    assert update_causes_of(dying, finalizers=[]) == []
    assert update_causes_of(dying, finalizers=["a/b", "a/c"]) == [
        (
            "metadata.finalizers",
            "Forbidden: no new finalizers can be added if the object is being deleted,"
            ' found new finalizers []string{"a/c"}',
        )
    ]


def test_carry_over_keeps_what_the_server_owns() -> None:
    old = {**OLD, "creationTimestamp": "then"}
    new: JSON = {"name": "a", "deletionTimestamp": "now", "generation": 7, "selfLink": "/x"}

    meta.carry_over(new, old)

    assert new == {"name": "a", "creationTimestamp": "then", "generation": 1, "uid": "u"}


def test_field_manager_is_short_and_printable() -> None:
    assert meta.field_manager_causes("kubectl") == []
    assert meta.field_manager_causes("x" * 129)[0].reason == "FieldValueTooLong"
    assert meta.field_manager_causes("é\x07")[0].message.endswith("invalid character U+0007 (at position 2)")


def test_managed_fields_entries_are_checked() -> None:
    assert causes_of(managedFields=[{"operation": "Steal", "fieldsType": "X"}]) == [
        ("metadata.managedFields[0].operation", 'Invalid value: "Steal": must be `Apply` or `Update`'),
        ("metadata.managedFields[0].fieldsType", 'Invalid value: "X": must be `FieldsV1`'),
    ]
