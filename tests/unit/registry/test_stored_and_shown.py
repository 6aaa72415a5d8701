"""How objects are stored and shown, case by case in stored.yaml and rows.yaml."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.cluster.events import to_core, to_view
from tests.unit.registry.bodies import UID, made, strategy

NOW = datetime(2026, 1, 1, 1, 0, 0, tzinfo=UTC)


def _cases(name: str) -> list[Any]:
    cases: list[Any] = yaml.safe_load(Path(__file__).with_name(name).read_text("utf-8"))
    return cases


@pytest.mark.parametrize("case", _cases("rows.yaml"), ids=lambda case: f"{case['kind']}-{case['cells']}"[:60])
def test_a_row_shows_what_kubectl_users_know(case: dict[str, Any]) -> None:  # Any: YAML
    assert list(strategy(case["kind"]).cells(case["object"], NOW)) == case["cells"]


@pytest.mark.parametrize("case", _cases("stored.yaml"), ids=lambda case: f"{case['kind']}-{case['body']}"[:60])
def test_an_object_is_stored_as_a_real_server_stores_it(case: dict[str, Any]) -> None:  # Any: YAML
    _, obj = made(case["kind"], case["body"])

    del obj["metadata"]
    assert obj == case["stored"]


def test_a_claim_is_kept_until_nobody_needs_it() -> None:
    _, obj = made("PersistentVolumeClaim", {})

    assert obj["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]


def test_a_namespace_can_be_found_by_its_name() -> None:
    _, obj = made("Namespace", {"metadata": {"labels": {"a": "b"}}})

    assert obj["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "a"}
    assert obj["spec"] == {"finalizers": ["kubernetes"]}


def test_a_job_is_labelled_as_its_pods() -> None:
    _, obj = made("Job", {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}})

    assert obj["metadata"]["labels"] == obj["spec"]["template"]["metadata"]["labels"]
    assert obj["metadata"]["labels"]["controller-uid"] == UID


def test_a_node_offers_all_it_has_unless_told() -> None:
    each, old = made("Node", {})
    new = {"metadata": dict(old["metadata"]), "status": {**old["status"], "capacity": {"cpu": "4000m"}}}

    assert each.status is not None
    each.status.prepare_for_update(new, old)

    assert new["status"]["capacity"] == new["status"]["allocatable"] == {"cpu": "4"}


VIEWED: JSON = {
    "kind": "Event",
    "apiVersion": "events.k8s.io/v1",
    "metadata": {"name": "e"},
    "regarding": {"kind": "Pod", "name": "p"},
    "note": "hello",
    "reportingController": "c",
    "reportingInstance": "i",
    "deprecatedSource": {"component": "kubelet"},
    "deprecatedCount": 2,
}


def test_an_event_is_the_same_in_either_group() -> None:
    core = to_core(copy.deepcopy(VIEWED))

    assert core["involvedObject"] == VIEWED["regarding"]
    assert core["message"] == "hello"
    assert core["reportingComponent"] == "c"
    assert core["apiVersion"] == "v1"
    assert to_view(core) == VIEWED


def test_an_event_can_be_selected_by_what_it_is_about() -> None:
    fields = strategy("Event").selectable_fields(to_core(VIEWED))

    assert fields["involvedObject.name"] == "p"
    assert fields["source"] == "kubelet"


def test_the_view_of_an_event_has_its_own_field_names() -> None:
    fields = strategy("Event", "events.k8s.io").selectable_fields(to_core(VIEWED))

    assert fields["regarding.name"] == "p"
    assert fields["reportingController"] == "c"
