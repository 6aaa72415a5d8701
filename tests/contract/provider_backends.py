"""The backends that the provider contract runs on, and the tasks it starts."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Protocol

from chalicelib.providers.base import Container, Provider, Task, TaskState, Volume
from chalicelib.providers.interactive import InteractiveProvider, Session
from chalicelib.providers.process.provider import ProcessProvider
from chalicelib.providers.slurm.declaration import SlurmSettings
from chalicelib.providers.slurm.provider import SlurmProvider
from chalicelib.providers.supervised.leftovers import remove_all
from tests.example_provider import ExampleProvider
from tests.fake_provider import FakeProvider
from tests.waiting import until
from tools.slurm_lab import Lab

# Five files of it hold the longest output of a test that wants all of it, however small the pieces are that come.
LOG_BYTES = 40_000


class ProviderFactory(Protocol):
    """Opens handles on one backend, as a control plane does that is started again and again."""

    image: str  # of a small container that has sh

    def open(self) -> Provider: ...

    def close(self) -> None: ...


class FakeProviders:
    """The fake: what it knows outlives a handle, as long as the factory lives."""

    image = "busybox"

    def __init__(self, directory: Path) -> None:
        del directory
        self._provider = FakeProvider()

    def open(self) -> Provider:
        return self._provider

    def close(self) -> None:
        self._provider.close()


class ExampleProviders:
    """The example: as with the fake, its tasks are known as long as the factory lives."""

    image = "busybox"

    def __init__(self, directory: Path) -> None:
        self._provider = ExampleProvider(directory)

    def open(self) -> Provider:
        return self._provider

    def close(self) -> None:
        remove_all(self._provider)
        self._provider.close()


class ProcessProviders:
    """Processes of this machine, in namespaces of their own where the system has them."""

    image = "busybox"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened: list[ProcessProvider] = []

    def open(self) -> Provider:
        provider = ProcessProvider(
            self._directory, self._directory / "spark", environ=os.environ, backoff_seconds=0.05, log_bytes=LOG_BYTES
        )
        self._opened.append(provider)
        return provider

    def close(self) -> None:
        for provider in self._opened:
            provider.close()
            remove_all(provider)


class SlurmProviders:
    """Jobs of a Slurm of this machine's own, whose nodes share its file system."""

    image = "busybox"

    def __init__(self, directory: Path, lab: Lab, *, settings: SlurmSettings | None = None) -> None:
        self._directory, self._lab, self._settings = directory, lab, settings or SlurmSettings()
        self._opened: list[SlurmProvider] = []

    def open(self, **environ: str) -> SlurmProvider:
        provider = SlurmProvider(
            self._directory,
            self._directory / "spark",
            environ={**os.environ, **self._lab.environ, **environ},
            instance="test",
            settings=self._settings,
            address=lambda: self._lab.address,
            backoff_seconds=0.05,
            log_bytes=LOG_BYTES,
        )
        self._opened.append(provider)
        return provider

    def close(self) -> None:
        for provider in self._opened:
            provider.close()
            remove_all(provider)


def container(script: str, *, name: str = "main", **fields: object) -> Container:
    """Return a container that runs a shell script."""
    known = {"image": "busybox", "command": ("sh", "-c", script), **fields}
    return Container(name=name, **known)  # type: ignore[arg-type]  # fields are Container's own


def task(*containers: Container, uid: str = "", volumes: tuple[Volume, ...] = ()) -> Task:
    """Return a task of these containers with a uid of its own."""
    labels = (("app", "test"),)
    return Task(
        uid=uid or str(uuid.uuid4()),
        group="default",
        name="test",
        containers=containers,
        volumes=volumes,
        labels=labels,
    )


def state_of(provider: Provider, handle: str) -> TaskState:
    """Return the state of a task that must be known."""
    (state,) = provider.describe([handle])
    return state


def ended(provider: Provider, handle: str) -> TaskState:
    """Wait for the task's end and return its last state."""
    until(lambda: state_of(provider, handle).phase == "stopped", f"{handle} ends")
    return state_of(provider, handle)


def running(provider: Provider, handle: str, name: str = "main") -> TaskState:
    """Wait until a container of the task runs and return the task's state."""

    def runs() -> bool:
        return any(one.name == name and one.phase == "running" for one in state_of(provider, handle).containers)

    until(runs, f"{name} of {handle} runs")
    return state_of(provider, handle)


class LookedInto:
    """A provider with sessions, and one task on it whose container `main` runs a script."""

    def __init__(self, provider: Provider) -> None:
        assert isinstance(provider, InteractiveProvider)
        self.provider: Provider = provider
        self.interactive: InteractiveProvider = provider

    def run(self, script: str, *, stdin: bool = False, stdin_once: bool = False) -> str:
        """Run a task with this script; return its handle once the container runs."""
        handle = self.provider.run(task(container(script, stdin=stdin, stdin_once=stdin_once))).handle
        running(self.provider, handle)
        return handle


def output(session: Session) -> dict[str, bytes]:
    """Return all that the session says until its end, by channel."""
    said: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    while (piece := session.read()) is not None:
        said[piece[0]] += piece[1]
    return said
