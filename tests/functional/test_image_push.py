"""Images pushed from a real engine to a real registry: by the engine, and by skopeo with what `soci` makes of them.

Debian has no soci: a program with its command line, which adds nothing, stands for it. What the real one (0.16.1)
makes was pushed by hand once.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from sparkanywhere.aws import image_push
from sparkanywhere.aws.image_push import Pushed, push
from sparkanywhere.spark.base_image import ImageFailed
from tests.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.docker_registry, pytest.mark.timeout(120)]

IMAGE = "busybox:latest"
KINDS = "application/vnd.oci.image.manifest.v1+json,application/vnd.docker.distribution.manifest.v2+json"
SOCI = """#!/bin/sh
[ "$1 $2" = "convert --standalone" ] || exit 1
cp "$3" "$4"
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Return the address of a registry that is empty."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = tmp_path / "registry.yml"
    settings.write_text(
        f"{{version: 0.1, storage: {{filesystem: {{rootdirectory: {tmp_path}/images}}}}, http: {{addr: '{address}'}}}}"
    )
    with subprocess.Popen(["docker-registry", "serve", str(settings)], stderr=subprocess.DEVNULL) as process:
        until(lambda: answers(address), "the registry to answer")
        yield address
        process.terminate()


def answers(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/v2/", timeout=5).ok
    except requests.ConnectionError:
        return False


def has(address: str, name: str, tag: str) -> bool:
    """Return whether the registry has an image, by its distribution API."""
    url = f"http://{address}/v2/{name}/manifests/{tag}"
    return requests.get(url, headers={"Accept": KINDS}, timeout=5).ok


def test_without_soci_the_engine_pushes_and_it_is_said(
    engine: Any, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "soci" else tool)

    pushed = push(engine, IMAGE, f"{registry}/team/plain", lambda _step: None)

    assert pushed == Pushed(f"{registry}/team/plain:latest", no_index="soci is not installed")
    assert has(registry, "team/plain", "latest")


def test_what_soci_has_made_is_pushed(
    engine: Any, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "soci").write_text(SOCI)
    (tmp_path / "bin" / "soci").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    assert push(engine, IMAGE, f"{registry}/team/indexed:1", lambda _step: None) == Pushed(f"{registry}/team/indexed:1")
    assert has(registry, "team/indexed", "1")


def test_a_registry_that_is_not_there_is_one_sentence(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _tool: None)

    with pytest.raises(ImageFailed, match=r"^127\.0\.0\.1:1/team/none:latest was not pushed: "):
        push(engine, IMAGE, "127.0.0.1:1/team/none", lambda _step: None)


def test_a_repository_of_ecr_is_logged_in_to_by_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clients:
        def __init__(self, region: str) -> None:
            assert region == "eu-west-1"

        def __call__(self, service: str) -> Any:
            assert service == "ecr"
            return self

        def get_authorization_token(self, *, registryIds: list[str]) -> dict[str, Any]:
            assert registryIds == ["123456789012"]
            return {"authorizationData": [{"authorizationToken": base64.b64encode(b"AWS:hush").decode()}]}

    class Engine:
        def tag(self, *_words: str) -> None: ...

        def push(self, repository: str, tag: str, **how: Any) -> list[dict[str, str]]:
            assert (repository, tag) == ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/spark", "4.3.0")
            assert how["auth_config"] == {"username": "AWS", "password": "hush"}
            pushed.append(tag)
            return []

    pushed: list[str] = []
    monkeypatch.setattr(shutil, "which", lambda _tool: None)
    monkeypatch.setattr(image_push, "Clients", Clients)

    push(
        Engine(), "sparkanywhere/spark:4.3.0", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/spark", lambda _step: None
    )

    assert pushed == ["4.3.0"]
