"""Logins for registries, and how a pull is told."""

from __future__ import annotations

import pytest

from chalicelib.providers.base import RegistryLogin
from chalicelib.providers.docker.images import Progress, find_login

LOGINS = (
    RegistryLogin("https://index.docker.io/v1/", "hub", "x"),
    RegistryLogin("registry.example.com:5000", "own", "x"),
)


@pytest.mark.parametrize(
    ("image", "user"),
    [
        ("busybox", "hub"),
        ("apache/spark:4.3.0", "hub"),
        ("registry.example.com:5000/spark:1", "own"),
        ("registry.example.com/spark:1", None),
        ("quay.io/x/y@sha256:" + "0" * 64, None),
    ],
)
def test_the_login_is_that_of_the_images_registry(image: str, user: str | None) -> None:
    found = find_login(image, LOGINS)

    assert (found.username if found else None) == user


def test_progress_adds_up_the_layers() -> None:
    progress = Progress()
    mib = 2**20

    progress.add({"status": "Pulling fs layer", "id": "a"})
    progress.add({"status": "Downloading", "id": "a", "progressDetail": {"current": 2 * mib, "total": 4 * mib}})
    progress.add({"status": "Pull complete", "id": "b"})

    assert str(progress) == "1 of 2 layers, 2 of 4 MiB"
