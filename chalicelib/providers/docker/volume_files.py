"""Files of a named volume, read through a container that mounts it and never runs, so that no server need be there."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import BinaryIO, cast

import docker
import docker.errors

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker import admission, labels, pause_image
from chalicelib.providers.docker.engine import Client, machine, reachable, words

AT = "/volume"


def volume_files(
    client: Client, control_plane_id: str, source: str, path: str
) -> Generator[tuple[str, BinaryIO], None, None]:
    """Yield name and content of the file at a path of a volume, or of those in a folder there; nothing if neither is.

    The engine follows links no further than to the container that mounts it, where there is nothing of the machine's.
    Each content is read before the next is asked for. Raises ProviderUnavailable.
    """
    volume = labels.volume_name(control_plane_id, owner="named", volume=source)
    container = ""
    try:
        with reachable():
            client.inspect_volume(volume)  # or the mount would make it
            image = pause_image.ensure(client, admission.machine(machine(client)).architecture)
            # a loader that is left behind goes when the control plane starts anew
            marks = labels.of_control_plane(control_plane_id) | {labels.ROLE: "loader"}
            host = client.create_host_config(binds=[f"{volume}:{AT}:ro"], network_mode="none")
            container = client.create_container(image, labels=marks, host_config=host)["Id"]
            chunks, _ = client.get_archive(container, posixpath.join(AT, path))
            # Closed, its connection goes: until then the engine removes no container whose files it sends
            with closing(chunks), tarfile.open(fileobj=io.BufferedReader(_Chunks(chunks)), mode="r|") as tar:
                for member in tar:
                    if member.isfile() and member.name.count("/") <= 1:
                        yield posixpath.basename(member.name), cast(BinaryIO, tar.extractfile(member))
    except docker.errors.NotFound:
        return
    except (docker.errors.APIError, tarfile.TarError) as error:
        said = words(error) if isinstance(error, docker.errors.APIError) else str(error)
        raise ProviderUnavailable("VolumeUnreadable", f"The volume {volume} cannot be read: {said}") from error
    finally:
        if container:
            with reachable():
                client.remove_container(container, force=True)


class _Chunks(io.RawIOBase):
    """The chunks of a download as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader hands over
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
