"""The control plane's role is written twice, for Terraform and for Chalice alone: both allow the same."""

from __future__ import annotations

import pytest

from tests.aws_box.role import of_chalice, of_terraform


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_both_policies_allow_the_same_actions(stage: str) -> None:
    assert of_chalice(stage) == of_terraform()


def test_no_action_is_a_pattern() -> None:
    assert [action for action in of_chalice("prod") if "*" in action] == []
    assert "ecs:RunTask" in of_terraform()
