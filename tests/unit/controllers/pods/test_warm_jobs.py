"""A driver that a Job makes takes the warm tasks of the user who has created the Job, whom nobody can forge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.apimachinery.accessors import annotations_of, labels_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.registry.options import Patch, WriteOptions
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.ledger import stored
from tests.unit.controllers.parking_job import PROPERTIES, create_driver, create_executor
from tests.unit.controllers.world import World

CREATOR = "sparkanywhere.io/creator"


@pytest.fixture
def w() -> World:
    """Return a World in which a driver's task and an executor's wait for jobs of ana's."""
    clock = Clock()
    w = World(MemoryStorage(), provider=FakeProvider(clock=clock, hold_pending=True), clock=clock)
    create_driver(w, "warm-1", warm="30m", properties=PROPERTIES.replace("=2", "=1"))
    return w


def create_job(w: World, **annotations: str) -> JSON:
    """Create a Job of a driver that has the shape of the warm one."""
    spec = w.pod("warm-1")["spec"]
    volumes = [{"name": "conf", "configMap": {"name": "drv"}}]
    about = {
        "labels": {**labels_of(w.pod("warm-1")), "spark-app-selector": "spark-a"},
        "annotations": {f"sparkanywhere.io/{name}": text for name, text in {"park": "false", **annotations}.items()},
    }
    pod = {"containers": spec["containers"], "volumes": volumes, "restartPolicy": "Never"}
    return w.create("jobs", "j", spec={"template": {"metadata": about, "spec": pod}})


def driver_of_job(w: World) -> JSON:
    w.run_chores()
    (driver,) = (each for each in stored(w, "pods") if each["metadata"]["name"].startswith("j-"))
    return driver


def properties_of(w: World, driver: JSON) -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": driver["metadata"]["name"], "uid": driver["metadata"]["uid"]}
    w.create("configmaps", "drv", metadata={"ownerReferences": [owner]}, data={"spark.properties": PROPERTIES})


def running_driver_of_job(w: World) -> str:
    """Return the name of the Job's driver, whose task runs."""
    driver = driver_of_job(w)
    properties_of(w, driver)
    w.run_chores()
    name = str(driver["metadata"]["name"])
    w.provider.begin(handle_of(w.pod(name)))
    w.observe_all()
    return name


@pytest.mark.parametrize(("user", "is_given"), [("ana", True), ("bob", False)])
def test_drivers_of_a_job_take_the_tasks_of_its_creator(w: World, user: str, is_given: bool) -> None:
    waiting, w.user = [w.handle("warm-1"), w.handle("warm-1-parked-1")], user
    create_job(w)
    name = running_driver_of_job(w)
    w.user = "system:serviceaccount:ns:default"

    create_executor(w, 1, driver=name)

    assert ([handle_of(w.pod(name)), handle_of(w.pod("exec-1"))] == waiting) is is_given


@pytest.mark.parametrize("subresource", ["", "status"])
@pytest.mark.parametrize("is_patch", [True, False])
def test_nobody_becomes_another_creator(w: World, subresource: str, is_patch: bool) -> None:
    w.user = "bob"
    w.create("jobs", "j", metadata={"annotations": {CREATOR: "ana"}}, spec={"suspend": True, **template()})
    registry = w.registries[("batch", "jobs")]

    if is_patch:
        patch = Patch("merge", {"metadata": {"annotations": {CREATOR: "ana"}}}, "Strict")
        registry.patch("ns", "j", patch, WriteOptions(user="bob"), subresource=subresource)
    else:
        found = w.get("jobs", "j") or {}
        forged = {**found, "metadata": {**found["metadata"], "annotations": {CREATOR: "ana"}}}
        registry.update("ns", "j", forged, WriteOptions(user="bob"), subresource=subresource)

    assert annotations_of(w.get("jobs", "j") or {})[CREATOR] == "bob"


def template() -> dict[str, Any]:
    pod = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
    return {"template": {"spec": pod}}


def test_a_job_that_no_user_creates_has_no_creator(w: World) -> None:
    w.user = ""

    assert CREATOR not in annotations_of(w.create("jobs", "j", spec=template()))


def test_an_attempt_of_a_job_keeps_nothing_warm(w: World) -> None:
    create_job(w, **{"keep-warm": "10m"})
    name = running_driver_of_job(w)

    w.provider.finish(handle_of(w.pod(name)), 1)
    w.observe_all()
    w.run_chores()

    assert not [each for each in stored(w, "pods") if each["metadata"]["name"].startswith("warm-j")]
    assert "kept-warm" not in json.dumps(w.get("pods", name))
