"""What a real server refuses in kinds other than pods, case by case in refusals.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.registry.bodies import causes, update_causes

CASES: list[Any] = yaml.safe_load(Path(__file__).with_name("refusals.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}-{case['body']}"[:70])
def test_a_wrong_object_is_refused_in_the_real_servers_words(case: dict[str, Any]) -> None:  # Any: YAML
    kind, body = case["kind"], case["body"]

    found = update_causes(kind, case["old"], body) if "old" in case else causes(kind, body)

    assert found == case["causes"]
