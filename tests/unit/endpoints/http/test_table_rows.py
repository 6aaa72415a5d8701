"""A row of a Table is made once for as long as it says the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.responses import Representation
from chalicelib.endpoints.http.table_rows import TableRows
from chalicelib.registry.registry import Registry
from chalicelib.resources.pods.strategy import PodStrategy
from chalicelib.storage.base import StoredObject
from tests.api_client import PODS, ApiClient, control_plane
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Counting(PodStrategy):
    """Pods, and how many rows have been made of them."""

    made = 0

    def row_conditions(self, obj: JSON) -> list[JSON]:
        """Count."""
        self.made += 1
        return super().row_conditions(obj)


@pytest.fixture
def registry() -> Registry:
    """Return the registry of pods, with a strategy that counts."""
    return Registry(Counting(), World(MemoryStorage()).registries[("", "pods")]._parts)


def stored(revision: int = 7, *, restarted: str = "") -> StoredObject:
    status: JSON = {"phase": "Running"}
    if restarted:
        ended = {"terminated": {"finishedAt": restarted}}
        status["containerStatuses"] = [{"name": "c", "restartCount": 2, "lastState": ended}]
    metadata = {"resourceVersion": str(revision), "name": "a", "creationTimestamp": "2026-01-02T03:00:00Z"}
    pod = {"metadata": metadata, "spec": {"containers": [{"name": "c"}]}, "status": status}
    return StoredObject("/registry/pods/ns/a", revision, json.dumps(pod))


@pytest.fixture
def row(registry: Registry) -> Callable[..., JSON]:
    """Return a call that gives the row of a pod at some time."""
    rows = TableRows()

    def decoded(pod: StoredObject, *, seconds: float = 0, include: str = "Metadata") -> JSON:
        made: JSON = json.loads(
            rows.text(registry, pod, Representation("Table"), include, NOW + timedelta(seconds=seconds))
        )
        return made

    return decoded


def made(registry: Registry) -> int:
    assert isinstance(registry.strategy, Counting)
    return registry.strategy.made


def test_a_row_is_made_anew_when_what_it_tells_has_changed(registry: Registry, row: Callable[..., JSON]) -> None:
    first = row(stored())

    assert row(stored(), seconds=0.5) == first
    assert made(registry) == 1
    assert (first["cells"][4], row(stored(), seconds=3)["cells"][4]) == ("4m5s", "4m8s")
    assert row(stored(8))["object"]["metadata"]["resourceVersion"] == "8"
    assert row(stored(8), include="None")["object"] is None
    assert made(registry) == 4


def test_a_row_follows_the_time_since_a_restart(row: Callable[..., JSON]) -> None:
    pod = stored(restarted="2026-01-02T03:04:00Z")

    assert [row(pod, seconds=each)["cells"][3] for each in (0, 1)] == ["2 (5s ago)", "2 (6s ago)"]


def test_a_lean_object_has_a_row_of_its_own(row: Callable[..., JSON]) -> None:
    whole = stored()
    lean = replace(whole, json=whole.json.replace('"name": "a", ', ""))

    assert [row(each)["cells"][0] for each in (whole, lean, whole)] == ["a", "", "a"]


def test_a_table_holds_what_its_objects_say(tmp_path: Path) -> None:
    plane = control_plane(tmp_path)
    api = ApiClient(plane)
    for name in ("a", "b"):
        api.create(PODS, {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    as_table = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}

    whole = [api.request("GET", PODS, headers=as_table).body for _ in range(2)]
    pretty = api.request("GET", PODS, headers=as_table, query={"pretty": "1"}).body
    plane.close()

    for table in (*whole, pretty):
        assert [each["cells"][0] for each in table["rows"]] == ["a", "b"]
        assert [each["object"]["kind"] for each in table["rows"]] == ["PartialObjectMetadata"] * 2
        assert len(table["columnDefinitions"]) == len(table["rows"][0]["cells"])
