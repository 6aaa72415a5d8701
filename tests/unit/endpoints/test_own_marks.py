"""What we record of a pod's task no client writes, by whatever route: later decisions are taken from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.marks import TASK_ANNOTATION, WRITTEN_BY_US
from tests.api_client import ApiClient
from tests.fake_provider import FakeProvider
from tests.memory_storage import MemoryStorage
from tests.unit.controllers.world import World

PODS = "/api/v1/namespaces/ns/pods"
FORGED: JSON = {"annotations": dict.fromkeys(WRITTEN_BY_US, "forged")}
TAKEN: JSON = {"annotations": dict.fromkeys(WRITTEN_BY_US)}
MERGE, STRATEGIC, JSON_PATCH = (f"application/{kind}-patch+json" for kind in ("merge", "strategic-merge", "json"))
APPLY = "application/apply-patch+yaml"
ESCAPED = [each.replace("~", "~0").replace("/", "~1") for each in WRITTEN_BY_US]
APPLIED: JSON = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", **FORGED}}
PARTS = ("", "/status", "/ephemeralcontainers", "/resize")
WRITES: list[tuple[str, str, JSON | list[JSON], str]] = [
    *(("PATCH", part, {"metadata": FORGED}, MERGE) for part in PARTS),
    *(("PATCH", part, {"metadata": TAKEN}, MERGE) for part in PARTS),
    *(("PATCH", part, {"metadata": {"annotations": None}}, MERGE) for part in PARTS),
    *(("PATCH", part, {"metadata": FORGED}, STRATEGIC) for part in PARTS),
    ("PATCH", "", [{"op": "replace", "path": f"/metadata/annotations/{TASK_ANNOTATION}", "value": "x"}], JSON_PATCH),
    ("PATCH", "", [{"op": "remove", "path": "/metadata/annotations"}], JSON_PATCH),
    *(
        ("PATCH", "", [{"op": "add", "path": f"/metadata/annotations/{each}", "value": "forged"}], JSON_PATCH)
        for each in ESCAPED
    ),
    ("PATCH", "?fieldManager=thief&force=true", APPLIED, APPLY),
    ("PATCH", "/status?fieldManager=thief&force=true", {**APPLIED, "status": {"message": "m"}}, APPLY),
    ("POST", "/binding", {"metadata": {"name": "a", **FORGED}, "target": {"name": "fake"}}, "application/json"),
    ("POST", "/eviction?dryRun=All", {"metadata": {"name": "a", **FORGED}}, "application/json"),
]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World(MemoryStorage(), provider=FakeProvider(hold_pending=True))
    made.create_pod()
    yield made
    made.plane.close()


def marks(pod: JSON) -> JSON:
    """Return those of the annotations that are ours."""
    found: JSON = pod["metadata"].get("annotations") or {}
    return {key: text for key, text in found.items() if key in WRITTEN_BY_US}


@pytest.mark.parametrize(("method", "part", "body", "kind"), WRITES)
def test_no_write_changes_what_was_recorded(
    world: World, method: str, part: str, body: JSON | list[JSON], kind: str
) -> None:
    before = marks(world.pod())

    ApiClient(world.plane).request(method, f"{PODS}/a{part}", body, content_type=kind)

    assert before[TASK_ANNOTATION] == world.handle()
    assert marks(world.pod()) == before


@pytest.mark.parametrize("part", PARTS[:2])
def test_no_put_changes_what_was_recorded(world: World, part: str) -> None:
    before, pod = marks(world.pod()), ApiClient(world.plane).get(f"{PODS}/a")
    pod["metadata"] |= FORGED

    answer = ApiClient(world.plane).request("PUT", f"{PODS}/a{part}", pod)

    assert answer.status == 200, answer.raw
    assert marks(world.pod()) == before


def test_no_pod_comes_with_them_by_itself_or_by_a_template(world: World) -> None:
    client = ApiClient(world.plane)
    spec: JSON = {"containers": [{"name": "c", "image": "i"}], "schedulingGates": [{"name": "hold"}]}
    template = {"metadata": {"labels": {"of": "job"}, **FORGED}, "spec": {**spec, "restartPolicy": "Never"}}
    client.create(PODS, {"metadata": {"name": "copy", **FORGED}, "spec": spec})
    job = {"metadata": {"name": "job"}, "spec": {"template": template}}
    client.create("/apis/batch/v1/namespaces/ns/jobs", job)
    world.run_chores()

    made = [each for each in client.get(PODS)["items"] if each["metadata"]["name"] != "a"]

    assert len(made) == 2
    assert [marks(each) for each in made] == [{}, {}]
