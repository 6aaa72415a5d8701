"""Which subnet a control plane's network gets."""

from __future__ import annotations

from typing import Any

import docker
import pytest
import requests

from chalicelib.providers.docker.network import TaskNetwork


class Engine:
    """Has given the first subnet away, and says so in its words."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._made: dict[str, Any] = {}

    def networks(self, **_: Any) -> list[dict[str, str]]:
        return [{"Name": self._made["Name"], "Id": "1"}] if self._made else []

    def inspect_network(self, _: str) -> dict[str, Any]:
        return self._made

    def create_network(self, name: str, *, ipam: dict[str, Any], **_: Any) -> None:
        if ipam["Config"][0]["Subnet"] == "10.201.0.0/20":
            answer = requests.Response()
            answer.status_code = 500
            raise docker.errors.APIError("refused", answer, self._words)
        self._made = {"Name": name, "IPAM": ipam}


@pytest.mark.parametrize(
    "words",
    [
        "Pool overlaps with other one on this address space",
        "subnet 10.201.0.0/20 is already used on the host or by another config",
    ],
    ids=["docker", "podman"],
)
def test_a_subnet_that_is_taken_is_passed_over(words: str) -> None:
    network = TaskNetwork(Engine(words), "cp")

    network.ensure()

    assert network.gateway == "10.201.16.1"
