"""Which providers a server on this machine can have, and which `run` and `pi` start one for."""

from __future__ import annotations

import click
import pytest

from sparkanywhere.local.provider_type import ProviderType


@pytest.mark.parametrize(
    ("name", "serves", "runs_here"),
    [
        ("process", True, True),
        ("docker", True, True),
        ("none", True, False),
        ("azure", True, False),
        ("fargate", False, False),  # its changes are told by EventBridge, to functions
    ],
)
def test_a_remote_provider_that_reports_by_itself_can_be_served(name: str, serves: bool, runs_here: bool) -> None:
    for launches, fits in ((False, serves), (True, runs_here)):
        kind = ProviderType(launches=launches)

        if fits:
            assert kind.convert(name, None, None) == name
        else:
            with pytest.raises(click.BadParameter, match="runs no pods"):
                kind.convert(name, None, None)
