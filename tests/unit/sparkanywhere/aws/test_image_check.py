"""Whether an image can be pulled: by anybody, from a registry with anonymous tokens or without, and through ECR."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sparkanywhere.aws.site import Site
from sparkanywhere.aws.task_checks import check_image, public_image, split_image
from tests.aws_box.account import ACCOUNT, REGION, FakeAccount, Refused
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


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("public/team/tool:1", ("ok", "anybody may pull it, for amd64, arm64")),
        ("public/team/tool:2", ("failure", "answers 404")),
        ("public:1", ("failure", "ECR has no such image")),
        ("other/team/tool:1", ("failure", "ECR has no such image")),
    ],
)
def test_what_ecr_has_no_copy_of_yet_is_looked_for_where_its_rule_pulls_from(
    image: str, found: tuple[str, str], registry: Registry
) -> None:
    account = FakeAccount(pull_through={"public": registry.host})

    def no_repository(_: object) -> dict[str, object]:
        raise Refused("RepositoryNotFoundException")

    account.answers["BatchGetImage"] = no_repository
    name = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{image}"

    [line] = check_image(name)(Site("", "", "", (), {}), account.clients())

    assert line.state == found[0]
    assert found[1] in line.text
