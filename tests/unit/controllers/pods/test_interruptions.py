"""Interrupted pods become Terminating, where somebody would make another."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.apimachinery.rules.status import not_found
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.pods.deletions import Interruptions

OWNER = [{"apiVersion": "v1", "kind": "Pod", "name": "driver", "uid": "driver-uid"}]


class Deletes:
    """Notes what is deleted; says that it is gone if told so."""

    def __init__(self, *, is_gone: bool = False) -> None:
        self.names: list[str] = []
        self._is_gone = is_gone

    def __call__(self, resource: str, namespace: str, name: str, **how: object) -> None:
        """Note the name."""
        del namespace, how
        self.names.append(name)
        if self._is_gone:
            raise not_found(resource, name)


def pod(*, reason: str = "TerminationByKubelet", phase: str = "Running", **metadata: Any) -> JSON:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason}
    return {
        "metadata": {"namespace": "default", "name": "executor", "uid": "u", **metadata},
        "status": {"phase": phase, "conditions": [condition]},
    }


def test_an_interrupted_pod_with_an_owner_is_deleted() -> None:
    deletes = Deletes()

    Interruptions(deletes).pod_changed(pod(ownerReferences=OWNER))

    assert deletes.names == ["executor"]


@pytest.mark.parametrize(
    "other",
    [
        pod(),
        pod(ownerReferences=OWNER, phase="Failed"),
        pod(ownerReferences=OWNER, reason="EvictionByEvictionAPI"),
        pod(ownerReferences=OWNER, deletionTimestamp="2026-01-01T00:00:00Z"),
    ],
    ids=["without an owner", "ended", "disrupted by others", "already terminating"],
)
def test_other_pods_are_left_alone(other: JSON) -> None:
    deletes = Deletes()

    Interruptions(deletes).pod_changed(other)

    assert deletes.names == []


def test_a_pod_that_is_gone_by_then_is_no_error() -> None:
    Interruptions(Deletes(is_gone=True)).pod_changed(pod(ownerReferences=OWNER))
