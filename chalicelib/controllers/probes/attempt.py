"""One attempt of a probe: a command, an HTTP request, a connection or a gRPC health check, and what came of it.

Each ends within its timeout, whatever the other side does. Wordings: kubernetes/pkg/probe (v1.36).
"""

from __future__ import annotations

import errno
import json
import os
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.probe import Probe
from chalicelib.controllers.probes import grpc_health
from chalicelib.controllers.probes.wire import Wire
from chalicelib.providers.interactive import CannotRun, InteractiveProvider, Streams

Result = Literal["success", "failure", "error"]

OUTPUT_BYTES = 10 * 1024  # of a command's output, as much as a kubelet reads
HEAD_BYTES = 64 * 1024  # of the head of an HTTP answer
HIGHEST_PORT = 65535
HEADERS = {"User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt. One that could not be made is an error, and counts for nothing."""

    result: Result
    message: str = ""


SUCCESS = Outcome("success")


def attempt(provider: InteractiveProvider, handle: str, address: str, probe: Probe) -> Outcome:
    """Make one attempt. Raises TaskNotFound if the container does not run, ProviderUnavailable."""
    handler = probe.handler
    if command := (handler.get("exec") or {}).get("command"):
        return _run(provider, handle, probe, command)
    for name, ask in (("httpGet", _get), ("tcpSocket", _connect), ("grpc", _check)):
        if (how := handler.get(name)) is not None:
            try:
                port = _port(how.get("port"), probe)
            except ValueError as error:
                return Outcome("error", str(error))
            return ask(_Target(provider, handle, address, port), how, time.monotonic() + probe.timeout)
    return Outcome("error", "missing probe handler")


def _run(provider: InteractiveProvider, handle: str, probe: Probe, command: list[str]) -> Outcome:
    deadline = time.monotonic() + probe.timeout
    try:
        session = provider.exec(handle, probe.container, command, Streams())
    except CannotRun as error:
        return Outcome("error", str(error))
    output = b""
    try:
        while (piece := session.read()) is not None:
            output += piece[1][: OUTPUT_BYTES - len(output)]
            if time.monotonic() >= deadline:
                said = json.dumps(" ".join(command), ensure_ascii=False)
                return Outcome("failure", f"command timed out: {said} timed out after {probe.timeout}s")
        code = session.exit_code()
    finally:
        session.close()
    return SUCCESS if code == 0 else Outcome("failure", output.decode(errors="replace"))


def _port(given: int | str | None, probe: Probe) -> int:
    """Return a port by its number or name. Raises ValueError in Go's words."""
    if isinstance(given, str) and not given.isdigit():
        found = dict(probe.ports).get(given)
        if found is None:
            raise ValueError(f'strconv.Atoi: parsing "{given}": invalid syntax')
        given = found
    number = int(given or 0)
    if not 0 < number <= HIGHEST_PORT:
        raise ValueError(f"invalid port number: {number}")
    return number


@dataclass(frozen=True, slots=True)
class _Target:
    provider: InteractiveProvider
    handle: str
    address: str
    port: int

    @property
    def authority(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def dial(self, deadline: float) -> Wire:
        """Return a connection. Raises OSError."""
        return Wire(self.provider.connect(self.handle, self.port), deadline)


def _connect(target: _Target, how: JSON, deadline: float) -> Outcome:
    del how
    try:
        with target.dial(deadline) as wire:
            wire.check_time()
            return SUCCESS
    except OSError as error:
        return Outcome("failure", _dialled(target, error))


def _dialled(target: _Target, error: OSError) -> str:
    if isinstance(error, TimeoutError) or error.errno is None:
        return f"dial tcp {target.authority}: i/o timeout"
    return f"dial tcp {target.authority}: connect: {_words(error)}"


def _words(error: OSError) -> str:
    return os.strerror(error.errno or errno.EIO).lower()


def _get(target: _Target, how: JSON, deadline: float) -> Outcome:
    """Answer by the status of GET: from 200 to 399 is a success. Redirects are not followed."""
    is_secure = str(how.get("scheme", "HTTP")).upper() == "HTTPS"
    path = quote(how.get("path") or "/", safe="/?&=%:@!$'()*+,;~[]#")
    path = path if path.startswith("/") else f"/{path}"
    url = f"{'https' if is_secure else 'http'}://{target.authority}{path}"
    try:
        request = _request(path, {"Host": target.authority, **HEADERS}, how.get("httpHeaders") or ())
    except ValueError as error:
        return Outcome("error", str(error))
    try:
        wire = target.dial(deadline)
    except OSError as error:
        return Outcome("failure", f'Get "{url}": {_dialled(target, error)}')
    with wire:
        try:
            if is_secure:
                wire.encrypt(target.address)
            wire.send(request)
            status = _status(wire)
        except TimeoutError:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        except ssl.SSLError as error:
            why = f"tls: {error.reason or error}"
        except OSError as error:
            why = _words(error)
        except (EOFError, ValueError) as error:
            why = str(error)
        else:
            said = f"HTTP probe failed with statuscode: {status}"
            return SUCCESS if 200 <= status < 400 else Outcome("failure", said)
    return Outcome("failure", f'Get "{url}": {why}')


def _request(path: str, headers: dict[str, str], given: Iterable[JSON]) -> bytes:
    """Return the request, with the headers that are given in place of ours. Raises ValueError for none of one line."""
    for each in given:
        name, value = str(each.get("name", "")), str(each.get("value", ""))
        if not name or not (name + value).isprintable():
            raise ValueError(f"net/http: invalid header field {name!r}")
        headers = {known: text for known, text in headers.items() if known.lower() != name.lower()} | {name: value}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join((*lines, "", "")).encode()


def _status(wire: Wire) -> int:
    """Return the status of the answer, after those that only announce one. Raises EOFError, ValueError, OSError."""
    while True:
        head = wire.read_until(b"\r\n\r\n", HEAD_BYTES)
        version, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        code = rest[:3].decode("latin-1")
        if not version.startswith(b"HTTP/") or not code.isdigit():
            raise ValueError("malformed HTTP response")
        if int(code) >= 200 or int(code) == 101:
            return int(code)


def _check(target: _Target, how: JSON, deadline: float) -> Outcome:
    service = str(how.get("service") or "")
    try:
        wire = target.dial(deadline)
    except OSError:
        return Outcome("failure", f'timeout: failed to connect service "{target.authority}" within its time')
    with wire:
        try:
            status = grpc_health.check(wire, target.authority, service)
        except TimeoutError:
            return Outcome("failure", "timeout: health rpc did not complete within its time")
        except (EOFError, OSError, ValueError) as error:
            return Outcome("failure", f"error: health rpc probe failed: {error}")
    said = f"service unhealthy (responded with {json.dumps(status)})"
    return SUCCESS if status == "SERVING" else Outcome("failure", said)
