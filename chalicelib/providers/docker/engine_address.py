"""Where the engine is, found as Docker's own client finds it, and where programs for macOS, and Podman, put a socket.

Reference: docs.docker.com, "Docker contexts" and "Docker CLI configuration", which keep a context's address in
contexts/meta/<SHA-256 of its name>/meta.json and its certificates in contexts/tls/<the same>/docker.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.providers.base import ProviderUnavailable

DEFAULT_SOCKET = "/var/run/docker.sock"
# Below a person's home: of Docker Desktop without its link at the default place, Colima, OrbStack, Rancher Desktop.
SOCKETS = (".docker/run/docker.sock", ".colima/default/docker.sock", ".orbstack/run/docker.sock", ".rd/docker.sock")
PODMAN_MACHINE = ".local/share/containers/podman/machine/podman.sock"  # also below home: of its machine on macOS
PODMAN_SOCKET = "podman/podman.sock"  # below a user's runtime folder, where it is rootless, and below root's
ROOTS_RUNTIME = Path("/run")
DEFAULT_CONTEXT = "default"


class EngineAddress(NamedTuple):
    """A URL as DOCKER_HOST has it, and the directory of ca.pem, cert.pem and key.pem; "" for none."""

    host: str
    tls_directory: str


def engine_address(
    environ: Mapping[str, str], *, default: Path = Path(DEFAULT_SOCKET), runtime: Path = ROOTS_RUNTIME
) -> EngineAddress:
    """Return what says it first: DOCKER_HOST, DOCKER_CONTEXT, the current context, or a socket that is there.

    Raises ProviderUnavailable for a context that is not there.
    """
    home = Path(environ.get("HOME") or "/")
    folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    if environ.get("DOCKER_HOST"):
        certificates = environ.get("DOCKER_CERT_PATH") or str(folder)
        return EngineAddress(environ["DOCKER_HOST"], certificates if environ.get("DOCKER_TLS_VERIFY") else "")
    name = environ.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext")
    if name and name != DEFAULT_CONTEXT:
        return _of_context(str(name), folder / "contexts")
    runtimes = (Path(environ.get("XDG_RUNTIME_DIR") or runtime), runtime)
    podmans = (*(each / PODMAN_SOCKET for each in runtimes), home / PODMAN_MACHINE)
    # os.path, since root's folder tells others nothing, not even whether a file is there
    there = (path for path in (default, *(home / socket for socket in SOCKETS), *podmans) if os.path.exists(path))
    return EngineAddress(f"unix://{next(there, default)}", "")


def _of_context(name: str, contexts: Path) -> EngineAddress:
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        host = str(_read(contexts / "meta" / key / "meta.json")["Endpoints"]["docker"]["Host"])
    except (KeyError, TypeError) as error:
        message = f"The Docker context {name!r} is not there: docker context ls lists those that are."
        raise ProviderUnavailable("EngineUnavailable", message) from error
    certificates = contexts / "tls" / key / "docker"
    return EngineAddress(host, str(certificates) if certificates.is_dir() else "")


def _read(file: Path) -> dict[str, Any]:
    """Return a JSON object of Docker's client; an empty one where there is none that can be read."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
