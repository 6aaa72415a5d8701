"""Which loopback addresses a task may have."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.providers.process.addresses import CANDIDATES, candidates


@settings(max_examples=20)
@given(st.text(max_size=40))
def test_candidates_are_different_loopback_addresses_outside_the_first_block(uid: str) -> None:
    found = [ip_address(text) for text in candidates(uid)]

    assert len(set(found)) == CANDIDATES
    assert all(address.is_loopback for address in found)
    assert all(str(address).split(".")[1] != "0" for address in found)
    assert all(str(address).split(".")[3] not in ("0", "255") for address in found)


def test_a_task_has_the_same_candidates_every_time() -> None:
    assert list(candidates("some-uid")) == list(candidates("some-uid"))
    assert next(candidates("some-uid")) != next(candidates("other-uid"))
