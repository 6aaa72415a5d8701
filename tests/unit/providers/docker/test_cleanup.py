"""Leaving nothing in an engine that is busy, or that will not let go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import docker.errors
import pytest
import requests

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker.cleanup import Removed, down

ENDPOINTS = "error while removing network: network net id n1 has active endpoints"


def refusal(code: int, text: str) -> docker.errors.APIError:
    """Return an engine's error."""
    response = requests.Response()
    response.status_code = code
    kind = docker.errors.NotFound if code == 404 else docker.errors.APIError
    return kind("refused", response, text)


class BusyEngine:
    """An engine with one container, network and volume, that refuses each call as often as it is told."""

    def __init__(self, **refusals: list[docker.errors.APIError]) -> None:
        self.things = {"container": {"c1"}, "network": {"n1"}, "volume": {"v1"}}
        self.endpoints = {"e1"}
        self._refusals = refusals

    def _refuse(self, call: str) -> None:
        if self._refusals.get(call):
            raise self._refusals[call].pop(0)

    def containers(self, **_: object) -> list[Any]:
        """List them."""
        return [{"Id": each, "Names": ["/pod"], "State": "created"} for each in self.things["container"]]

    def networks(self, **_: object) -> list[Any]:
        """List them."""
        return [{"Id": each, "Name": "net"} for each in self.things["network"]]

    def volumes(self, **_: object) -> Any:
        """List them."""
        return {"Volumes": [{"Name": each} for each in self.things["volume"]] or None}

    def inspect_container(self, _: str) -> Any:
        """Do nothing."""

    def inspect_network(self, _: str) -> Any:
        """Return the endpoints."""
        return {"Containers": {f"ep-{each}": {"Name": each} for each in self.endpoints}}

    def disconnect_container_from_network(self, name: str, network: str, *, force: bool) -> None:
        """Detach an endpoint, by force only."""
        assert force, network
        self._refuse("disconnect")
        self.endpoints.discard(name)

    def remove_container(self, _: str, **how: bool) -> None:
        """Remove it, by force and with its volumes."""
        assert how == {"v": True, "force": True}
        self._refuse("remove_container")
        self.things["container"].clear()

    def remove_network(self, _: str) -> None:
        """Remove it, if nothing is attached."""
        if self.endpoints:
            raise refusal(403, ENDPOINTS)
        self._refuse("remove_network")
        self.things["network"].clear()

    def remove_volume(self, _: str, *, force: bool) -> None:
        """Remove it, if no container has it."""
        assert force
        if self.things["container"]:
            raise refusal(409, "remove v1: volume is in use")
        self._refuse("remove_volume")
        self.things["volume"].clear()


@pytest.mark.parametrize(
    "refusals",
    [
        pytest.param(dict, id="none"),
        pytest.param(lambda: {"remove_network": [refusal(403, ENDPOINTS)] * 3}, id="the network is let go late"),
        pytest.param(lambda: {"disconnect": [refusal(500, "busy")]}, id="an endpoint is let go late"),
        pytest.param(
            lambda: {"remove_container": [refusal(409, "removal is already in progress"), refusal(500, "device busy")]},
            id="the container is let go late",
        ),
        pytest.param(lambda: {"remove_volume": [refusal(409, "volume is in use")]}, id="the volume is let go late"),
    ],
)
def test_what_a_busy_engine_lets_go_late_is_removed(
    refusals: Callable[[], dict[str, list[docker.errors.APIError]]],
) -> None:
    engine = BusyEngine(**refusals())

    removed = down(engine, "cp")

    assert removed == Removed(containers=1, networks=1, volumes=1)
    assert not any([*engine.things.values(), engine.endpoints])


def test_what_is_gone_meanwhile_is_no_error() -> None:
    engine = BusyEngine(remove_network=[refusal(404, "no such network")])

    assert down(engine, "cp").networks == 1


def test_there_may_be_nothing_to_remove() -> None:
    engine = BusyEngine()
    engine.things = {"container": set(), "network": set(), "volume": set()}

    assert down(engine, "cp") == Removed(containers=0, networks=0, volumes=0)


def test_what_the_engine_never_lets_go_is_named() -> None:
    engine = BusyEngine(remove_network=[refusal(403, ENDPOINTS)], remove_container=[refusal(500, "device busy")])

    with pytest.raises(ProviderUnavailable) as failed:
        down(engine, "cp", patience_seconds=0)

    for part in (
        "container pod (device busy)",
        f"network net ({ENDPOINTS})",
        "volume v1 (remove v1: volume is in use)",
    ):
        assert part in failed.value.message


def test_an_engine_that_has_gone_is_said_at_once() -> None:
    def gone(**_: object) -> list[Any]:
        raise requests.ConnectionError("refused")

    engine = BusyEngine()
    engine.networks = gone  # type: ignore[method-assign]

    with pytest.raises(ProviderUnavailable, match="does not answer"):
        down(engine, "cp")
