"""`$(VAR)` expansion, case by case as in Kubernetes' own table."""

from __future__ import annotations

import pytest

from chalicelib.controllers.runtime.expansion import expand

VALUES = {"A": "a", "B": "b", "EMPTY": "", "NESTED": "$(A)", "SPARK_DRIVER_BIND_ADDRESS": "10.0.0.1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$(A)", "a"),
        ("$(A)$(B)", "ab"),
        ("x-$(A)-y", "x-a-y"),
        ("$(EMPTY)", ""),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$(NESTED)", "$(A)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$$$$(A)", "$$(A)"),
        ("$", "$"),
        ("$$", "$"),
        ("a$", "a$"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("$(A$(B))", "$(A$(B))"),
        ("spark.driver.host=$(SPARK_DRIVER_BIND_ADDRESS)", "spark.driver.host=10.0.0.1"),
    ],
)
def test_text_expands_as_in_kubernetes(text: str, expected: str) -> None:
    assert expand(text, VALUES) == expected
