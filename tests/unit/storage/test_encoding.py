"""Objects as texts: a revision is stamped in late, and what JSON cannot say is refused."""

from __future__ import annotations

import json

import pytest

from chalicelib.storage.keys import draft, restamp, revision_of, stored_metadata


def test_a_draft_takes_its_revision_later() -> None:
    obj = {"spec": {}, "metadata": {"name": "a", "resourceVersion": "1", "uid": "u"}}

    text = draft(obj).at(42)

    assert json.loads(text) == {"spec": {}, "metadata": {"name": "a", "resourceVersion": "42", "uid": "u"}}
    assert revision_of(text) == 42


def test_another_revision_takes_the_place_of_the_first() -> None:
    text = draft({"metadata": {"uid": "u"}, "data": {"resourceVersion": "x"}}).at(9)

    assert restamp(text, 10) == draft({"metadata": {"uid": "u"}, "data": {"resourceVersion": "x"}}).at(10)


def test_the_size_is_that_of_the_text() -> None:
    drafted = draft({"metadata": {"uid": "u"}, "data": "naïve \N{SNOWMAN}"})

    assert len(drafted.at(1234).encode()) == drafted.size_bytes + 4


def test_owners_are_named_once() -> None:
    references = [{"uid": "b"}, {"uid": "a"}, {"uid": "b"}, {"name": "without uid"}]

    assert draft({"metadata": {"uid": "u", "ownerReferences": references}}).owners == ("a", "b")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_can_not_say_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        draft({"metadata": {"uid": "u"}, "data": number})


@pytest.mark.parametrize("metadata", [{}, {"uid": ""}, {"uid": 3}])
def test_a_uid_is_needed(metadata: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="uid"):
        draft({"metadata": metadata})


def test_the_metadata_can_be_read_alone() -> None:
    metadata = {"name": "a", "uid": "u", "labels": {"x": "}"}, "annotations": {"y": '"labels":{'}}
    text = draft({"spec": {"labels": {"not": "these"}}, "metadata": metadata}).at(7)

    assert stored_metadata(text) == {**metadata, "resourceVersion": "7"}
    assert stored_metadata(text.removesuffix("}")) == stored_metadata(text)  # what follows is not looked at
