"""What a driver makes of its own leads its pods to nothing of its neighbour's, as it is stored."""

from __future__ import annotations

import pytest

from chalicelib.apimachinery.types import JSON
from tests.unit.controllers.builders import container
from tests.unit.controllers.world import World

KEY: JSON = {"valueFrom": {"secretKeyRef": {"name": "theirs", "key": "K"}}}


@pytest.mark.parametrize(("resource", "name"), [("pods", "mine"), ("configmaps", "conf")])
def test_a_pod_gets_no_secret_of_a_neighbour_through_its_owner(w: World, resource: str, name: str) -> None:
    for driver in ("mine", "neighbour"):
        w.create_pod(driver)
    w.create("configmaps", "conf", metadata=w.owner_of("mine"))
    w.create("secrets", "theirs", metadata=w.owner_of("neighbour"), stringData={"K": "hidden"})

    w.create_pod(
        "thief", metadata=w.owner_of(name, resource=resource), containers=[container(env=[{"name": "A", **KEY}])]
    )

    assert w.pod("thief")["status"]["message"] == 'secret "theirs" belongs to another application'
    assert len(w.provider.list_tasks()) == 2
