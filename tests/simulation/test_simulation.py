"""The simulation finds what is wrong in code that has been made wrong, and is the same again for the same seed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.simulation.mutants import MUTANTS, Patch
from tests.simulation.simulation import simulate

SEEDS = 60  # of which each mutant needs ten at most, most of them one or two


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_is_the_same_run(seed: int) -> None:
    assert simulate(seed) == simulate(seed)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_fault_in_the_code_is_found(mutant: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)

    assert any(simulate(seed)[1] for seed in range(SEEDS))
