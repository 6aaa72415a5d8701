"""How far the limit of open files is raised."""

from __future__ import annotations

import resource

import pytest

from sparkanywhere.local.open_files import Limits, raise_open_files

ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "most", "raised"),
    [
        pytest.param(1024, 524288, 524288, 65536, id="Linux"),
        pytest.param(1024, 4096, 4096, 4096, id="a low hard limit"),
        pytest.param(256, ENDLESS, 61440, 49152, id="macOS, which refuses more than it says"),
        pytest.param(256, ENDLESS, 256, 256, id="nothing to be had"),
        pytest.param(100_000, ENDLESS, 200_000, 100_000, id="more than is wanted"),
        pytest.param(ENDLESS, ENDLESS, ENDLESS, ENDLESS, id="no limit"),
    ],
)
def test_the_limit_is_raised_as_far_as_the_system_lets_us(soft: int, hard: int, most: int, raised: int) -> None:
    limits = [(soft, hard)]

    def set_limits(wanted: Limits) -> None:
        if wanted[0] > most:
            raise ValueError("current limit exceeds maximum limit")
        limits.append(wanted)

    raise_open_files(65536, get=lambda: limits[-1], set_limits=set_limits)

    assert limits[-1] == (raised, hard)
