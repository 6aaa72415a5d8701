"""pods/exec, pods/attach and pods/portforward: options and checks; the local server carries the bytes.

On Lambda no connection stays open: there these are refused with what to use instead.
Reference: Kubernetes API reference v1.36, Pod, connect operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from chalice.app import Response

from chalicelib.apimachinery.accessors import is_terminal, phase_of
from chalicelib.apimachinery.rules.status import bad_request
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.verbs.logs import container_of
from chalicelib.providers.interactive import InteractiveProvider, Streams
from chalicelib.registry.registry import Registry

UPGRADE_KEY = "x-upgrade"  # where the local server looks for a PodStream

Kind = Literal["exec", "attach", "portforward"]

_HIGHEST_PORT = 65535
NO_STREAMS = Streams(stdout=False, stderr=False)


@dataclass(frozen=True, slots=True)
class PodStream:
    """An authorized request for a stream to a pod, to be opened on the client's own connection."""

    kind: Kind
    provider: InteractiveProvider
    handle: str
    pod: str
    container: str = ""
    command: tuple[str, ...] = ()
    streams: Streams = NO_STREAMS
    ports: tuple[int, ...] = ()


class UpgradeResponse(Response):
    """A response that hands the connection over to a stream."""

    def __init__(self, stream: PodStream) -> None:
        super().__init__(body="", status_code=101)
        self.stream = stream

    def to_dict(self, binary_types: Any = None) -> dict[str, Any]:
        """Return Chalice's response dict with the stream under UPGRADE_KEY."""
        as_dict: dict[str, Any] = super().to_dict(binary_types)
        as_dict[UPGRADE_KEY] = self.stream
        return as_dict


class PodStreams:
    """Answers GET and POST of one of the three subresources."""

    def __init__(self, kind: Kind, provider: InteractiveProvider) -> None:
        self._kind = kind
        self._provider = provider

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Return the answer that hands the connection over. Raises 400 for bad options, 404 for no pod."""
        pod = registry.typed(registry.get(info.namespace, info.name))
        if is_terminal(pod):
            raise bad_request(f"cannot {self._kind} a completed pod; current phase is {phase_of(pod)}")
        handle = handle_of(pod)
        if not handle:
            raise bad_request(f"pod {info.name} does not have a host assigned")
        if self._kind == "portforward":
            # the channel protocol names them in the query, SPDY in its streams
            words = [word for value in info.query.get("ports") or () for word in value.split(",")]
            for word in words:
                if not (word.isascii() and word.isdigit() and len(word) <= 5 and 0 < int(word) <= _HIGHEST_PORT):
                    raise bad_request(f'unable to parse "{word}" as a port')
            ports = tuple(int(word) for word in words)
            return UpgradeResponse(PodStream(self._kind, self._provider, handle, info.name, ports=ports))
        container = container_of(pod, info)
        command = tuple(info.query.get("command") or ())
        if self._kind == "exec" and not command:
            raise bad_request("you must specify at least 1 command for the container")
        stdin, tty = info.flag("stdin"), info.flag("tty")
        stdout, stderr = info.flag("stdout"), info.flag("stderr") and not tty
        if not (stdin or stdout or stderr):
            raise bad_request("you must specify at least one of stdin, stdout, stderr")
        streams = Streams(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)
        return UpgradeResponse(PodStream(self._kind, self._provider, handle, info.name, container, command, streams))
