"""What is asked of exec, attach and port-forward, before any connection is handed over."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, cast

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.verbs.pod_streams import UPGRADE_KEY, Kind, PodStream, PodStreams
from chalicelib.providers.interactive import InteractiveProvider, Session, Streams
from chalicelib.registry.registry import Registry
from chalicelib.resources.pods.marks import TASK_ANNOTATION
from sparkanywhere.streaming.upgrade import choose
from sparkanywhere.webserver.messages import RequestHead

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class NoSessions:
    """A provider of which nothing is asked here."""

    def exec(self, handle: str, container: str, command: Sequence[str], streams: Streams) -> Session:
        """Fail."""
        raise AssertionError(handle, container, command, streams)

    def attach(self, handle: str, container: str, streams: Streams) -> Session:
        """Fail."""
        raise AssertionError(handle, container, streams)

    def connect(self, handle: str, port: int) -> socket.socket:
        """Fail."""
        raise AssertionError(handle, port)


class OnePod:
    """As much of a Registry as the endpoint uses."""

    def __init__(self, pod: JSON) -> None:
        self._pod = pod

    def get(self, namespace: str, name: str) -> JSON:
        """Return the pod, whatever its name."""
        assert (namespace, name) == ("jobs", "driver")
        return self._pod

    def typed(self, stored: JSON) -> JSON:
        """Return it as it is."""
        return stored


def pod(*containers: str, phase: str = "Running", handle: str = "task-1") -> JSON:
    """Return a pod."""
    return {
        "metadata": {"name": "driver", "annotations": {TASK_ANNOTATION: handle} if handle else {}},
        "spec": {"containers": [{"name": name} for name in containers or ("main",)]},
        "status": {"phase": phase},
    }


def ask(kind: Kind, query: str = "", *, of: JSON | None = None) -> PodStream:
    """Return what a request with this query gets."""
    values: dict[str, list[str]] = {}
    for pair in query.split("&") if query else []:
        name, _, value = pair.partition("=")
        values.setdefault(name, []).append(value)
    info = RequestInfo("get", "/", "GET", resource="pods", namespace="jobs", name="driver", query=values)
    provider: InteractiveProvider = NoSessions()
    registry = cast(Registry, OnePod(of or pod()))
    response = PodStreams(kind, provider).answer(registry, info)
    stream: Any = response.to_dict()[UPGRADE_KEY]  # Any: chalice's dict
    assert isinstance(stream, PodStream)
    return stream


def test_a_command_is_asked_for_with_its_words_and_streams() -> None:
    stream = ask("exec", "command=sh&command=-c&command=true&stdin=true&stdout=true&stderr=true&container=main")

    assert (stream.handle, stream.pod, stream.container) == ("task-1", "driver", "main")
    assert stream.command == ("sh", "-c", "true")
    assert stream.streams == Streams(stdin=True, stdout=True, stderr=True)


def test_a_terminal_has_no_stderr() -> None:
    assert ask("attach", "stdout=true&stderr=true&tty=true").streams == Streams(stderr=False, tty=True)


def test_ports_are_those_of_the_query() -> None:
    assert ask("portforward", "ports=80,443&ports=4040").ports == (80, 443, 4040)
    assert ask("portforward").ports == ()


@pytest.mark.parametrize(
    ("kind", "query", "of", "words"),
    [
        ("exec", "stdout=true", pod(), "you must specify at least 1 command"),
        ("exec", "command=true", pod(), "at least one of stdin, stdout, stderr"),
        ("exec", "command=true&stdout=1", pod("a", "b"), "a container name must be specified for pod driver"),
        ("exec", "command=true&stdout=1&container=x", pod(), "container x is not valid for pod driver"),
        ("exec", "command=true&stdout=1", pod(handle=""), "does not have a host assigned"),
        ("attach", "stdout=1", pod(phase="Succeeded"), "completed pod; current phase is Succeeded"),
        ("portforward", "ports=http", pod(), 'unable to parse "http" as a port'),
        ("portforward", "ports=0", pod(), 'unable to parse "0" as a port'),
        ("portforward", f"ports={'9' * 5000}", pod(), "as a port"),
    ],
)
def test_what_makes_no_sense_is_a_bad_request(kind: Kind, query: str, of: JSON, words: str) -> None:
    with pytest.raises(StatusError, match=words) as refused:
        ask(kind, query, of=of)

    assert refused.value.code == 400


def choice(kind: Kind, query: str = "stdout=1&ports=80&command=true", **headers: str) -> tuple[str, bool]:
    """Return the protocol that a request with these headers gets, and whether it is bare SPDY."""
    head = RequestHead("GET", "/", 1, {name.replace("_", "-"): value for name, value in headers.items()})
    chosen = choose(ask(kind, query), head)
    return chosen.protocol, chosen.is_spdy


@pytest.mark.parametrize(
    ("kind", "offered", "protocol"),
    [
        ("attach", "v4.channel.k8s.io, v5.channel.k8s.io", "v5.channel.k8s.io"),
        ("attach", "v4.channel.k8s.io", "v4.channel.k8s.io"),
        ("attach", "base64url.bearer.authorization.k8s.io.e30,base64.channel.k8s.io", "base64.channel.k8s.io"),
        ("attach", "v9.channel.k8s.io,channel.k8s.io,v4.channel.k8s.io", "channel.k8s.io"),
        ("attach", "v4.base64.channel.k8s.io", "v4.base64.channel.k8s.io"),
        ("attach", "", ""),
        ("portforward", "v4.channel.k8s.io,SPDY/3.1+portforward.k8s.io", "SPDY/3.1+portforward.k8s.io"),
        ("portforward", "v4.channel.k8s.io", "v4.channel.k8s.io"),
        ("portforward", "v4.base64.channel.k8s.io", "v4.base64.channel.k8s.io"),
        ("portforward", "", ""),
    ],
)
def test_the_first_protocol_of_the_client_that_is_spoken_is_taken(kind: Kind, offered: str, protocol: str) -> None:
    headers = {"upgrade": "WebSocket", "sec_websocket_key": KEY, "sec_websocket_protocol": offered}

    assert choice(kind, **headers) == (protocol, False)


@pytest.mark.parametrize(
    ("kind", "offered", "protocol"),
    [
        ("attach", "v4.channel.k8s.io, v3.channel.k8s.io, v2.channel.k8s.io, channel.k8s.io", "v4.channel.k8s.io"),
        ("attach", "v5.channel.k8s.io,v3.channel.k8s.io", "v3.channel.k8s.io"),
        ("attach", "channel.k8s.io", "channel.k8s.io"),
        ("portforward", "portforward.k8s.io", "portforward.k8s.io"),
    ],
)
def test_bare_spdy_has_protocols_of_its_own(kind: Kind, offered: str, protocol: str) -> None:
    assert choice(kind, upgrade="SPDY/3.1", x_stream_protocol_version=offered) == (protocol, True)


@pytest.mark.parametrize(
    ("kind", "headers", "code", "words"),
    [
        ("attach", {}, 400, "Upgrade request required"),
        ("attach", {"upgrade": "websocket"}, 400, "Upgrade request required"),
        ("attach", {"upgrade": "h2c"}, 400, "Upgrade request required"),
        ("attach", {"upgrade": "SPDY/3.1"}, 400, "header X-Stream-Protocol-Version does not exist"),
        (
            "attach",
            {"upgrade": "SPDY/3.1", "x_stream_protocol_version": "v9.channel.k8s.io"},
            403,
            r"client supports \[v9.channel.k8s.io\], server accepts \[v4.channel.k8s.io v3.channel.k8s.io",
        ),
        (
            "portforward",
            {"upgrade": "websocket", "sec_websocket_key": KEY, "sec_websocket_protocol": "channel.k8s.io"},
            403,
            r"server accepts \[SPDY/3.1\+portforward.k8s.io v4.channel.k8s.io",
        ),
    ],
)
def test_a_request_without_a_protocol_of_ours_is_refused(
    kind: Kind, headers: dict[str, str], code: int, words: str
) -> None:
    with pytest.raises(StatusError, match=words) as refused:
        choice(kind, **headers)

    assert refused.value.code == code


def test_channels_need_their_ports_in_the_query() -> None:
    headers = {"upgrade": "websocket", "sec_websocket_key": KEY}

    with pytest.raises(StatusError, match='query parameter "ports" is required'):
        choice("portforward", "", **headers)
    assert choice("portforward", "", upgrade="SPDY/3.1", x_stream_protocol_version="portforward.k8s.io")[1]
