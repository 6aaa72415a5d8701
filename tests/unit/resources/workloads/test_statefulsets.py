"""StatefulSets: what Spark's allocator sends is taken, what users mistype is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from tests.unit.registry.bodies import SELECTOR, TEMPLATE, causes

SPARK = Path(__file__).parents[3] / "data" / "spark" / "statefulset-4.3.0.json"


def test_the_statefulset_of_sparks_allocator_is_valid() -> None:
    body: JSON = json.loads(SPARK.read_text("utf-8"))

    assert body["spec"]["template"]["spec"]["hostname"].endswith("-exec-EXECID")  # which no pod could have
    assert causes("StatefulSet", body) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"selector": {"matchLabels": {"app": "other"}}}, "spec.template.metadata.labels"),
        ({"replicas": -1}, "spec.replicas"),
        ({"template": {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}, "restartPolicy"),
    ],
)
def test_a_mistyped_statefulset_is_refused(changes: JSON, field: str) -> None:
    found = causes("StatefulSet", {"spec": {"selector": SELECTOR, "template": TEMPLATE, **changes}})

    assert [field in each for each in found] == [True]
