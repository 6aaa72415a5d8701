"""Warning headers: one per sentence, whoever adds them."""

from __future__ import annotations

import pytest
from chalice.app import Response

from chalicelib.endpoints.http.responses import with_warnings
from chalicelib.registry.options import WriteOptions
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World


def test_warnings_of_two_sources_are_all_sent() -> None:
    response = with_warnings(Response(body=""), ["a"])

    with_warnings(response, ['b "c"'])

    assert response.headers["Warning"] == ['299 - "a"', '299 - "b \\"c\\""']


def test_no_warning_is_no_header() -> None:
    assert "Warning" not in with_warnings(Response(body=""), []).headers


@pytest.mark.parametrize("launches", [True, False])
def test_a_network_policy_is_said_not_to_be_enforced(launches: bool) -> None:
    w = World(MemoryStorage(), launches=launches)
    registry = w.registries[("networking.k8s.io", "networkpolicies")]
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny"},
        "spec": {"podSelector": {}},
    }

    warnings = registry.create("ns", policy, WriteOptions()).warnings

    said = "spec: stored and not enforced by provider fake: pods are reached as without it"
    assert warnings == ([said] if launches else [])
