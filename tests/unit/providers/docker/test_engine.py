"""What people are told when there is no engine to talk to."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest
import requests
from requests.adapters import HTTPAdapter

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker.engine import OLDEST_API, connect, explain, shared_folders, unless_gone
from chalicelib.providers.docker.events import event_time, since_text
from chalicelib.providers.docker.identity import control_plane_id
from chalicelib.providers.docker.pause_image import CODE, program
from chalicelib.providers.extensions import SharedFolders


def test_no_engine_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable) as error:
        connect(f"unix://{tmp_path}/none.sock")

    assert error.value.message.startswith("No Docker engine answers at unix://")
    assert "DOCKER_HOST" in error.value.message


def test_no_permission_names_the_group() -> None:
    refusal = ConnectionError("Connection aborted.")
    refusal.__cause__ = PermissionError(13, "Permission denied")

    told = explain("unix:///var/run/docker.sock", refusal)

    assert told.startswith("No permission to use the Docker engine")


@pytest.mark.parametrize(
    ("status", "said", "passes"),
    [
        (409, "Container is not running", True),
        (500, "can only kill running containers: container state improper", True),  # Podman 4.3's answer
        (500, "no space left on device", False),
    ],
)
def test_what_a_state_forbids_is_passed_over(status: int, said: str, passes: bool) -> None:
    answer = requests.Response()
    answer.status_code = status
    refusal = docker.errors.APIError("refused", answer, said)

    with nullcontext() if passes else pytest.raises(docker.errors.APIError), unless_gone():
        raise refusal


def test_the_moment_to_go_on_from_has_nanoseconds() -> None:
    assert since_text(1_700_000_000_000_000_001) == "1700000000.000000001"


@pytest.mark.parametrize(
    "text", ["2026-11-23T01:48:28.374811550Z", "2026-11-23T02:48:28.374811550+01:00", "2026-11-23T01:48:28.374811Z"]
)
def test_the_engines_time_is_read_in_any_zone(text: str) -> None:
    assert event_time(text) == 1_795_398_508_374_811_000


def test_a_control_plane_keeps_its_id(tmp_path: Path) -> None:
    first = control_plane_id(tmp_path, "default", lambda: "12345678-9abc")

    again = control_plane_id(tmp_path, "default", lambda: "other")

    assert first == again == "default-12345678"
    assert [path.name for path in tmp_path.iterdir()] == ["control-plane-id"]


@pytest.mark.parametrize("architecture", CODE)
def test_the_pause_program_is_an_elf_file_of_its_architecture(architecture: str) -> None:
    content = program(architecture)

    assert content[:4] == b"\x7fELF"
    assert int.from_bytes(content[18:20], "little") == CODE[architecture][0]
    assert content.endswith(CODE[architecture][1])
    entry = int.from_bytes(content[24:32], "little")
    assert entry - 0x400000 == len(content) - len(CODE[architecture][1])


@pytest.mark.parametrize(
    ("options", "url", "paths", "user"),
    [
        (["name=seccomp,profile=default"], "http+docker://localhost", ("/work",), os.getuid()),
        (["name=rootless"], "http+docker://localhost", ("/work",), 0),
        (["name=userns"], "http+docker://localhost", (), os.getuid()),
    ],
    ids=["usual", "rootless", "remapped users"],
)
def test_folders_are_shared_where_their_files_will_be_ours(
    options: list[str] | None, url: str, paths: tuple[str, ...], user: int
) -> None:
    shared = shared_folders(SimpleNamespace(base_url=url), {"SecurityOptions": options}, ("/work",))

    assert shared == SharedFolders(paths, user=f"{user}:0", is_mounted=True)


@pytest.mark.parametrize("host", ["tcp://engine.example:2376", "ssh://engine.example", "tcp://127.0.0.1:2376"])
def test_an_engine_of_another_machine_shares_none(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docker.api.client.SSHHTTPAdapter", lambda *_given, **_named: HTTPAdapter(), raising=False)
    with docker.APIClient(base_url=host, version=OLDEST_API) as client:
        assert shared_folders(client, {}, ("/work",)) is None
