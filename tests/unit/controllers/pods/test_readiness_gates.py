"""Pods whose readiness waits for conditions that others set."""

from __future__ import annotations

from chalicelib.apimachinery.types import JSON
from chalicelib.registry.options import WriteOptions
from tests.unit.controllers.world import World

GATE = "example.com/in-service"


def ready(w: World) -> JSON:
    (found,) = [each for each in w.pod()["status"]["conditions"] if each["type"] == "Ready"]
    return {key: found.get(key) for key in ("status", "reason", "message")}


def set_gate(w: World, status: str) -> None:
    pod = w.pod()
    conditions = [each for each in pod["status"]["conditions"] if each["type"] != GATE]
    changed = {**pod["status"], "conditions": [*conditions, {"type": GATE, "status": status}]}
    registry = w.registries["", "pods"]
    body = registry.typed(registry.get("ns", "a"))
    registry.update("ns", "a", {**body, "status": changed}, WriteOptions(), subresource="status")


def test_a_pod_is_ready_once_the_conditions_of_its_gates_hold(w: World) -> None:
    w.create_pod(readinessGates=[{"conditionType": GATE}])
    w.observe_all()
    missing = f'corresponding condition of pod readiness gate "{GATE}" does not exist.'
    assert ready(w) == {"status": "False", "reason": "ReadinessGatesNotReady", "message": missing}

    set_gate(w, "True")
    assert ready(w) == {"status": "True", "reason": None, "message": None}

    set_gate(w, "False")
    assert ready(w)["message"] == f'the status of pod readiness gate "{GATE}" is not "True", but False'
