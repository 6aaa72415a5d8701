"""Azure in a box: Resource Manager for container groups, and the tokens of a managed identity, over an engine.

It takes the calls that the provider makes and refuses others. Its habits are those that providers.md has of Azure's
documentation; nobody has compared it with Azure itself.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chalicelib.providers import base
from tests.aws_box.wire import Answer, HttpServer, Request
from tests.azure_box.container_group import Behaviour, ContainerGroup
from tests.azure_box.description import GROUP_NAME, MAX_NAME, complaints

SUBSCRIPTION, RESOURCE_GROUP, LOCATION = "00000000-0000-0000-0000-000000000001", "spark", "westeurope"
SUBNET = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
    "/providers/Microsoft.Network/virtualNetworks/spark/subnets/pods"
)
TOKEN, IDENTITY_HEADER = "token-of-the-box", "header-of-the-box"
INSTANCES = "providers/Microsoft.ContainerInstance"
GROUPS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/{INSTANCES}/containerGroups"
USAGES = f"/subscriptions/{SUBSCRIPTION}/{INSTANCES}/locations/{LOCATION}/usages"
ONE = re.compile(re.escape(GROUPS) + r"/([^/]+)(/stop|/containers/([^/]+)/logs)?")
API_VERSION = "2023-05-01"
HOUR_SECONDS = 3600.0
FAULTS = ("lost", "doubled", "late", "throttled")


@dataclass
class Limits:
    """What a subscription may have."""

    groups: int = 100
    cores: float = 100
    creates_an_hour: int = 300
    page: int = 100


@dataclass
class Faults:
    """How often answers are lost, requests come twice, reads tell of the past, and calls are throttled."""

    rate: float = 0.0
    seed: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random, self._lock = random.Random(self.seed), threading.Lock()

    def next(self) -> str:
        """Return what goes wrong with the next call, "" for nothing."""
        with self._lock:
            found = self._random.choice(FAULTS) if self._random.random() < self.rate else ""
            self.seen[found] += 1
            return found


class AzureBox:
    """Serves until close(), which ends all groups."""

    def __init__(self, engine: base.Provider) -> None:
        self.behaviour, self.limits, self.faults = Behaviour(), Limits(), Faults()
        self.groups: dict[str, ContainerGroup] = {}
        self.calls: Counter[str] = Counter()  # by what they are for
        self.created: list[ContainerGroup] = []  # those that are gone included, in order
        self.broken: set[str] = set()  # names of groups of which Azure cannot tell
        self.refusals: deque[Answer] = deque()  # answered in place of the next creates
        self._engine = engine
        self._creates: deque[float] = deque()
        self._past: dict[str, Answer] = {}  # the answer before the last, by what was asked
        self._lock = threading.RLock()
        self._server = HttpServer(self._serve)

    @property
    def url(self) -> str:
        """Return Resource Manager's URL."""
        return self._server.url

    def credentials(self) -> dict[str, str]:
        """Return the environment in which azure-identity finds the box's managed identity."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": IDENTITY_HEADER}

    def close(self) -> None:
        """End everything."""
        for group in list(self.groups.values()):
            group.delete()
        self._server.close()

    def _serve(self, request: Request) -> Answer:
        path, query = urlsplit(request.target).path, parse_qs(urlsplit(request.target).query)
        if path == "/msi/token":
            return self._token(request)
        if request.header("authorization") != f"Bearer {TOKEN}":
            return _error(401, "AuthenticationFailed", "Authentication failed.")
        if query.get("api-version") != [API_VERSION]:
            return _error(400, "InvalidApiVersionParameter", f"The api-version must be {API_VERSION}")
        fault = self.faults.next()
        if fault == "throttled":
            return _error(429, "SubscriptionRequestsThrottled", "Too many requests", ("Retry-After", "1"))
        answer = self._answer(request, path, query)
        if fault == "doubled":
            self._answer(request, path, query)
        if fault == "lost":
            return _error(504, "GatewayTimeout", "The gateway did not receive a response within the time limit.")
        if request.method == "GET" and "/logs" not in path and "$skip" not in request.target:
            before, self._past[request.target] = self._past.get(request.target), answer
            return before if before and fault == "late" else answer
        return answer

    def _token(self, request: Request) -> Answer:
        if request.header("x-identity-header") != IDENTITY_HEADER:
            return _error(403, "Forbidden", "no such header")
        token = {"access_token": TOKEN, "expires_on": str(int(time.time() + HOUR_SECONDS)), "token_type": "Bearer"}
        return _answer(200, {**token, "resource": self.url})

    def _answer(self, request: Request, path: str, query: dict[str, list[str]]) -> Answer:
        if path == USAGES and request.method == "GET":
            self.calls["usages"] += 1
            return self._usages()
        if path == GROUPS and request.method == "GET":
            self.calls["list"] += 1
            return self._list(int(query.get("$skip", ["0"])[0]))
        found = ONE.fullmatch(path)
        if not found:
            return _error(404, "InvalidResourceType", "The resource type could not be found")
        name, rest, container = found.groups()
        verb = f"{request.method}{'/stop' if rest == '/stop' else '/logs' if rest else ''}"
        self.calls[verb] += 1
        if verb == "PUT":
            return self._put(name, json.loads(request.body))
        if verb == "DELETE":
            return self._delete(name)
        group = self.groups.get(name)
        if group is None:
            return _error(404, "ResourceNotFound", f"The Resource '{name}' was not found.")
        if verb == "GET" and name in self.broken:
            return _error(500, "InternalServerError", "Encountered an internal server error.")
        if verb == "GET":
            return _answer(200, group.document(with_view=True))
        if verb == "POST/stop":
            return self._stop(group)
        if verb == "GET/logs":
            return self._log(group, container, timestamps=query.get("timestamps") == ["true"])
        return _error(405, "MethodNotAllowed", verb)

    def _put(self, name: str, body: dict[str, Any]) -> Answer:
        wrong = complaints(body)
        if not GROUP_NAME.fullmatch(name) or len(name) > MAX_NAME:
            wrong.append(f"{name} is no name")
        if wrong:
            return _error(400, "InvalidRequestContent", "; ".join(wrong))
        with self._lock:
            known = self.groups.get(name)
            if known and known.body == body and not known.is_over:
                return _answer(200, known.document(with_view=False))
            refusal = self.refusals.popleft() if self.refusals else self._over_quota(body)
            if refusal:
                return refusal
            if known:
                known.delete()
            self._creates.append(time.monotonic())
            self.groups[name] = ContainerGroup(name, body, self._engine, self.behaviour)
            self.created.append(self.groups[name])
            operation = ("Azure-AsyncOperation", f"{self.url}{USAGES}/operations/{name}")
            return _answer(201, self.groups[name].document(with_view=False), operation)

    def _over_quota(self, body: dict[str, Any]) -> Answer | None:
        while self._creates and time.monotonic() - self._creates[0] > HOUR_SECONDS:
            self._creates.popleft()
        if len(self._creates) >= self.limits.creates_an_hour:
            return _error(429, "TooManyRequests", "creates of an hour are used up", ("Retry-After", "1800"))
        for kind, limit, used, more in (
            ("ContainerGroups", self.limits.groups, len(self.groups), 1),
            ("StandardCores", self.limits.cores, self._cores(), _cores(body)),
        ):
            if used + more > limit:
                words = (
                    f"container group quota '{kind}' exceeded in region '{LOCATION}'. Limit: '{limit}', Usage: '{used}'"
                )
                return _error(409, "ContainerGroupQuotaReached", f"Resource type {words} Requested: '{more}'.")
        return None

    def _cores(self) -> float:
        return sum(_cores(each.body) for each in self.groups.values() if not each.is_over)

    def _delete(self, name: str) -> Answer:
        with self._lock:
            group = self.groups.pop(name, None)
        if group is None:
            return Answer(204)
        document = group.document(with_view=False)
        group.delete()
        return _answer(200, document)

    def _stop(self, group: ContainerGroup) -> Answer:
        if group.document(with_view=False)["properties"]["provisioningState"] != "Succeeded":
            return _error(409, "ContainerGroupTransitioning", "The container group is still transitioning.")
        group.stop()
        return Answer(204)

    def _log(self, group: ContainerGroup, container: str, *, timestamps: bool) -> Answer:
        try:
            return _answer(200, {"content": group.log(container, timestamps=timestamps)})
        except (KeyError, base.TaskNotFound):
            return _error(404, "ContainerNotFound", f"no log of {container}")

    def _list(self, skip: int) -> Answer:
        groups = sorted(self.groups.items())[skip:]
        page: dict[str, Any] = {
            "value": [each.document(with_view=self.behaviour.lists_views) for _, each in groups[: self.limits.page]]
        }
        if len(groups) > self.limits.page:
            page["nextLink"] = f"{self.url}{GROUPS}?api-version={API_VERSION}&$skip={skip + self.limits.page}"
        return _answer(200, page)

    def _usages(self) -> Answer:
        rows = (
            ("ContainerGroups", self.limits.groups, len(self.groups)),
            ("StandardCores", self.limits.cores, self._cores()),
        )
        value = [
            {"name": {"value": name}, "limit": most, "currentValue": now, "unit": "Count"} for name, most, now in rows
        ]
        return _answer(200, {"value": value})


def _cores(body: dict[str, Any]) -> float:
    return sum(float(each["properties"]["resources"]["requests"]["cpu"]) for each in body["properties"]["containers"])


def _answer(status: int, document: Any, *headers: tuple[str, str]) -> Answer:
    return Answer(status, json.dumps(document).encode(), [("Content-Type", "application/json"), *headers])


def _error(status: int, code: str, message: str, *headers: tuple[str, str]) -> Answer:
    return _answer(status, {"error": {"code": code, "message": message}}, *headers)


def refusal(status: int, code: str, message: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer in Resource Manager's form, for AzureBox.refusals."""
    return _error(status, code, message, *headers)
