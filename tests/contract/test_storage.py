"""What every Storage promises of writes and reads: sentences of chalicelib/storage/base.py, one test each."""

from __future__ import annotations

import json

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.storage.base import KeyExists, KeyNotFound, ObjectTooLarge, RevisionConflict, Storage
from tests.contract.storage_backends import pod, pod_key

PODS = "/registry/pods/"


def test_an_empty_store_has_a_revision_above_zero(storage: Storage) -> None:
    assert storage.revision() > 0


def test_each_write_takes_the_next_revision(storage: Storage) -> None:
    before = storage.revision()

    created = storage.create(pod_key("a"), pod("a"))
    updated = storage.update(pod_key("a"), pod("a", phase="Running"), expected_revision=created.revision)
    deleted = storage.delete(pod_key("a"), expected_revision=updated.revision)

    assert [created.revision, updated.revision, deleted.revision] == [before + 1, before + 2, before + 3]
    assert storage.revision() == before + 3


def test_a_created_object_is_read_back_with_its_revision(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    assert storage.get(pod_key("a")) == created
    assert created.key == pod_key("a")
    expected = pod("a")
    expected["metadata"]["resourceVersion"] = str(created.revision)
    assert created.object() == expected


def test_kind_and_api_version_are_not_stored(storage: Storage) -> None:
    created = storage.create(pod_key("a"), {"kind": "Pod", "apiVersion": "v1", **pod("a")})

    assert created.object().keys() == pod("a").keys()


def test_a_written_object_is_not_changed(storage: Storage) -> None:
    sent = {"kind": "Pod", **pod("a")}
    copy = json.loads(json.dumps(sent))

    created = storage.create(pod_key("a"), sent)
    storage.update(pod_key("a"), sent, expected_revision=created.revision)

    assert sent == copy


@pytest.mark.parametrize(
    "text", ["naïve \N{SNOWMAN} \N{GRINNING FACE}", "\x00", '"\\\n', "\ud800", "resourceVersion"], ids=ascii
)
def test_any_text_survives(storage: Storage, text: str) -> None:
    created = storage.create(pod_key("a"), {**pod("a"), "data": {text: text}})

    assert storage.get(pod_key("a")).object()["data"] == {text: text}
    assert storage.delete(pod_key("a"), expected_revision=created.revision).object()["data"] == {text: text}


def test_numbers_keep_their_kind(storage: Storage) -> None:
    numbers = {"integer": 1, "float": 1.0, "big": 2**63, "small": 1e-7, "negative": -0.5, "true": True, "null": None}

    storage.create(pod_key("a"), {**pod("a"), "data": numbers})

    stored = storage.get(pod_key("a")).object()["data"]
    assert {name: (type(value), value) for name, value in stored.items()} == {
        name: (type(value), value) for name, value in numbers.items()
    }


def test_each_decoding_is_a_fresh_copy(storage: Storage) -> None:
    stored = storage.create(pod_key("a"), pod("a"))

    stored.object()["metadata"]["name"] = "changed"

    assert stored.object()["metadata"]["name"] == "a"


def test_an_object_without_a_uid_is_refused(storage: Storage) -> None:
    with pytest.raises(ValueError, match="uid"):
        storage.create(pod_key("a"), {"metadata": {"name": "a"}})

    assert storage.list(PODS).items == []


def test_creating_what_exists_is_refused(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    with pytest.raises(KeyExists):
        storage.create(pod_key("a"), pod("a", uid="another"))

    assert storage.get(pod_key("a")) == created
    assert storage.revision() == created.revision


def test_creating_a_living_uid_again_is_refused(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a", uid="same"))

    with pytest.raises(KeyExists):
        storage.create(pod_key("b"), pod("b", uid="same"))

    assert storage.get_by_uid("same") == created
    assert storage.revision() == created.revision


def test_a_deleted_key_and_uid_can_be_used_again(storage: Storage) -> None:
    first = storage.create(pod_key("a"), pod("a"))
    storage.delete(pod_key("a"), expected_revision=first.revision)

    second = storage.create(pod_key("a"), pod("a"))

    assert storage.get(pod_key("a")) == second
    assert second.revision == first.revision + 2


def test_reading_what_is_not_there_is_refused(storage: Storage) -> None:
    with pytest.raises(KeyNotFound):
        storage.get(pod_key("a"))


def test_several_objects_are_read_at_once(storage: Storage) -> None:
    first, second = storage.create(pod_key("a"), pod("a")), storage.create("/registry/events/default/b", pod("b"))

    found = storage.get_all([second.key, pod_key("none"), first.key, second.key])

    assert found == {first.key: first, second.key: second}
    assert storage.get_all([]) == {}


def test_an_object_is_found_by_its_uid_while_it_lives(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a", uid="uid-1"))
    updated = storage.update(pod_key("a"), pod("a", uid="uid-1", phase="Running"), expected_revision=created.revision)

    assert storage.get_by_uid("uid-1") == updated
    storage.delete(pod_key("a"), expected_revision=updated.revision)
    with pytest.raises(KeyNotFound):
        storage.get_by_uid("uid-1")


def test_a_stale_update_is_refused(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))
    updated = storage.update(pod_key("a"), pod("a", phase="Running"), expected_revision=created.revision)

    with pytest.raises(RevisionConflict) as refused:
        storage.update(pod_key("a"), pod("a", phase="Failed"), expected_revision=created.revision)

    assert refused.value.expected == created.revision
    assert refused.value.actual in (updated.revision, None)
    assert storage.get(pod_key("a")) == updated
    assert storage.revision() == updated.revision


def test_updating_what_is_not_there_is_refused(storage: Storage) -> None:
    with pytest.raises(KeyNotFound):
        storage.update(pod_key("a"), pod("a"), expected_revision=1)


def test_an_update_must_keep_the_uid(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a", uid="uid-1"))

    with pytest.raises(ValueError, match="uid"):
        storage.update(pod_key("a"), pod("a", uid="uid-2"), expected_revision=created.revision)

    assert storage.get(pod_key("a")) == created


def test_a_stale_delete_is_refused(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))
    updated = storage.update(pod_key("a"), pod("a", phase="Running"), expected_revision=created.revision)

    with pytest.raises(RevisionConflict):
        storage.delete(pod_key("a"), expected_revision=created.revision)

    assert storage.get(pod_key("a")) == updated


def test_deleting_what_is_not_there_is_refused(storage: Storage) -> None:
    with pytest.raises(KeyNotFound):
        storage.delete(pod_key("a"), expected_revision=1)


def test_a_delete_returns_what_was_stored_at_its_own_revision(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a", phase="Running"))

    deleted = storage.delete(pod_key("a"), expected_revision=created.revision)

    expected = pod("a", phase="Running")
    expected["metadata"]["resourceVersion"] = str(deleted.revision)
    assert deleted.object() == expected


def test_a_delete_may_leave_another_last_state(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    deleted = storage.delete(pod_key("a"), expected_revision=created.revision, last=pod("a", phase="Failed"))

    (event,) = storage.events_after(PODS, created.revision).events
    assert deleted.object()["status"] == {"phase": "Failed"}
    assert (event.json, event.previous_json) == (deleted.json, created.json)


def test_an_object_of_two_mebibytes_is_refused(storage: Storage) -> None:
    # Digits of a hash do not compress well enough to fit anywhere.
    text = "".join(f"{hash((n, 'x')) & 0xFFFFFFFFFFFFFFFF:016x}" for n in range(1024 * 1024 // 8))
    created = storage.create(pod_key("a"), pod("a"))

    with pytest.raises(ObjectTooLarge) as refused:
        storage.create(pod_key("b"), {**pod("b"), "data": {"text": text}})
    with pytest.raises(ObjectTooLarge):
        storage.update(pod_key("a"), {**pod("a"), "data": {"text": text}}, expected_revision=created.revision)

    assert refused.value.size_bytes > refused.value.limit_bytes > 0
    assert storage.revision() == created.revision


def test_a_config_map_of_one_mebibyte_of_text_fits(storage: Storage) -> None:
    text = "spark.executor.memory 4g\n" * (1024 * 1024 // 25)

    created = storage.create(pod_key("a"), {**pod("a"), "data": {"text": text}})
    deleted = storage.delete(pod_key("a"), expected_revision=created.revision)

    assert created.object()["data"]["text"] == text
    (_, event) = storage.events_after(PODS, created.revision - 1).events
    assert (event.json, event.previous_json) == (deleted.json, created.json)


def owned_by(name: str, *owners: str) -> JSON:
    obj = pod(name)
    obj["metadata"]["ownerReferences"] = [{"kind": "Pod", "name": owner, "uid": owner} for owner in owners]
    return obj


def owned_keys(storage: Storage, owner: str) -> list[str]:
    return sorted(stored.key for stored in storage.list_by_owner(owner))


def test_what_an_object_owns_is_found_by_its_uid(storage: Storage) -> None:
    one = storage.create(pod_key("one"), owned_by("one", "driver"))
    both = storage.create("/registry/services/default/both", owned_by("both", "driver", "other", "driver"))
    storage.create(pod_key("none"), pod("none"))

    assert sorted(storage.list_by_owner("driver"), key=lambda stored: stored.key) == [one, both]
    assert storage.list_by_owner("other") == [both]
    assert storage.list_by_owner("uid-of-one") == []


def test_owners_follow_each_write(storage: Storage) -> None:
    stored = storage.create(pod_key("a"), owned_by("a", "driver"))
    stored = storage.update(
        pod_key("a"), owned_by("a", "driver", "other", "two words"), expected_revision=stored.revision
    )
    assert owned_keys(storage, "driver") == owned_keys(storage, "other") == [pod_key("a")]

    stored = storage.update(pod_key("a"), owned_by("a", "other"), expected_revision=stored.revision)
    assert owned_keys(storage, "driver") == owned_keys(storage, "two words") == []
    assert storage.list_by_owner("other") == [stored]

    storage.delete(pod_key("a"), expected_revision=stored.revision, last=owned_by("a", "driver"))
    assert owned_keys(storage, "driver") == owned_keys(storage, "other") == []


def test_a_probe_is_seen_by_nobody(storage: Storage) -> None:
    created = storage.create(pod_key("a"), pod("a"))

    storage.probe()
    storage.probe()

    assert storage.revision() == created.revision
    assert storage.list(PODS).items == [created]
    assert storage.events_after(PODS, created.revision).events == []
