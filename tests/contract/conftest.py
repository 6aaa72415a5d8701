"""Fixtures that run a contract test once for each backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from chalicelib import system
from chalicelib.config import Settings
from chalicelib.plane.control_plane import ControlPlane
from chalicelib.plane.host import LAMBDA
from chalicelib.providers.base import Provider
from chalicelib.storage.base import Storage
from tests.api_client import ApiClient
from tests.contract.azure_backend import azure_on_docker, azure_on_processes
from tests.contract.docker_backend import DockerProviders
from tests.contract.provider_backends import (
    ExampleProviders,
    FakeProviders,
    LookedInto,
    ProcessProviders,
    ProviderFactory,
    SlurmProviders,
)
from tests.contract.storage_backends import (
    DynoxideStores,
    FakeStores,
    MemoryStores,
    MotoServerStores,
    MotoStores,
    SqliteStores,
    StoreFactory,
)
from tests.own_podman import own_podman


@pytest.fixture
def no_aws_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set credentials that no real account takes."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.fixture(
    params=[
        "sqlite",
        "memory",
        "dynamodb-fake",
        pytest.param("dynamodb-moto", marks=pytest.mark.slow),
        pytest.param("dynamodb-moto-server", marks=pytest.mark.slow),
        pytest.param("dynamodb-dynoxide", marks=pytest.mark.dynoxide),
    ]
)
def store_factory(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    no_aws_account: None,  # noqa: ARG001
) -> Iterator[StoreFactory]:
    """Yield what opens handles on one empty store."""
    backends: dict[str, Callable[[], StoreFactory]] = {
        "sqlite": lambda: SqliteStores(tmp_path),
        "memory": MemoryStores,
        "dynamodb-fake": FakeStores,
        "dynamodb-moto": MotoStores,
        "dynamodb-moto-server": MotoServerStores,
        "dynamodb-dynoxide": lambda: DynoxideStores(tmp_path),
    }
    stores = backends[request.param]()
    yield stores
    stores.close()


@pytest.fixture
def storage(store_factory: StoreFactory) -> Storage:
    """Return a handle on an empty store."""
    return store_factory.open()


@pytest.fixture
def stores(no_aws_account: None) -> Iterator[FakeStores]:
    """Yield an empty table in memory."""
    del no_aws_account
    stores = FakeStores()
    yield stores
    stores.close()


@pytest.fixture(scope="module", params=["sqlite-streamed", "sqlite-buffered", "dynamodb-streamed", "dynamodb-buffered"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    """Yield an API that launches nothing, on each store, with watches of both kinds; one for a module's tests."""
    store, _, watch = request.param.partition("-")
    folder = tmp_path_factory.mktemp("api")
    settings = Settings(provider="none", storage=store, watch=watch, state=str(folder))
    with pytest.MonkeyPatch.context() as environ:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environ.setenv(name, "testing")
        stores: StoreFactory = FakeStores() if store == "dynamodb" else SqliteStores(folder)
        host = LAMBDA if request.param == "dynamodb-buffered" else None
        plane = ControlPlane(settings, host=host, storage=stores.open())
        yield ApiClient(plane)
        plane.close()
        stores.close()


DOCKER = pytest.param("docker", marks=pytest.mark.docker)
AZURE = pytest.param("azure on docker", marks=pytest.mark.docker)
PODMAN = pytest.param("podman", marks=pytest.mark.podman)
MORE_OF_PODMAN = pytest.param("podman", marks=(pytest.mark.podman, pytest.mark.slow))
SLURM = pytest.param("slurm", marks=(pytest.mark.slurm, pytest.mark.slow))
# What Podman does otherwise (docs/docker.md), and whether it does always
NOT_ON_PODMAN = {
    "test_input_stays_open_for_the_next_attachment": ("an attachment that ends closes the input", True),
    "test_lines_since_a_moment": ("lines of one second have the same time in its logs", False),
}


@pytest.fixture(scope="session")
def podman() -> Iterator[str]:
    """Yield where a Podman answers that is this run's own."""
    with own_podman() as url:
        yield url


def podman_providers(request: pytest.FixtureRequest, directory: Path) -> ProviderFactory:
    """Return Podman as a backend; what it is known not to do must go on failing."""
    if known := NOT_ON_PODMAN.get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(reason=known[0], strict=known[1]))
    return DockerProviders(directory, host=request.getfixturevalue("podman"))


@pytest.fixture(params=["example", "fake", "process", "azure", DOCKER, AZURE, PODMAN, SLURM])
def provider_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ProviderFactory]:
    """Yield what opens handles on one backend without tasks; they are removed afterwards."""
    backends: dict[str, Callable[[Path], ProviderFactory]] = {
        "azure": azure_on_processes,
        "azure on docker": azure_on_docker,
        "docker": DockerProviders,
        "example": ExampleProviders,
        "fake": FakeProviders,
        "podman": partial(podman_providers, request),
        "process": ProcessProviders,
        "slurm": lambda folder: SlurmProviders(folder, request.getfixturevalue("slurm_lab")),
    }
    providers = backends[request.param](tmp_path)
    yield providers
    providers.close()


@pytest.fixture
def provider(provider_factory: ProviderFactory) -> Provider:
    """Return a handle on a backend without tasks."""
    return provider_factory.open()


@pytest.fixture(params=["process", "process on a bare system", DOCKER, MORE_OF_PODMAN])
def container_factory(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ProviderFactory]:
    """Yield the same for those backends alone that start real programs.

    A bare system is macOS with further addresses on its loopback interface, for each task has one of its own.
    """
    if request.param == "process on a bare system":
        lacks = [feature.value for feature in system.Feature if feature is not system.Feature.LOOPBACK]
        monkeypatch.setenv(system.VARIABLE, ",".join(lacks))
    backends: dict[str, Callable[[Path], ProviderFactory]] = {
        "docker": DockerProviders,
        "podman": partial(podman_providers, request),
        "process": ProcessProviders,
        "process on a bare system": ProcessProviders,
    }
    providers = backends[request.param](tmp_path)
    yield providers
    providers.close()


@pytest.fixture
def containers(container_factory: ProviderFactory) -> Provider:
    """Return a handle on such a backend."""
    return container_factory.open()


@pytest.fixture
def sessions(container_factory: ProviderFactory) -> LookedInto:
    """Return such a backend, each of which is an InteractiveProvider too, and a task that runs on it."""
    return LookedInto(container_factory.open())
