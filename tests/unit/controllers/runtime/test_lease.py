"""A lease keeps nobody waiting for longer than it lasts, whatever clocks say."""

from __future__ import annotations

import pytest

from chalicelib.controllers.runtime.lease import CLOCKS_DIFFER, Lease
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock

SECONDS = 15.0
HOUR = 3600.0


@pytest.fixture
def storage() -> MemoryStorage:
    """Return the store of all holders."""
    return MemoryStorage()


def lease(storage: MemoryStorage, holder: str, clock: Clock) -> Lease:
    return Lease(storage, "launches", holder=holder, seconds=SECONDS, clock=clock)


@pytest.mark.parametrize(
    ("ahead", "is_held"),
    [(0.0, True), (SECONDS - 1, True), ((CLOCKS_DIFFER - 1) * SECONDS + 1, False), (HOUR, False), (-SECONDS, False)],
)
def test_a_lease_is_believed_as_long_as_it_can_last(storage: MemoryStorage, ahead: float, is_held: bool) -> None:
    theirs, ours = Clock(), Clock()
    theirs.advance(ahead)
    assert lease(storage, "them", theirs).take(1) is None

    assert (lease(storage, "us", ours).find() is not None) is is_held
    assert (lease(storage, "us", ours).take(2) is None) is not is_held


def test_a_holder_whose_clock_is_put_back_asks_whether_it_still_holds_it(storage: MemoryStorage) -> None:
    clock = Clock()
    ours = lease(storage, "us", clock)
    ours.take(1)
    clock.advance(-HOUR)
    assert lease(storage, "them", clock).take(2) is None

    assert not ours.renew()


def test_a_lease_is_renewed_by_a_write_once_it_is_time(storage: MemoryStorage) -> None:
    clock = Clock()
    ours = lease(storage, "us", clock)
    ours.take(1)
    before = storage.revision()
    assert ours.renew()
    assert storage.revision() == before

    clock.advance(SECONDS / 2)
    assert ours.renew()
    clock.advance(SECONDS - 1)

    assert lease(storage, "them", clock).find() is not None
