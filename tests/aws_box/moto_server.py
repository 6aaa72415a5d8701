"""moto as a server, for what deploys: Terraform and Chalice.

It imports an API's definition as OpenAPI 3 alone, so a proxy in front of it says that our Swagger 2 is that; and it has
tags of an API's stages, but none of the API itself, and no pull-through cache rules of ECR, which the proxy keeps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import requests
from moto.server import ThreadedMotoServer

from tests.aws_box.wire import Answer, HttpServer, Request

FRAMING = ("content-length", "transfer-encoding", "connection", "content-encoding")
SECONDS = 60

JSON = dict[str, Any]  # Any: JSON


def credentials(url: str) -> dict[str, str]:
    """Return the environment that leads every AWS client to the server."""
    return {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_ENDPOINT_URL": url}


@contextmanager
def moto(refused: Sequence[str] = (), seen: list[Request] | None = None) -> Iterator[str]:
    """Yield the URL of an empty account. Paths that hold a word of `refused` are answered with 403.

    What is asked is added to `seen`, in the order of its arrival.
    """
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    base = f"http://{host}:{port}"
    requests.post(f"{base}/moto-api/reset", timeout=SECONDS)  # what it knows belongs to the process

    tags: dict[str, bytes] = {}  # the body of TagResource by path
    rules: dict[str, JSON] = {}  # pull-through cache rules by prefix

    def forward(request: Request) -> Answer:
        if seen is not None:
            seen.append(request)
        if any(path in request.target for path in refused):
            return Answer(403, b'{"message": "not allowed"}', [("x-amzn-ErrorType", "AccessDeniedException")])
        if "PullThroughCacheRule" in (call := request.header("x-amz-target")):
            return _pull_through(rules, call, json.loads(request.body))
        if "/restapis" in (path := unquote(request.target)) and path.startswith("/tags/") and "/stages/" not in path:
            if request.method == "PUT":
                tags[path] = request.body
                return Answer(204)
            return Answer(200, tags[path], [("Content-Type", "application/json")])
        body = _as_openapi_3(request.body) if "mode=" in request.target else request.body
        answer = requests.request(
            request.method,
            base + request.target,
            data=body,
            headers={name: value for name, value in request.headers if name.lower() != "content-length"},
            timeout=SECONDS,
            allow_redirects=False,
        )
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in FRAMING]
        return Answer(answer.status_code, answer.content, kept)

    proxy = HttpServer(forward)
    try:
        yield proxy.url
    finally:
        proxy.close()
        server.stop()


def _as_openapi_3(body: bytes) -> bytes:
    """Return an API's definition under the one name that moto knows."""
    definition = json.loads(body)
    definition.pop("swagger", None)
    definition["info"].setdefault("description", "")
    return json.dumps({"openapi": "3.0.1", **definition}).encode()


def _pull_through(rules: dict[str, JSON], call: str, asked: JSON) -> Answer:
    """Answer as ECR does: Amazon ECR API Reference, "PullThroughCacheRule"."""
    prefixes = asked.get("ecrRepositoryPrefixes") or [asked.get("ecrRepositoryPrefix", "")]
    found = [rules[prefix] for prefix in prefixes if prefix in rules]
    if ".Create" in call:
        if found:
            return _fault("PullThroughCacheRuleAlreadyExistsException")
        rules[prefixes[0]] = {"createdAt": 0, "registryId": "123456789012", **asked}
        return Answer(200, json.dumps(rules[prefixes[0]]).encode())
    if not found:
        return _fault("PullThroughCacheRuleNotFoundException")
    if ".Delete" in call:
        return Answer(200, json.dumps(rules.pop(prefixes[0])).encode())
    return Answer(200, json.dumps({"pullThroughCacheRules": found}).encode())


def _fault(name: str) -> Answer:
    return Answer(400, json.dumps({"__type": name}).encode(), [("x-amzn-ErrorType", name)])
