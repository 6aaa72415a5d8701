"""How often DynamoDB is asked for one pod: each request is a client's time, and each transaction everybody's."""

from __future__ import annotations

from pathlib import Path

from chalicelib.config import Settings
from chalicelib.plane.control_plane import ControlPlane
from chalicelib.plane.host import LAMBDA
from chalicelib.providers.base import Capacity
from chalicelib.storage.dynamodb.item import SETTLED_SECONDS
from tests.api_client import PODS, ApiClient
from tests.contract.storage_backends import FakeStores
from tests.fake_provider import FakeProvider
from tests.unit.controllers.world import World

HEAD, READ, WRITE, NEWS = "Query", "BatchGetItem", "TransactWriteItems", "PutItem"


def test_a_pod_is_stored_with_three_requests(stores: FakeStores, tmp_path: Path) -> None:
    settings = Settings(provider="none", storage="dynamodb", watch="buffered", state=str(tmp_path))
    plane = ControlPlane(settings, host=LAMBDA, storage=stores.open())
    api = ApiClient(plane)
    stores.clock.advance(2 * SETTLED_SECONDS)

    def create(name: str) -> list[str]:
        before = len(stores.fake.requests)
        spec = {"containers": [{"name": "c", "image": "i"}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        assert api.request("POST", PODS, pod).status == 201
        return stores.fake.requests[before:]

    create("first")
    assert create("second") == [HEAD, HEAD, WRITE]
    plane.close()


class EndlessProvider(FakeProvider):
    """Takes what is asked for, as Fargate does: nothing is to be counted before a pod is launched."""

    def capacities(self) -> list[Capacity]:
        """Return a node without a known end."""
        return [Capacity("amd64")]


def test_a_stored_pod_is_launched_with_four_more(stores: FakeStores) -> None:
    w = World(stores.open(), host=LAMBDA, provider=EndlessProvider())
    stores.clock.advance(2 * SETTLED_SECONDS)
    w.create_pod("first")
    before = len(stores.fake.requests)

    w.create_pod("second")

    requests = stores.fake.requests[before:]
    assert [each for each in requests if each != NEWS] == [HEAD, HEAD, WRITE, HEAD, READ, HEAD, WRITE]
    assert requests.count(NEWS) == len(w.events("second"))
    assert len(w.provider.tasks) == 2


def test_what_a_task_tells_of_a_pod_is_one_transaction(stores: FakeStores) -> None:
    w = World(stores.open(), host=LAMBDA)
    w.create_pod()
    w.provider.finish(w.handle(), 0)
    before = len(stores.fake.requests)

    w.observe_all()

    assert stores.fake.requests[before:].count(WRITE) == 1
    assert w.phase() == "Succeeded"
