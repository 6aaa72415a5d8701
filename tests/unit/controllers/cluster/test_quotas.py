"""Nodes tell the quotas that bound their provider, and follow them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chalicelib.controllers.cluster.quotas import QUOTAS, quotas_of
from chalicelib.providers.extensions import Quota
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World


class Bounded(FakeProvider):
    """A provider with quotas."""

    known: tuple[Quota, ...] = (Quota("on-demand", 6.0, "ask"),)

    def quotas(self) -> Sequence[Quota]:
        """Return them."""
        return self.known


def test_a_node_tells_its_providers_quotas_and_follows_them() -> None:
    provider = Bounded()
    world = World(MemoryStorage(), provider=provider)

    world.controllers.nodes.keep()
    first = quotas_of(world.get("nodes", "fake", None) or {})
    provider.known = ()
    world.controllers.nodes.keep()

    assert first == {"on-demand": Quota("on-demand", 6.0, "ask")}
    assert quotas_of(world.get("nodes", "fake", None) or {}) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"spot": 6}', '{"spot": {"vcpus": "many", "more": ""}}'])
def test_nonsense_is_no_quota(text: str) -> None:
    assert quotas_of({"metadata": {"annotations": {QUOTAS: text}}}) == {}
