"""Cases sent to a server: each step's answer, masked, as it is recorded and compared."""

from __future__ import annotations

import gzip
import json
import re
import secrets
import time
from http.client import HTTPException
from typing import Any

from tools.conformance.cases import Case, Json
from tools.conformance.client import Answer, Client
from tools.conformance.masking import masked, masked_headers, masked_text
from tools.kube_apiserver import ApiServer

JSON_TYPE = "application/json"
TEXT_MOST = 4000  # characters of an answer that is no JSON
WATCH_SECONDS = 8.0
VARIABLE, LONG = re.compile(r"\$\{(\w+)\}"), re.compile(r"\{x\*(\d+)\}")


class Replay:
    """One server, and the names of one run on it."""

    def __init__(self, server: ApiServer) -> None:
        self._client = Client(server.access)
        self._tokens = {"norights": server.stranger}
        self._run = secrets.token_hex(3)

    def answers(self, case: Case) -> list[Json]:
        """Return an answer for each step of a case, in a new namespace: {} for one that only waits."""
        namespace = f"{case.group}-{case.name}-{self._run}"  # a real server without controllers removes none
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        self._client.send("POST", "/api/v1/namespaces", {"Content-Type": JSON_TYPE}, json.dumps(body).encode())
        one = _OneCase(self._client, self._tokens, namespace)
        try:
            return [one.answer(step["request"]) for step in case.steps]
        finally:
            self._client.send("DELETE", f"/api/v1/namespaces/{namespace}", {})


class _OneCase:
    """The steps of one case, and the variables that they save."""

    def __init__(self, client: Client, tokens: dict[str, str], namespace: str) -> None:
        self._client = client
        self._tokens = tokens
        self._namespace = namespace
        self._variables: dict[str, str] = {}

    def answer(self, request: Json) -> Json:
        """Send one request, or wait; return the answer. One that fails to come is an answer with status 0."""
        if "sleep" in request:
            time.sleep(request["sleep"])
            return {}
        try:
            return self._watched(request) if request.get("watch") else self._sent(request)
        except (OSError, HTTPException) as error:
            return {"status": 0, "headers": {}, "body": {"<error>": f"{type(error).__name__}: {error}"}}

    def _sent(self, request: Json) -> Json:
        body = self._filled(request.get("body"))
        raw = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        path = self._filled(request["path"])
        answer = self._client.send(request["method"], path, self._headers(request), raw)
        found = self._told(answer)
        if "gzip" in found["headers"].get("content-encoding", ""):
            answer = Answer(answer.status, answer.headers, gzip.decompress(answer.body))
        for name, pointer in request.get("save", {}).items():
            self._variables[name] = _pointed(json.loads(answer.body), pointer)
        if request.get("brief") and answer.status == 200:
            return found | {"body": {"<kbytes>": len(answer.body) // 1000}}
        return found | {"body": None if request["method"] == "HEAD" else self._body(answer)}

    def _watched(self, request: Json) -> Json:
        statuses: list[int] = []

        def meanwhile() -> None:
            statuses.extend(self.answer(each)["status"] for each in request.get("during") or ())

        answer = self._client.watch(
            self._filled(request["path"]),
            self._headers(request),
            seconds=request.get("timeout", WATCH_SECONDS),
            most=request.get("max_events"),
            meanwhile=meanwhile,
        )
        if answer.lines is None:
            return self._told(answer) | {"body": self._body(answer)}
        events = [masked(json.loads(line), namespace=self._namespace) for line in answer.lines]
        return self._told(answer) | {"events": events, "ended": answer.ended, "during": statuses}

    def _told(self, answer: Answer) -> Json:
        return {"status": answer.status, "headers": masked_headers(answer.headers, namespace=self._namespace)}

    def _body(self, answer: Answer) -> Any:
        kind = {name.lower(): value for name, value in answer.headers}.get("content-type", "")
        if kind.startswith(JSON_TYPE):
            return masked(json.loads(answer.body), namespace=self._namespace)
        if "protobuf" in kind:
            return {"<protobuf>": answer.body[:4].hex()}
        text = masked_text(answer.body.decode("utf-8", "replace")).replace(self._namespace, "<ns>")
        return {"<text>": text[:TEXT_MOST]}

    def _headers(self, request: Json) -> dict[str, str]:
        headers = dict(request.get("headers") or {})
        if "as-token" in headers:
            headers["Authorization"] = f"Bearer {self._tokens[headers.pop('as-token')]}"
        kinds = {"Content-Type": request.get("ct"), "Accept": request.get("accept")}
        return headers | {name: value for name, value in kinds.items() if value}

    def _filled(self, value: Any) -> Any:
        """Return what is to be sent, with the namespace and variables in their places."""
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if isinstance(value, dict):
            return {self._filled(key): self._filled(each) for key, each in value.items()}
        if not isinstance(value, str):
            return value
        text = LONG.sub(lambda found: "x" * int(found[1]), value.replace("{ns}", self._namespace))
        return VARIABLE.sub(lambda found: str(self._variables[found[1]]), text)


def _pointed(value: Any, pointer: str) -> Any:
    for part in pointer.strip("/").split("/"):
        value = value[int(part)] if isinstance(value, list) else value.get(part, "")
    return value
