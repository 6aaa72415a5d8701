"""What tests of the Docker provider look at: logs, waits, and the engine's own view of a control plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.providers.base import LogOptions, TaskState
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.provider import DockerProvider
from tests.contract.provider_backends import state_of
from tests.waiting import until

MISSING = "registry.invalid/nobody/has-this:1"
# The engine hears of a kill for memory by an event. It listens some time after the container's start, and the event of
# a container that ends with it may be lost: three are killed, a second apart.
BEYOND_MEMORY = "for n in 1 2 3; do tail /dev/zero; code=$?; sleep 1; done; exit $code"

Open = Callable[..., DockerProvider]


def output(provider: DockerProvider, handle: str, name: str = "main") -> str:
    """Return a container's log."""
    return b"".join(provider.logs(handle, name, LogOptions())).decode()


def ours(engine: Any, control_plane: str) -> list[dict[str, Any]]:
    """Return the engine's summaries of a control plane's containers."""
    found: list[dict[str, Any]] = engine.containers(
        all=True, filters={"label": f"{labels.CONTROL_PLANE}={control_plane}"}
    )
    return found


def waiting_for(provider: DockerProvider, handle: str, reason: str) -> TaskState:
    """Wait until the first container waits for that reason."""
    until(lambda: state_of(provider, handle).containers[0].reason == reason, reason)
    return state_of(provider, handle)
