"""An engine whose disk is full: pods wait and say why, nothing is left behind, and it goes on with what fits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from chalicelib.providers.base import File, Mount, ProviderUnavailable, Volume
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.engine import connect
from chalicelib.providers.docker.provider import DockerProvider
from tests.contract.provider_backends import container, ended, task
from tests.own_engine import OwnEngine, engine_with_busybox

pytestmark = [pytest.mark.docker, pytest.mark.own_engine]

DISK_MIB = 24
MIB = 1024 * 1024


@pytest.fixture
def small_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    """Yield an engine with little disk, and an image on it."""
    with engine_with_busybox(tmp_path_factory.mktemp("e"), disk_mib=DISK_MIB) as engine:
        yield engine


@pytest.mark.parametrize("holders", [1, 2], ids=["one container", "two that share it"])
def test_a_task_that_does_not_fit_waits_and_leaves_nothing(small_engine: OwnEngine, holders: int) -> None:
    provider = DockerProvider("small", connect=lambda: connect(small_engine.url))
    files = Volume("v", "files", (File("large", bytes(2 * DISK_MIB * MIB)),))
    mounts = (Mount("v", "/v"),)
    containers = [container("true", name=f"c{number}", mounts=mounts) for number in range(holders)]
    try:
        with pytest.raises(ProviderUnavailable, match="no space left on device"):
            provider.run(task(*containers, volumes=(files,)))

        with closing(small_engine.client()) as client:
            ours = {"label": f"{labels.CONTROL_PLANE}=small"}
            assert client.containers(all=True, filters=ours) == []
            assert not client.volumes(filters=ours)["Volumes"]
        fits = provider.run(task(container("echo here")))
        assert ended(provider, fits.handle).containers[0].exit_code == 0
    finally:
        provider.close()
