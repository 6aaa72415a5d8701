"""The whole API in this process, asked without a socket: for tests that send thousands of requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chalicelib.config import Settings
from chalicelib.endpoints.http.responses import StreamResponse
from chalicelib.plane.control_plane import ControlPlane

JSON_TYPE = "application/json"


class _Query:
    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __bool__(self) -> bool:
        return bool(self._values)

    def getlist(self, key: str) -> list[str]:
        return self._values[key]


@dataclass(frozen=True)
class _Request:
    method: str
    uri_params: dict[str, str]
    query_params: _Query
    headers: Mapping[str, str]
    raw_body: bytes
    context: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One answer; `body` is decoded where it is JSON, else text."""

    status: int
    headers: Mapping[str, Any]
    body: Any  # JSON, or text
    raw: bytes = b""  # of a stream

    @property
    def reason(self) -> str:
        """Return the reason of a Status, "" for anything else."""
        return str(self.body.get("reason", "")) if isinstance(self.body, dict) else ""


class ApiClient:
    """Sends requests to a control plane's Api."""

    def __init__(self, plane: ControlPlane, token: str = "") -> None:
        self.plane = plane
        self.token = token

    def request(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        content_type: str = JSON_TYPE,
        token: str | None = None,
        **headers: str,
    ) -> Answer:
        """Send one request; `body` is bytes, or is sent as JSON."""
        split = urlsplit(url)
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"content-type": content_type} if raw else {}
        bearer = self.token if token is None else token
        sent |= {"authorization": f"Bearer {bearer}"} if bearer else {}
        parts = split.path.strip("/").split("/") if split.path.strip("/") else []
        request = _Request(
            method,
            {f"p{index}": part for index, part in enumerate(parts)},
            _Query(parse_qs(split.query, keep_blank_values=True)),
            sent,
            raw,
            {"path": split.path},
        )
        response = self.plane.api.handle(request)
        if isinstance(response, StreamResponse):
            raw = b"".join(response.pieces)
            return Answer(response.status_code, response.headers, raw.decode(errors="replace"), raw)
        text = response.body
        is_json = str(response.headers.get("Content-Type", "")).startswith(JSON_TYPE)
        try:
            return Answer(response.status_code, response.headers, json.loads(text) if is_json else text)
        except ValueError:
            return Answer(response.status_code, response.headers, text)  # the lines of a watch

    def create(self, url: str, body: Mapping[str, Any], *, status: int = 201) -> Any:  # Any: JSON
        """Create an object, or fail the test; return it."""
        answer = self.request("POST", url, body)
        assert answer.status == status, answer.body
        return answer.body

    def get(self, url: str) -> Any:  # Any: JSON
        """Return an object or list, or fail the test."""
        answer = self.request("GET", url)
        assert answer.status == 200, answer.body
        return answer.body


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
