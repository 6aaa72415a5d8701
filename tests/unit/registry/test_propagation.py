"""What becomes of dependents when a delete doesn't say."""

from __future__ import annotations

import pytest

from chalicelib.registry.deletion import with_propagation
from chalicelib.registry.options import DeleteOptions
from tests.unit.registry.bodies import strategy


def test_pods_of_a_job_are_kept_unless_told_and_that_is_warned_about() -> None:
    options, warnings = with_propagation(strategy("Job"), DeleteOptions())

    assert options.propagation == "Orphan"
    assert len(warnings) == 1
    assert warnings[0].startswith("child pods are preserved by default when jobs are deleted")


@pytest.mark.parametrize(
    ("kind", "options"),
    [("Job", DeleteOptions(propagation="Background")), ("Deployment", DeleteOptions()), ("Pod", DeleteOptions())],
)
def test_everything_else_goes_as_asked(kind: str, options: DeleteOptions) -> None:
    assert with_propagation(strategy(kind), options) == (options, [])
