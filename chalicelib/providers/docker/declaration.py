"""What the provider `docker` declares. The Docker SDK is imported by those functions alone that need an engine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from chalicelib.extras import lacking
from chalicelib.private_folder import make_private
from chalicelib.providers.base import Provider, ProviderUnavailable
from chalicelib.providers.declaration import ProviderContext, ProviderDeclaration
from chalicelib.providers.docker import identity
from chalicelib.providers.docker.engine_address import engine_address


@dataclass(frozen=True, slots=True)
class DockerSettings:
    """The settings that this provider alone has. Where the engine is, Docker's own say, see engine_address."""

    host_paths: str = field(
        default="", metadata={"doc": "folders that hostPath volumes may name, separated by colons", "option": True}
    )
    allow_privileged: bool = field(
        default=False, metadata={"doc": "whether pods may be privileged, use the host's network and add any capability"}
    )
    service_image: str = field(
        default="",
        metadata={
            "doc": "image with python3 that serves names and addresses of Services; default a Spark image of ours"
        },
    )


def connect(context: ProviderContext) -> Any:  # Any: a docker.APIClient, whose stubs know half of it
    """Return a connection to the engine that the environment names. Raises ProviderUnavailable with one sentence."""
    _require_sdk()
    from chalicelib.providers.docker.engine import connect as connect_to

    address = engine_address(context.environ)
    return connect_to(address.host, tls_directory=address.tls_directory)


def _require_sdk() -> None:
    if words := lacking("docker"):
        raise ProviderUnavailable("SdkMissing", words)


def build(context: ProviderContext) -> Provider:
    """Return a provider that has reached its engine: without one, nothing must be promised."""
    _require_sdk()
    from chalicelib.providers.docker.provider import DockerProvider

    settings: DockerSettings = context.settings
    make_private(context.state)
    provider = DockerProvider(
        identity.control_plane_id(context.state, context.instance, lambda: str(uuid.uuid4())),
        connect=lambda: connect(context),
        host_paths=tuple(path for path in settings.host_paths.split(":") if path),
        host_names=context.api_names,
        allow_privileged=settings.allow_privileged,
        service_image=settings.service_image,
    )
    provider.open()
    return provider


def check(context: ProviderContext) -> str:
    """Return the engine's version."""
    with closing(connect(context)) as client:
        return f"engine {client.version()['Version']}"


def clean_up(context: ProviderContext) -> int:
    """Remove all containers, networks and volumes; return how many. Where no engine was ever used, there are none."""
    control_plane_id = identity.find(context.state)
    if not control_plane_id:
        return 0
    with closing(connect(context)) as client:
        from chalicelib.providers.docker.cleanup import down

        removed = down(client, control_plane_id)
    return removed.containers + removed.networks + removed.volumes


def volume_files(context: ProviderContext, source: str, path: str) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the files at a path of a named volume."""
    if control_plane_id := identity.find(context.state):
        with closing(connect(context)) as client:
            from chalicelib.providers.docker.volume_files import volume_files as files_of

            yield from files_of(client, control_plane_id, source, path)


DECLARATION = ProviderDeclaration(
    name="docker",
    summary="containers of a Docker engine",
    build=build,
    settings=DockerSettings,
    flag_help="Run pods as containers of a Docker engine.",
    network="bridge",
    volumes_last=True,
    volume_files=volume_files,
    shares_cpu=True,
    splits_output=True,
    not_honoured=("size limits of volumes", "requests of disk"),
    start_advice={"pull": "the engine did not have the image: the next start finds it there"},
    image_engine=connect,
    check=check,
    leavings="containers, networks and volumes",
    clean_up=clean_up,
)
