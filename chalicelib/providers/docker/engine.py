"""A connection to a Docker engine that speaks of failures as the Provider contract does.

Reference: Docker Engine API v1.41 (engine 20.10), docker SDK for Python 7.x, APIClient.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import docker
import docker.errors
import docker.utils
import requests
import urllib3

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.docker.engine_address import DEFAULT_SOCKET
from chalicelib.providers.extensions import SharedFolders

PARTS_API = "1.45"  # engine 26, March 2024
OLDEST_API = "1.41"  # engine 20.10, December 2020: host-gateway and the prune filters we rely on
DEFAULT_HOST = f"unix://{DEFAULT_SOCKET}"
CALL_TIMEOUT_SECONDS = 60  # starting a container took up to 1.3 s with both cores busy; a full disk takes longer
UNAVAILABLE = "EngineUnavailable"
CONFLICT = 409  # the engine's answer to what a state forbids, and to a name that is taken
WRONG_STATE = "container state improper"  # Podman's words for the same, which it may call an error of its own

Raw = dict[str, Any]  # JSON of the engine: its shape is Docker's, not ours
Client = Any  # a docker.APIClient: the stubs know only half of its methods, and some of them wrongly
Stream = Any  # a docker.types.CancellableStream: iterate it, close() it


def connect(host: str = "", *, tls_directory: str = "") -> Client:
    """Return a client of the engine at `host` (as in DOCKER_HOST; empty: the default socket).

    `tls_directory` holds ca.pem, cert.pem and key.pem. Raises ProviderUnavailable with one sentence
    that says what to do: no engine, no permission, or an engine too old.
    """
    where = host or DEFAULT_HOST
    try:
        if where.startswith("unix://"):  # the SDK would leak the socket it tried, if nobody listens
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(CALL_TIMEOUT_SECONDS)
                probe.connect("/" + where.removeprefix("unix://").lstrip("/"))
        tls: Any = False  # a TLSConfig or False, as the SDK wants it
        if tls_directory:
            tls = docker.tls.TLSConfig(
                client_cert=(f"{tls_directory}/cert.pem", f"{tls_directory}/key.pem"),
                ca_cert=f"{tls_directory}/ca.pem",
                verify=True,
            )
        with contextlib.closing(_client(where, OLDEST_API, tls)) as client:
            told: Raw = client.version(api_version=False)
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise ProviderUnavailable(UNAVAILABLE, explain(where, error)) from error
    spoken = str(told.get("ApiVersion", "0"))
    if docker.utils.version_lt(spoken, OLDEST_API):
        message = (
            f"Docker engine {told.get('Version', 'unknown')} at {where} is too old (API {spoken}):"
            f" 20.10 (API {OLDEST_API}) or newer is needed."
        )
        raise ProviderUnavailable("EngineTooOld", message)
    return _client(where, spoken, tls)


def is_local(client: Client) -> bool:
    """Return whether the engine runs on this machine: it is reached by a socket in the file system, or a pipe.

    By these URLs docker.APIClient tells them from TCP and from SSH, which has one of the same scheme.
    """
    return client.base_url in ("http+docker://localhost", "http+docker://localnpipe")


def shared_folders(client: Client, info: Raw, host_paths: tuple[str, ...]) -> SharedFolders | None:
    """Return which of the folders allowed are this machine's, and whom a container runs as so that its files are ours.

    None if the engine is on another machine. A rootless engine's root is the user that runs it; one that remaps users
    gives them to nobody. Images let a user of group 0 have a name in /etc/passwd, without which Java does not start.
    """
    if not is_local(client):
        return None
    options = " ".join(map(str, info.get("SecurityOptions") or ()))
    paths = host_paths if "name=userns" not in options else ()
    return SharedFolders(paths, user=f"{0 if 'name=rootless' in options else os.getuid()}:0", is_mounted=True)


def mounts_parts(client: Client) -> bool:
    """Return whether the engine mounts a part of a volume safely (VolumeOptions.Subpath, since API 1.45)."""
    return not docker.utils.version_lt(client.api_version, PARTS_API)


def _client(where: str, version: str, tls: Any) -> Client:
    return docker.APIClient(base_url=where, timeout=CALL_TIMEOUT_SECONDS, tls=tls, version=version)


def explain(where: str, error: BaseException) -> str:
    """Return one sentence on why the engine at `where` cannot be used."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(cause, PermissionError) or "Permission denied" in str(cause) for cause in causes):
        return (
            f"No permission to use the Docker engine at {where}:"
            " add your user to the group that owns the socket (often `docker`) and log in again."
        )
    missing = (FileNotFoundError, ConnectionRefusedError, requests.ConnectionError)
    words = ("No such file", "Connection refused", "Connection aborted")
    if any(isinstance(cause, missing) or any(word in str(cause) for word in words) for cause in causes):
        return f"No Docker engine answers at {where}: start one, or say with DOCKER_HOST where it is."
    return f"The Docker engine at {where} cannot be used: {error}"


@contextlib.contextmanager
def reachable() -> Iterator[None]:
    """Turn a lost connection inside the block into ProviderUnavailable; other errors pass."""
    try:
        yield
    except docker.errors.APIError:
        raise  # an answer, though one of requests' errors too
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError, OSError) as error:
        raise ProviderUnavailable(UNAVAILABLE, f"The Docker engine does not answer: {error}") from error


@contextlib.contextmanager
def unless_gone() -> Iterator[None]:
    """Pass over that what the block acts upon is gone, or going, or in no state to be acted upon.

    A lost connection becomes ProviderUnavailable, as in reachable().
    """
    with reachable():
        try:
            yield
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if error.status_code != CONFLICT and WRONG_STATE not in words(error):
                raise


def interrupt(stream: Stream) -> None:
    """Make a read of the stream by another thread end now; that thread closes it."""
    with contextlib.suppress(Exception):  # the SDK looks for a socket that a stream at its end has no more
        stream.close()


def close_stream(stream: Stream) -> None:
    """Let go of a stream that this thread has read, and of its connection; repeatable."""
    interrupt(stream)
    with contextlib.suppress(Exception):  # the SDK's own close() leaves the socket to the garbage collector
        stream._response.close()


def words(error: docker.errors.APIError) -> str:
    """Return what the engine itself said, without the SDK's wrapping."""
    return str(error.explanation or error)


def machine(client: Client) -> Raw:
    """Return the engine's description of its machine: NCPU, MemTotal, Architecture, Runtimes, ..."""
    with reachable():
        info: Raw = client.info()
    return info
