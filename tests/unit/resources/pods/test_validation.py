"""What a real server refuses in a pod, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.subresources import ephemeral_causes
from tests.unit.registry.bodies import CONTAINER, causes, made, pod

CASES: list[Any] = yaml.safe_load(Path(__file__).with_name("pod_refusals.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["change"])[:60])
def test_a_wrong_pod_is_refused_in_the_real_servers_words(case: dict[str, Any]) -> None:  # Any: YAML
    assert causes("Pod", pod(**case["change"])) == case["causes"]


def test_a_template_is_checked_at_its_own_path() -> None:
    template = {"spec": {"containers": [{"name": "c"}]}}

    assert causes("PodTemplate", {"template": template}) == ["template.spec.containers[0].image: Required value"]


def _ephemeral(*containers: JSON) -> JSON:
    _, obj = made("Pod", pod(ephemeralContainers=list(containers)))
    spec: JSON = obj["spec"]
    return spec


DEBUG: JSON = {"name": "e", "image": "x"}
EPHEMERAL: list[tuple[JSON, JSON, list[str]]] = [
    (_ephemeral(), _ephemeral(DEBUG), []),
    (_ephemeral(DEBUG), _ephemeral(DEBUG, {**DEBUG, "name": "f"}), []),
    (_ephemeral(DEBUG), _ephemeral(), ['Forbidden: existing ephemeral containers "e" may not be removed']),
    (
        _ephemeral(DEBUG),
        _ephemeral({**DEBUG, "tty": True}),
        ['Forbidden: existing ephemeral containers "e" may not be changed'],
    ),
    (_ephemeral(), _ephemeral({**DEBUG, "name": CONTAINER["name"]}), ['Duplicate value: "c"']),
    (_ephemeral(), _ephemeral({**DEBUG, "targetContainerName": "x"}), ['Not found: "x"']),
    (
        _ephemeral(),
        _ephemeral({**DEBUG, "ports": [{"containerPort": 1}]}),
        ["Forbidden: cannot be set for an Ephemeral Container"],
    ),
]


@pytest.mark.parametrize(("old", "new", "wanted"), EPHEMERAL)
def test_ephemeral_containers_are_only_ever_added(old: JSON, new: JSON, wanted: list[str]) -> None:
    assert [cause.message for cause in ephemeral_causes(new, old)] == wanted
