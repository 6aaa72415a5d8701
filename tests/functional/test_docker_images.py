"""How the Docker provider comes by images, on a real engine: what is there, what is missing, what a registry keeps."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from typing import Any

import docker.errors
import pytest

from chalicelib.providers.base import File, Mount, RegistryLogin, TaskState, Volume
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.provider import DockerProvider
from tests.contract.provider_backends import container, ended, state_of, task
from tests.functional.docker_tasks import MISSING, Open, ours, output, waiting_for
from tests.image_registry import ImageRegistry
from tests.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]


def test_a_missing_image_is_told_in_the_engines_words_and_tried_again(provider: DockerProvider) -> None:
    seen: list[TaskState] = []
    provider.start(seen.append)

    handle = provider.run(task(container("exit 0", image=MISSING))).handle

    state = waiting_for(provider, handle, "ImagePullBackOff")
    assert "registry.invalid" in state.containers[0].message
    until(lambda: len([s for s in seen if s.containers[0].reason == "ErrImagePull"]) >= 2, "a second try")
    assert state.phase == "pending"


def test_an_image_that_comes_later_is_used(
    provider: DockerProvider, engine: Any, tagged: Callable[[str], None]
) -> None:
    handle = provider.run(task(container("echo here", image=MISSING))).handle
    waiting_for(provider, handle, "ImagePullBackOff")

    tagged(MISSING)

    assert ended(provider, handle).containers[0].exit_code == 0
    assert dict(state_of(provider, handle).times).keys() == {"pull_started", "pull_stopped"}
    assert state_of(provider, handle).containers[0].fetch is not None
    assert not [item for item in engine.containers(all=True) if item["Labels"].get(labels.ROLE) == "loader"]


def test_an_image_that_may_not_be_pulled_is_waited_for(provider: DockerProvider) -> None:
    handle = provider.run(task(container("exit 0", image=MISSING, pull="never"))).handle

    assert "Never" in waiting_for(provider, handle, "ErrImageNeverPull").containers[0].message


def test_our_own_image_is_built_not_pulled(provider: DockerProvider) -> None:
    handle = provider.run(task(container("exit 0", image="sparkanywhere/spark:0.0.1"))).handle

    message = waiting_for(provider, handle, "ErrImagePull").containers[0].message
    assert "sparkanywhere image 0.0.1" in message


def test_a_crash_while_an_image_is_on_its_way_loses_no_task(open_provider: Open, tagged: Callable[[str], None]) -> None:
    first = open_provider()
    secret = Volume("v", "files", (File("f", b"kept"),))
    wanted = container("cat /v/f", image=MISSING, mounts=(Mount("v", "/v"),))
    handle = first.run(task(wanted, volumes=(secret,))).handle
    first.close()
    tagged(MISSING)

    second = open_provider()

    assert ended(second, handle).containers[0].exit_code == 0
    assert output(second, handle) == "kept"


def test_a_task_that_waits_for_its_image_can_be_stopped(
    provider: DockerProvider, engine: Any, control_plane: str
) -> None:
    handle = provider.run(task(container("exit 0", image=MISSING))).handle

    provider.stop(handle, grace_seconds=30)

    assert ended(provider, handle).containers[0].exit_code is None
    until(lambda: not ours(engine, control_plane), "nothing is left")


class TestARegistry:
    @pytest.fixture
    def registry(self, engine: Any) -> Iterator[ImageRegistry]:
        registry = ImageRegistry(engine, "busybox")
        yield registry
        registry.close()
        with suppress(docker.errors.ImageNotFound):
            engine.remove_image(registry.image, force=True)

    def test_who_has_a_login_gets_the_image_and_sees_it_come(
        self, provider: DockerProvider, registry: ImageRegistry
    ) -> None:
        seen: list[TaskState] = []
        provider.start(seen.append)
        logins = (
            RegistryLogin("registry.example.com", "other", "other"),
            RegistryLogin(registry.host, registry.USER, registry.PASSWORD),
        )

        wanted = task(container("echo here", image=registry.image))

        handle = provider.run(replace(wanted, logins=logins)).handle

        until(lambda: any("1 of 2 layers" in state.containers[0].message for state in seen), "a word on how far it is")
        registry.quick.set()
        (only,) = ended(provider, handle).containers
        assert only.exit_code == 0
        assert only.fetch is not None
        assert 0 < only.fetch.seconds <= only.fetch.asked_seconds
        assert only.fetch.size_bytes > 2 * 1024 * 1024
        assert output(provider, handle) == "here\n"

    def test_who_has_none_is_told_and_tried_again(self, provider: DockerProvider, registry: ImageRegistry) -> None:
        handle = provider.run(task(container("exit 0", image=registry.image))).handle

        assert "no basic auth" in waiting_for(provider, handle, "ImagePullBackOff").containers[0].message

    def test_the_policy_says_when_the_registry_is_asked(
        self, provider: DockerProvider, registry: ImageRegistry
    ) -> None:
        registry.quick.set()
        logins = (RegistryLogin(registry.host, registry.USER, registry.PASSWORD),)
        for pull, is_asked in (("missing", True), ("missing", False), ("always", True), ("never", False)):
            before = registry.asked
            wanted = container("exit 0", image=registry.image, pull=pull)

            handle = provider.run(replace(task(wanted), logins=logins)).handle

            assert ended(provider, handle).containers[0].exit_code == 0
            assert (registry.asked > before) == is_asked, pull


def test_an_image_that_comes_without_a_command_is_waited_with_and_may_be_stopped(
    provider: DockerProvider, engine: Any
) -> None:
    image = "registry.invalid/no-command:1"
    handle = provider.run(task(replace(container("", image=image), command=None, args=None))).handle
    waiting_for(provider, handle, "ImagePullBackOff")
    archive = BytesIO()
    tarfile.open(fileobj=archive, mode="w").close()

    try:
        engine.import_image_from_data(archive.getvalue(), repository="registry.invalid/no-command", tag="1")
        state = waiting_for(provider, handle, "CreateContainerError")
        assert (state.phase, state.containers[0].message) == ("pending", "No command specified")
        provider.stop(handle, grace_seconds=1)
        assert ended(provider, handle).phase == "stopped"
    finally:
        with suppress(docker.errors.ImageNotFound):
            engine.remove_image(image)
