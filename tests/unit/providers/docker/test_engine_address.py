"""Where the Docker engine is taken to be."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker.engine_address import PODMAN_MACHINE, SOCKETS, engine_address


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the home of a person whose Docker client has a context `colima`, with certificates, and has chosen it."""
    folder, key = tmp_path / ".docker", hashlib.sha256(b"colima").hexdigest()
    meta = folder / "contexts/meta" / key
    meta.mkdir(parents=True)
    (folder / "contexts/tls" / key / "docker").mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": "unix:///colima.sock"}}}))
    (folder / "config.json").write_text('{"currentContext": "colima"}')
    return tmp_path


def test_docker_host_comes_first(home: Path) -> None:
    named = {"HOME": str(home), "DOCKER_HOST": "tcp://far:2376", "DOCKER_CONTEXT": "colima"}

    assert engine_address(named) == ("tcp://far:2376", "")
    assert engine_address({**named, "DOCKER_TLS_VERIFY": "1"}) == ("tcp://far:2376", str(home / ".docker"))
    assert engine_address({**named, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}) == ("tcp://far:2376", "/c")


def test_then_the_chosen_context(home: Path) -> None:
    key = hashlib.sha256(b"colima").hexdigest()

    found = engine_address({"HOME": str(home)})

    assert found == ("unix:///colima.sock", str(home / ".docker/contexts/tls" / key / "docker"))
    assert engine_address({"DOCKER_CONFIG": str(home / ".docker"), "DOCKER_CONTEXT": "colima"}) == found


@pytest.mark.parametrize("chosen", ['{"currentContext": "default"}', "{}", "[]", "no JSON"])
@pytest.mark.parametrize("socket", SOCKETS)
def test_then_the_first_socket_that_is_there(home: Path, chosen: str, socket: str) -> None:
    (home / ".docker/config.json").write_text(chosen)
    default = home / "docker.sock"
    environ = {"HOME": str(home)}

    assert engine_address(environ, default=default, runtime=home / "none").host == f"unix://{default}"
    (home / socket).parent.mkdir(parents=True, exist_ok=True)
    (home / socket).touch()
    assert engine_address(environ, default=default, runtime=home / "none").host == f"unix://{home / socket}"
    default.touch()
    assert engine_address(environ, default=default, runtime=home / "none").host == f"unix://{default}"


def test_podmans_sockets_come_after_dockers(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    default = tmp_path / "docker.sock"

    for socket in (tmp_path / PODMAN_MACHINE, tmp_path / "run/podman/podman.sock", tmp_path / SOCKETS[0]):
        socket.parent.mkdir(parents=True)
        socket.touch()
        assert engine_address(environ, default=default, runtime=tmp_path / "none").host == f"unix://{socket}"
    assert engine_address({}, default=default, runtime=tmp_path / "run").host.endswith("run/podman/podman.sock")


def test_a_context_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(ProviderUnavailable, match=r"The Docker context 'desktop' is not there: docker context ls"):
        engine_address({"HOME": str(home), "DOCKER_CONTEXT": "desktop"})
