"""What a Lease may say, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.resources.cluster.leases import LeaseStrategy


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({}, []),
        ({"holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": 0}, []),
        ({"holderIdentity": "", "leaseDurationSeconds": 1}, []),  # client-go's ReleaseOnCancel
        ({"holderIdentity": None}, []),
        ({"leaseDurationSeconds": 0}, ["spec.leaseDurationSeconds"]),
        ({"leaseTransitions": -1, "leaseDurationSeconds": -1}, ["spec.leaseDurationSeconds", "spec.leaseTransitions"]),
        ({"strategy": "any", "preferredHolder": "b"}, []),
    ],
)
def test_a_spec_is_refused_for_its_numbers_alone(spec: dict[str, Any], wrong: list[str]) -> None:
    lease = {"metadata": {"name": "l"}, "spec": spec}
    strategy = LeaseStrategy()

    strategy.default(lease)

    assert [cause.field for cause in strategy.validate(lease)] == wrong
    assert not {"strategy", "preferredHolder"} & set(lease["spec"])
