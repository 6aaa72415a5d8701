"""One control plane's API without a network: through Chalice's own gateway, the way every request really goes."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlencode

from chalice.config import Config
from chalice.local import LocalGateway

from chalicelib.endpoints.app import KubernetesApp
from chalicelib.endpoints.http.routes import register
from chalicelib.plane.control_plane import ControlPlane
from sparkanywhere.local.devserver import localise
from sparkanywhere.local.gateway import Gateway
from sparkanywhere.webserver.answer import Answer, Request
from sparkanywhere.webserver.head import RequestHead

PODS = "/api/v1/namespaces/default/pods"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"

Json = Any  # a decoded answer: whatever the API has sent


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        """Return the body's JSON."""
        return json.loads(self.body)


class ApiClient:
    """Asks one control plane, from any thread."""

    def __init__(self, plane: ControlPlane, *, streams: bool) -> None:
        self.plane = plane
        self.streams = streams
        app = KubernetesApp(app_name="sparkanywhere-test")
        register(app, lambda **_parts: plane.api.handle(app.current_request))
        self._gateway = Gateway(LocalGateway(localise(app), Config.create(lambda_timeout=900)))

    @property
    def revision(self) -> int:
        """Return the store's revision."""
        return self.plane.storage.revision()

    def answer(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer as the web server would get it; `body` is bytes, or what JSON is made of."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json", "content-length": str(len(raw)), **(headers or {})}
        target = quote(path) + (f"?{urlencode(query)}" if query else "")
        return self._gateway(Request(RequestHead(method, target, 1, sent), raw, ("127.0.0.1", 1)))

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Return the complete answer; a stream is read to its end."""
        answer = self.answer(method, path, body, query=query, headers=headers)
        text = answer.body if answer.stream is None else b"".join(answer.stream)
        return Reply(answer.status, {name.lower(): value for name, value in answer.headers}, text)

    def watch(self, path: str, **query: str) -> Generator[Json, None, None]:
        """Yield the frames of one watch as they come; in a stream also None while nothing does."""
        answer = self.answer("GET", path, query={"watch": "true", **query})
        if answer.stream is None:
            yield from frames(answer.body)
            return
        with closing(cast(Any, answer.stream)):  # what our API hands out has a close()
            for piece in answer.stream:
                yield from frames(piece) if piece else [None]


def frames(body: bytes) -> list[Json]:
    """Return the frames of a watch's body. Raises AssertionError unless each ends in a newline."""
    assert body == b"" or body.endswith(b"\n")
    return [json.loads(line) for line in body.splitlines()]


def pod(name: object, **metadata: object) -> Json:
    """Return a pod; one that the API takes, if the name and the rest of its metadata are good."""
    containers = [{"name": "main", "image": "busybox", "command": ["true"]}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "spec": {"containers": containers},
    }


def configmap(name: str, **data: str) -> Json:
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
