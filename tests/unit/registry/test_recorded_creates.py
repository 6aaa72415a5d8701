"""Creates that a real server answered, run through the strategies: same object, or same causes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.status import Cause, invalid
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import Strategy
from chalicelib.resources.catalogue import ALL

RECORDED = Path(__file__).parents[2] / "data" / "conformance" / "creates.json"
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UID = "11111111-1111-1111-1111-111111111111"
SYSTEM = ("uid", "resourceVersion", "creationTimestamp", "generation", "namespace", "name", "ownerReferences")


def _exchanges() -> list[Any]:
    exchanges: list[Any] = json.loads(RECORDED.read_text("utf-8"))["exchanges"]
    return [
        pytest.param(each, id=f"{each['scenario']}-{each['step']}")
        for each in exchanges
        if _find_strategy(each["path"]) is not None
    ]


def _find_strategy(path: str) -> Strategy | None:
    parts = path.strip("/").split("/")
    group = "" if parts[0] == "api" else parts[1]
    return next((each for each in ALL if (each.group, each.resource) == (group, parts[-1])), None)


def _siblings() -> Iterable[JSON]:
    return ()


def _create(strategy: Strategy, body: JSON) -> tuple[JSON, list[Cause]]:
    obj = copy.deepcopy(body)
    metadata = obj.setdefault("metadata", {})
    metadata["uid"] = UID
    metadata["namespace"] = "ns1" if strategy.namespaced else ""
    strategy.default(obj)
    strategy.prepare_for_create(obj)
    causes = meta.metadata_causes(metadata, namespaced=strategy.namespaced, name_errors=strategy.name_errors)
    causes += strategy.validate(obj)
    return obj, causes or strategy.allocate(obj, None, _siblings)


def _masked(obj: JSON) -> JSON:
    masked = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    masked["metadata"] = {key: value for key, value in obj["metadata"].items() if key not in SYSTEM}
    spec = masked.get("spec") or {}
    if spec.get("clusterIP", "None") != "None":
        spec["clusterIP"], spec["clusterIPs"] = "<ip>", ["<ip>"]
    for port in spec.get("ports", ()):
        if "nodePort" in port:
            port["nodePort"] = "<nodePort>"
    return masked


def _without_marks(value: Any) -> Any:  # Any: a JSON value of any shape
    if isinstance(value, dict):
        return {key: _without_marks(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_marks(each) for each in value]
    if not isinstance(value, str):
        return value
    is_time = value[:2] == "20" and value[10:11] == "T"
    return "<time>" if is_time else _UID.sub("<uid>", value)


@pytest.mark.parametrize("exchange", _exchanges())
def test_create_is_answered_as_a_real_server_did(exchange: JSON) -> None:
    strategy = _find_strategy(exchange["path"])
    assert strategy is not None
    body, answer = exchange["body"], exchange["answer"]

    obj, causes = _create(strategy, body)

    if exchange["status"] == 201:
        assert causes == []
        wanted, got = _masked(answer), _masked(_without_marks(obj))
        assert got == wanted
    else:
        status = invalid(strategy.kind, obj["metadata"].get("name", ""), causes, group=strategy.group).to_dict()
        assert status["details"] == answer["details"]
        assert status["message"] == answer["message"]
