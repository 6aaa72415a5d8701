"""Whatever pod the API takes can be translated: a field that nobody validates must not make us stumble."""

from __future__ import annotations

import copy
from random import Random

import pytest

from chalicelib.apimachinery import schema
from chalicelib.apimachinery.decoding.normalize import normalize
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.translation.task import draft
from chalicelib.controllers.translation.unsupported import unsupported_fields
from chalicelib.resources.pods.strategy import PodStrategy
from tests.unit.controllers.world import World
from tests.unit.registry.bodies import UID
from tests.unit.registry.shapes import draw_object

PODS = 30  # per field; 1,500 found nothing more
KEPT = ("containers",)


def _taken(fields: JSON, container: JSON) -> JSON | None:
    """Return a pod with these fields as it would be stored, None if validation refuses it."""
    strategy = PodStrategy()
    containers = [{**container, "name": "c", "image": "i"}]
    metadata = {"name": "a", "namespace": "ns", "uid": UID}
    pod: JSON = {"metadata": metadata, "spec": {**fields, "containers": containers}}
    strategy.default(pod)
    strategy.prepare_for_create(pod)
    return None if any(strategy.validate(pod)) else pod


def _drawn(name: str, seed: int) -> JSON:
    kind = schema.named_type(name)
    return normalize(draw_object(kind, Random(seed)), kind)


@pytest.mark.parametrize("field", sorted(schema.named_type("core.v1.PodSpec").fields))
def test_a_pod_of_any_field_can_be_translated(w: World, field: str) -> None:
    for seed in range(PODS):
        value = _drawn("core.v1.PodSpec", seed).get(field)
        pod = _taken({field: value}, {}) if value is not None and field not in KEPT else None
        if pod is not None:
            draft(copy.deepcopy(pod), w.plane.stored.node)
            unsupported_fields(pod)


@pytest.mark.parametrize("field", sorted(schema.named_type("core.v1.Container").fields))
def test_a_container_of_any_field_can_be_translated(w: World, field: str) -> None:
    for seed in range(PODS):
        value = _drawn("core.v1.Container", seed).get(field)
        pod = _taken({}, {field: value}) if value is not None else None
        if pod is not None:
            draft(copy.deepcopy(pod), w.plane.stored.node)
            unsupported_fields(pod)
