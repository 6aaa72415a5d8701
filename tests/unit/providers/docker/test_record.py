"""A task written down and read again."""

from __future__ import annotations

from chalicelib.providers.base import Container, File, Mount, RegistryLogin, Volume
from chalicelib.providers.docker.record import decode, encode
from tests.unit.providers.docker.builders import task


def test_a_task_comes_back_as_it_was() -> None:
    written = task(
        Container("main", "busybox", command=("sh", "-c", "x"), env=(("A", "b"),), mounts=(Mount("v", "/v"),)),
        Container("bare", "busybox"),
        volumes=(Volume("v", "files", (File("f", b"\x00\xff", 0o600),)),),
        labels=(("app", "x"),),
        host_entries=(("10.0.0.1", "db"),),
        logins=(RegistryLogin("docker.io", "me", "hush"),),
    )

    assert decode(encode(written)) == written
