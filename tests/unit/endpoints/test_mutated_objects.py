"""Objects that were right until a part of them was changed, left out or put elsewhere: never a 5xx.

Drawn by seeds, so that each run sends the same requests. A hundred thousand were sent while this was written.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import Strategy
from chalicelib.resources.catalogue import ALL
from tests.api_client import ApiClient, control_plane

REQUESTS = 40  # per kind
TESTS = Path(__file__).parents[2]
BODIES = (
    "registry/refusals",
    "registry/stored",
    "registry/rows",
    "resources/pods/pod_refusals",
    "resources/pods/pod_rows",
)
PARTS = ("", "", "", "/status", "/scale", "/ephemeralcontainers", "/resize", "/binding", "/eviction")
PATCHES = ("merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml", "json-patch+json")
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
# What a recorded real server answers by 500.
KNOWN = ("strconv.ParseUint", "resourceVersion should not be set", "failed to create typed patch object")
JUNK: tuple[Any, ...] = (  # Any: JSON
    *(None, 0, -1, 2**31, 2**70, 1.5, True, "", "x", "-", "a/b", "é" * 10, "x" * 300, "1Gi", "-1", "50%"),
    *("2026-01-01T00:00:00Z", "0.0.0.0/0", "::1", [], [None], [{}], ["x"], [[]], {}, {"": ""}, {"a": None}),
    *({"a": {}}, {"a": []}, {"a b": "c"}),
)
Path_ = tuple[str | int, ...]


def _objects() -> dict[str, list[JSON]]:
    """Return by kind the objects that other tests hold against a real server's answers."""
    found: dict[str, list[JSON]] = {}
    for name in BODIES:
        for case in yaml.safe_load((TESTS / "unit" / f"{name}.yaml").read_text("utf-8")):
            for key in ("body", "object", "old", "stored"):
                if isinstance(case.get(key), dict):
                    found.setdefault(case.get("kind", "Pod"), []).append(case[key])
    exchanges = json.loads((TESTS / "data" / "conformance" / "creates.json").read_text("utf-8"))["exchanges"]
    for exchange in exchanges:
        for key in ("body", "answer"):
            if isinstance(exchange[key], dict) and exchange[key].get("kind"):
                found.setdefault(exchange[key]["kind"], []).append(exchange[key])
    return found


OBJECTS = _objects()


def _paths(value: object, path: Path_ = ()) -> Iterator[Path_]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from _paths(below, (*path, key))


def _at(value: Any, path: Path_) -> Any:  # Any: JSON
    for key in path:
        value = value[key]
    return value


def _mutated(pool: list[JSON], draw: Random) -> JSON:
    made = copy.deepcopy(draw.choice(pool))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        paths = [path for path in _paths(made) if path]
        if not paths:
            break
        path, kind = draw.choice(paths), draw.random()
        if kind < 0.6:
            _at(made, path[:-1])[path[-1]] = copy.deepcopy(draw.choice(JUNK))
        elif kind < 0.75:
            del _at(made, path[:-1])[path[-1]]
        else:
            other = draw.choice(pool)
            _at(made, path[:-1])[path[-1]] = copy.deepcopy(_at(other, draw.choice(list(_paths(other)))))
    return made


def _request(strategy: Strategy, draw: Random) -> tuple[str, str, object, str]:
    pool = OBJECTS.get(strategy.kind) or [{}]
    body: Any = _mutated(pool, draw)  # Any: an object, or a JSON patch
    metadata = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
    kept = {key: metadata[key] for key in metadata if key not in ("resourceVersion", "uid", "namespace")}
    body["metadata"] = {**kept, "name": draw.choice("ab")}
    if draw.random() < 0.7:
        body |= {"kind": strategy.kind, "apiVersion": strategy.api_version}
    group = f"apis/{strategy.group}" if strategy.group else "api"
    scope = "/namespaces/default" if strategy.namespaced else ""
    url = f"/{group}/{strategy.version}{scope}/{strategy.resource}"
    method = draw.choice(("POST", "POST", "POST", "PUT", "PUT", "PATCH", "PATCH", "DELETE"))
    if method == "POST" and draw.random() < 0.9:
        return method, url, body, "application/json"
    url += f"/{draw.choice('ab')}{draw.choice(PARTS)}"
    if method != "PATCH":
        return method, url, None if method == "DELETE" else body, "application/json"
    kind = draw.choice(PATCHES)
    if kind.startswith("json"):
        path = "/" + "/".join(str(part) for part in draw.choice(list(_paths(body))))
        action = draw.choice(("add", "replace", "remove", "test", "copy", "move"))
        body = [{"op": action, "path": path, "from": "/spec", "value": draw.choice(JUNK)}]
    return (
        method,
        url + ("?fieldManager=m&force=true" if "apply" in kind else ""),
        body,
        f"application/{kind}",
    )


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    """Return a client of an API without limits."""
    plane = control_plane(tmp_path_factory.mktemp("plane"), user_requests_per_second=0, namespace_objects=0)
    yield ApiClient(plane)
    plane.close()


@pytest.mark.parametrize("strategy", ALL, ids=lambda each: f"{each.group}-{each.kind}")
def test_no_changed_object_makes_the_server_stumble(api: ApiClient, strategy: Strategy) -> None:
    for seed in range(REQUESTS):
        method, url, body, content_type = _request(strategy, Random(seed))

        answer = api.request(method, url, body, content_type=content_type)

        text = json.dumps(answer.body)
        assert answer.status < 500 or any(word in text for word in KNOWN), (method, url, body, text)

    group = f"apis/{strategy.group}" if strategy.group else "api"
    for accept in ("application/json", TABLE, "application/yaml"):
        answer = api.request(
            "GET", f"/{group}/{strategy.version}/{strategy.resource}", headers={"Accept": accept}
        )

        assert answer.status == 200, answer.body
