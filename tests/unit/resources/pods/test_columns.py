"""The STATUS, READY and RESTARTS that kubectl shows of a pod."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.columns import cells, row_conditions

NOW = datetime(2026, 1, 1, 1, 0, 0, tzinfo=UTC)
CASES: list[Any] = yaml.safe_load(Path(__file__).with_name("pod_rows.yaml").read_text("utf-8"))


def _pod(case: JSON) -> JSON:
    init = [{"name": f"i{n}", **each} for n, each in enumerate(case.get("init", []))]
    containers = [{"name": f"c{n}"} for n in range(case.get("containers", 1))]
    metadata = {"name": "a", "creationTimestamp": "2026-01-01T00:58:00Z", **case.get("metadata", {})}
    spec = {"containers": containers, "initContainers": init, **case.get("spec", {})}
    return {"metadata": metadata, "spec": spec, "status": case["status"]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_status_is_told_as_kubectl_tells_it(case: JSON) -> None:
    row = cells(_pod(case), NOW)

    assert [row[1], row[2], row[3]] == case["row"]


def test_the_wide_columns_say_where_a_pod_runs() -> None:
    pod = {
        "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:58:00Z"},
        "spec": {"nodeName": "n", "readinessGates": [{"conditionType": "x"}, {"conditionType": "y"}]},
        "status": {"podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "x", "status": "True"}]},
    }

    assert list(cells(pod, NOW))[4:] == ["2m", "10.0.0.1", "n", "<none>", "1/2"]


ENDS = [("Succeeded", "The pod has completed successfully."), ("Failed", "The pod failed.")]


@pytest.mark.parametrize(("phase", "message"), ENDS)
def test_the_row_of_a_finished_pod_says_so(phase: str, message: str) -> None:
    condition = {"type": "Completed", "status": "True", "reason": phase, "message": message}

    assert row_conditions({"status": {"phase": phase}}) == [condition]


def test_the_row_of_a_living_pod_says_nothing() -> None:
    assert row_conditions({"status": {"phase": "Running"}}) == []
