"""Whether an image can be pulled by anybody: as a registry with anonymous tokens is asked, and one without."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sparkanywhere.aws.task_checks import public_image, split_image
from tests.aws_box.wire import Answer, HttpServer, Request

INDEX = {
    "manifests": [
        {"platform": {"os": "linux", "architecture": "arm64"}},
        {"platform": {"os": "linux", "architecture": "amd64"}},
        {"platform": {"os": "unknown", "architecture": "unknown"}},  # an attestation
    ]
}


class Registry:
    """Has `team/tool:1`, for those who bring its anonymous token."""

    def __init__(self) -> None:
        self.status = 200
        self.server = HttpServer(self._serve)
        self.host = f"127.0.0.1:{self.server.port}"

    def _serve(self, request: Request) -> Answer:
        if request.target.startswith("/token?"):
            assert "scope=repository%3Ateam%2Ftool%3Apull" in request.target
            return Answer(200, b'{"token": "anonymous"}')
        if request.header("authorization") != "Bearer anonymous":
            asked = f'Bearer realm="{self.server.url}/token",service="tests",scope="repository:team/tool:pull"'
            return Answer(401, b"", [("WWW-Authenticate", asked)])
        if request.target != "/v2/team/tool/manifests/1":
            return Answer(404)
        assert "application/vnd.oci.image.index.v1+json" in request.header("accept")
        return Answer(self.status, json.dumps(INDEX).encode())


@pytest.fixture
def registry() -> Iterator[Registry]:
    made = Registry()
    yield made
    made.server.close()


def test_an_image_that_anybody_may_pull_is_good_and_its_architectures_are_told(registry: Registry) -> None:
    found = public_image("image", f"{registry.host}/team/tool:1")

    assert (found.state, found.text) == ("ok", "anybody may pull it, for amd64, arm64")


@pytest.mark.parametrize(("status", "state"), [(404, "failure"), (403, "failure"), (500, "unknown"), (429, "unknown")])
def test_an_image_that_is_refused_is_a_failure_unless_the_registry_is_busy(
    status: int, state: str, registry: Registry
) -> None:
    registry.status = status

    assert public_image("image", f"{registry.host}/team/tool:1").state == state


def test_a_registry_that_cannot_be_reached_from_here_may_be_reached_from_there() -> None:
    assert public_image("image", "127.0.0.1:9/team/tool:1").state == "unknown"


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("busybox", ("https://registry-1.docker.io", "library/busybox", "latest")),
        ("apache/spark:4.0.1", ("https://registry-1.docker.io", "apache/spark", "4.0.1")),
        ("public.ecr.aws/docker/library/busybox:1", ("https://public.ecr.aws", "docker/library/busybox", "1")),
        ("localhost:5000/a@sha256:0a", ("http://localhost:5000", "a", "sha256:0a")),
        ("ghcr.io/a/b:1@sha256:0a", ("https://ghcr.io", "a/b", "sha256:0a")),
    ],
)
def test_an_images_name_is_read_as_docker_reads_it(image: str, parts: tuple[str, str, str]) -> None:
    assert split_image(image) == parts
