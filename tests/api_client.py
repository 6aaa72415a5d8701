"""One control plane's API without a network: through Chalice's own gateway, the way every request really goes."""

from __future__ import annotations

import json
import string
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from chalice.config import Config
from chalice.local import LocalGateway

from chalicelib.config import Settings
from chalicelib.endpoints.app import KubernetesApp
from chalicelib.plane.control_plane import ControlPlane
from sparkanywhere.local.devserver import localise
from sparkanywhere.local.gateway import Gateway
from sparkanywhere.webserver.messages import Answer as SentAnswer
from sparkanywhere.webserver.messages import Request, RequestHead

PODS = "/api/v1/namespaces/default/pods"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
JSON_TYPE = "application/json"

Json = Any  # a decoded answer: whatever the API has sent


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, complete. Names of headers are in lower case; a repeated one's values are joined by commas."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Json:
        """Return what is decoded where it is JSON, else text (also the frames of a watch)."""
        text = self.raw.decode(errors="replace")
        try:
            return json.loads(text) if self.headers.get("content-type", "").startswith(JSON_TYPE) else text
        except ValueError:
            return text

    def json(self) -> Json:
        """Return the body's JSON."""
        return json.loads(self.raw)

    @property
    def reason(self) -> str:
        """Return the reason of a Status, "" for anything else."""
        body = self.body
        return str(body.get("reason", "")) if isinstance(body, dict) else ""


class ApiClient:
    """Asks one control plane, from any thread."""

    def __init__(self, plane: ControlPlane, token: str = "") -> None:
        self.plane = plane
        self.token = token
        app = KubernetesApp(app_name="sparkanywhere-test")
        app.serve(lambda: plane)
        self._gateway = Gateway(
            LocalGateway(localise(app), Config.create(lambda_timeout=900)),
            pause=lambda _: None,
            kubeconfig=lambda *_: {},
        )

    @property
    def revision(self) -> int:
        """Return the store's revision."""
        return self.plane.base.storage.revision()

    @property
    def streams(self) -> bool:
        """Return whether answers may last as long as their connection."""
        return self.plane.base.host.streams

    def send(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON_TYPE,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> SentAnswer:
        """Return the answer as the web server would get it; `body` is bytes, or what JSON is made of."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        bearer = self.token if token is None else token
        sent = {"content-type": content_type, "content-length": str(len(raw)), **(headers or {})}
        sent |= {"authorization": f"Bearer {bearer}"} if bearer else {}
        target = quote(url, safe=string.punctuation) + (f"?{urlencode(query)}" if query else "")
        return self._gateway(Request(RequestHead(method, target, 1, sent), raw, ("127.0.0.1", 1)))

    def request(self, method: str, url: str, body: object = None, **how: Any) -> Answer:  # Any: as for send()
        """Return the complete answer; a stream is read to its end."""
        answer = self.send(method, url, body, **how)
        raw = answer.body if answer.stream is None else b"".join(answer.stream)
        headers: dict[str, str] = {}
        for name, value in answer.headers:
            before = headers.get(name.lower())
            headers[name.lower()] = value if before is None else f"{before}, {value}"
        return Answer(answer.status, headers, raw)

    def create(self, url: str, body: Mapping[str, Any], *, status: int = 201) -> Json:
        """Create an object, or fail the test; return it."""
        answer = self.request("POST", url, body)
        assert answer.status == status, answer.body
        return answer.body

    def get(self, url: str) -> Json:
        """Return an object or list, or fail the test."""
        answer = self.request("GET", url)
        assert answer.status == 200, answer.body
        return answer.body

    def watch(self, path: str, **query: str) -> Generator[Json, None, None]:
        """Yield the frames of one watch as they come; in a stream also None while nothing does."""
        answer = self.send("GET", path, query={"watch": "true", **query})
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


def control_plane(state: Path, **settings: Any) -> ControlPlane:  # Any: fields of Settings
    """Return a control plane that runs no pods, with its store under `state`; close() ends it."""
    chosen: dict[str, Any] = {
        "provider": "none",
        "watch": "buffered",
        "state": str(state),
        "url": "http://127.0.0.1:1",
        **settings,
    }
    return ControlPlane(Settings(**chosen))
