"""What holds for every kind, whatever well-typed object a client sends."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from random import Random

import pytest

from chalicelib.apimachinery import schema
from chalicelib.apimachinery.decoding.normalize import normalize
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import Strategy
from chalicelib.resources.catalogue import ALL
from tests.unit.registry.bodies import UID
from tests.unit.registry.shapes import draw_object

NOW = datetime(2026, 7, 1, tzinfo=UTC)
OBJECTS = 40  # per kind and test; a thousand found nothing more
WRITTEN = [each for each in ALL if "create" in each.verbs]  # by clients
every_kind = pytest.mark.parametrize("strategy", WRITTEN, ids=lambda each: f"{each.group}-{each.kind}")


def _drawn(strategy: Strategy) -> list[JSON]:
    """Return objects of any contents, as the decoder hands them on."""
    kind = schema.find_type(strategy.group, strategy.version, strategy.kind)
    assert kind is not None
    return [_placed(strategy, normalize(draw_object(kind, Random(seed)), kind)) for seed in range(OBJECTS)]


def _placed(strategy: Strategy, obj: JSON) -> JSON:
    obj = strategy.to_stored(obj)
    namespace = {"namespace": "ns1"} if strategy.namespaced else {}
    obj["metadata"] = {**obj.get("metadata", {}), "name": "a", "uid": UID, **namespace}
    return obj


def _prepared(strategy: Strategy) -> list[JSON]:
    objects = _drawn(strategy)
    for obj in objects:
        strategy.default(obj)
        strategy.prepare_for_create(obj)
    return objects


@every_kind
def test_no_object_makes_a_strategy_stumble(strategy: Strategy) -> None:
    objects = _prepared(strategy)

    for obj, other in zip(objects, _drawn(strategy)[1:], strict=False):
        strategy.default(other)
        strategy.prepare_for_update(other, obj)
        list(strategy.validate_update(other, obj))
        strategy.allocate(obj, None, lambda: objects)
        for part in [each.part for each in strategy.all_subresources.values() if each.part]:
            part.prepare_for_update(other, obj)
            list(part.validate_update(other, obj))
        strategy.grace_seconds(obj, None)
        cells = strategy.cells(obj, NOW)
        json.dumps([list(cells), strategy.row_conditions(obj), strategy.from_stored(obj)])
        json.dumps([list(strategy.warnings(obj)), strategy.selectable_fields(obj)])
        json.dumps([cause.to_dict() for cause in strategy.validate(obj)])

        assert len(cells) == len(strategy.columns)


@every_kind
def test_defaulting_twice_changes_nothing(strategy: Strategy) -> None:
    for obj in _drawn(strategy):
        strategy.default(obj)
        once = copy.deepcopy(obj)

        strategy.default(obj)

        assert obj == once


@every_kind
def test_validation_changes_nothing(strategy: Strategy) -> None:
    for obj in _prepared(strategy):
        before = copy.deepcopy(obj)

        list(strategy.validate(obj))
        list(strategy.validate_update(obj, obj))
        list(strategy.warnings(obj))

        assert obj == before


@every_kind
def test_an_update_that_says_the_same_changes_nothing(strategy: Strategy) -> None:
    for stored in _prepared(strategy):
        sent = copy.deepcopy(stored)

        strategy.default(sent)
        strategy.prepare_for_update(sent, stored)

        assert sent == stored


@pytest.mark.parametrize("strategy", ALL, ids=lambda each: f"{each.group}-{each.kind}")
def test_a_row_of_an_empty_object_can_be_shown(strategy: Strategy) -> None:
    assert len(strategy.cells({}, NOW)) == len(strategy.columns)
    assert strategy.selectable_fields({})["metadata.name"] == ""


def test_no_two_strategies_serve_one_resource() -> None:
    served = [(each.api_version, each.resource) for each in ALL]

    assert len(served) == len(set(served))


def test_short_names_are_unique() -> None:
    names = [name for each in ALL for name in each.short_names if not each.stored_as]

    assert len(names) == len(set(names))
