"""What pods use, as metrics.k8s.io tells it of a provider that measures, and the word of one that does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.providers.base import TaskNotFound
from chalicelib.providers.extensions import ContainerUsage
from chalicelib.storage.sqlite.storage import SqliteStorage
from tests.api_client import ApiClient, control_plane
from tests.fake_provider import FakeProvider
from tests.unit.controllers.builders import Clock
from tests.unit.controllers.world import World

BASE = "/apis/metrics.k8s.io/v1beta1"
POD = f"{BASE}/namespaces/ns/pods/a"


class MeasuringProvider(FakeProvider):
    """Says what a test lets it say."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.used: list[ContainerUsage] = []

    def measure(self, handle: str) -> Sequence[ContainerUsage]:
        """Return that of every task."""
        if not handle:
            raise TaskNotFound(handle)
        return self.used


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> MeasuringProvider:
    return MeasuringProvider(clock)


@pytest.fixture
def api(tmp_path: Path, provider: MeasuringProvider, clock: Clock) -> Iterator[ApiClient]:
    """Yield a client of an API with one pod that runs."""
    world = World(SqliteStorage(tmp_path / "db"), provider=provider, clock=clock)
    world.create_pod(metadata={"labels": {"app": "x"}})
    world.observe_all()
    yield ApiClient(world.plane)
    world.plane.close()


def _usage(api: ApiClient) -> JSON:
    found: JSON = api.get(POD)
    return {**found["containers"][0]["usage"], "window": found["window"]}


def test_processor_time_is_that_since_the_look_before(
    api: ApiClient, provider: MeasuringProvider, clock: Clock
) -> None:
    clock.advance(10)
    provider.used = [ContainerUsage("c", 5.0, 3 * 1024 * 1024)]
    since_start = _usage(api)
    clock.advance(4)
    provider.used = [ContainerUsage("c", 13.0, 2048)]
    since_then = _usage(api)

    assert since_start == {"cpu": "500000000n", "memory": "3072Ki", "window": "10.000s"}
    assert since_then == {"cpu": "2000000000n", "memory": "2Ki", "window": "4.000s"}


def test_two_looks_at_once_are_one(api: ApiClient, provider: MeasuringProvider, clock: Clock) -> None:
    clock.advance(10)
    provider.used = [ContainerUsage("c", 5.0, 0)]
    _usage(api)
    clock.advance(0.1)

    assert _usage(api)["window"] == "1.000s"


def test_a_container_that_was_started_anew_counts_from_there(
    api: ApiClient, provider: MeasuringProvider, clock: Clock
) -> None:
    clock.advance(10)
    provider.used = [ContainerUsage("c", 100.0, 0)]
    _usage(api)
    clock.advance(10)
    provider.used = [ContainerUsage("c", 2.0, 0)]

    assert _usage(api)["cpu"] == "100000000n"


def test_lists_select_by_labels(api: ApiClient, provider: MeasuringProvider, clock: Clock) -> None:
    clock.advance(10)
    provider.used = [ContainerUsage("c", 5.0, 1024), ContainerUsage("d", 5.0, 1024)]

    names = [[each["metadata"]["name"] for each in api.get(f"{BASE}/{where}")["items"]] for where in (
        "pods", "namespaces/ns/pods?labelSelector=app%3Dx", "namespaces/ns/pods?labelSelector=app%3Dy",
    )]  # fmt: skip

    assert names == [["a"], ["a"], []]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", f"{BASE}/namespaces/ns/pods/b", 404),
        ("GET", f"{BASE}/namespaces/ns/pods/a/log", 404),
        ("GET", f"{BASE}/namespaces/ns/widgets", 404),
        ("POST", f"{BASE}/namespaces/ns/pods", 405),
        ("DELETE", POD, 405),
    ],
)
def test_what_is_not_there_is_refused(api: ApiClient, method: str, path: str, code: int) -> None:
    assert api.request(method, path, {} if method == "POST" else None).status == code


def test_a_pod_of_which_nothing_is_known_is_503(api: ApiClient) -> None:
    assert api.request("GET", POD).status == 503


def test_a_provider_that_does_not_measure_says_so(tmp_path: Path) -> None:
    plane = control_plane(tmp_path)

    answer = ApiClient(plane).request("GET", f"{BASE}/nodes")
    plane.close()

    assert (answer.status, "does not measure" in answer.body["message"]) == (503, True)
