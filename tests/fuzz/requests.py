"""Requests drawn from a seed over every route, method and content type, most of them nearly right.

The bodies are objects that other tests hold against a real server's answers, of which parts were changed, left out or
put elsewhere, first as values, then as text.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.http.requests import METHODS, ROUTES, Route
from chalicelib.registry.strategy import Strategy
from chalicelib.resources.catalogue import ALL
from tests.api_client import JSON_TYPE
from tests.fuzz.widget import WIDGET, WIDGETS
from tests.fuzz.words import ACCEPTS, COUNTS, DIGITS, JUNK, NUMBERS, PATCHES, QUERY, SUBRESOURCES, TEXTS, TYPES

USUAL = ("POST", "POST", "POST", "POST", "PUT", "PUT", "PATCH", "PATCH", "PATCH", "DELETE")
TESTS = Path(__file__).parents[1]
BODIES = (
    "registry/refusals",
    "registry/stored",
    "registry/rows",
    "resources/pods/pod_refusals",
    "resources/pods/pod_rows",
)
Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One request."""

    method: str
    url: str
    body: bytes
    content_type: str
    accept: str = JSON_TYPE


@dataclass(frozen=True, slots=True)
class Target:
    """A kind and where its objects are; `collection` has a place for the namespace."""

    kind: str
    api_version: str
    resource: str
    collection: str

    @classmethod
    def of(cls, strategy: Strategy) -> Target:
        """Return the target that a kind of ours is."""
        group = f"apis/{strategy.group}" if strategy.group else "api"
        scope = "/namespaces/{}" if strategy.namespaced else ""
        collection = f"/{group}/{strategy.version}{scope}/{strategy.resource}"
        return cls(strategy.kind, strategy.api_version, strategy.resource, collection)


TARGETS = [Target.of(each) for each in ALL]
TARGETS += [Target("Widget", "example.com/v1", "widgets", "/apis/example.com/v1/namespaces/{}/widgets")] * 5


def _objects() -> dict[str, list[JSON]]:
    """Return by kind the objects that other tests hold against a real server's answers."""
    found: dict[str, list[JSON]] = {}
    for name in BODIES:
        for case in yaml.safe_load((TESTS / "unit" / f"{name}.yaml").read_text("utf-8")):
            for key in ("body", "object", "old", "stored"):
                if isinstance(case.get(key), dict):
                    found.setdefault(case.get("kind", "Pod"), []).append(case[key])
    exchanges = json.loads((TESTS / "data" / "conformance" / "creates.json").read_text("utf-8"))["exchanges"]
    for exchange in exchanges:
        for key in ("body", "answer"):
            if isinstance(exchange[key], dict) and exchange[key].get("kind"):
                found.setdefault(exchange[key]["kind"], []).append(exchange[key])
    return found


OBJECTS = _objects()
OBJECTS |= {"Widget": [WIDGET], WIDGETS["kind"]: [*OBJECTS.get(WIDGETS["kind"], []), WIDGETS]}
RECORDED = [
    base64.b64decode(each["body"])
    for each in json.loads((TESTS / "data" / "kubectl_protobuf.json").read_text("utf-8"))["requests"]
]


def _paths(value: object, path: Path_ = ()) -> Iterator[Path_]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from _paths(below, (*path, key))


def _at(value: Any, path: Path_) -> Any:  # Any: JSON
    for key in path:
        value = value[key]
    return value


class Requests:
    """Draws requests; the same seed draws the same ones."""

    def __init__(self, seed: object) -> None:
        self._draw = Random(str(seed))

    def of_kind(self, strategy: Strategy) -> Drawn:
        """Draw a write of one kind, in JSON."""
        return self._of_kind(Target.of(strategy), self._draw.choice(USUAL), ("json",))

    def any(self) -> Drawn:
        """Draw a request to any route, of any method and content type."""
        draw = self._draw
        if draw.random() < 0.75:
            method = draw.choice((*USUAL, *USUAL, *USUAL, *METHODS))
            drawn = self._of_kind(draw.choice(TARGETS), method, TYPES)
        else:
            drawn = self._of_route(draw.choice(ROUTES))
        body = self._damaged(drawn.body) if draw.random() < 0.1 else drawn.body
        url = f"{drawn.url}{'&' if '?' in drawn.url else '?'}{self._query()}" if draw.random() < 0.25 else drawn.url
        return Drawn(
            drawn.method, url, body, drawn.content_type, draw.choice(ACCEPTS) if draw.random() < 0.12 else JSON_TYPE
        )

    def _of_kind(self, target: Target, method: str, types: Sequence[str]) -> Drawn:
        draw = self._draw
        body = self._mutated(OBJECTS.get(target.kind) or [{}])
        metadata = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
        kept = {key: metadata[key] for key in metadata if key not in ("resourceVersion", "uid", "namespace")}
        name = draw.choice("ab") if target.kind != WIDGETS["kind"] else kept.get("name", "a")
        body["metadata"] = {**kept, "name": name}
        if draw.random() < 0.7:
            body |= {"kind": target.kind, "apiVersion": target.api_version}
        url = target.collection.format(draw.choice((*["ns"] * 9, "default", "a")))
        kind = draw.choice(types)
        if (method == "POST" and draw.random() < 0.9) or draw.random() < 0.03:
            return Drawn(method, url, self._encoded(body, kind), f"application/{kind}" if kind else "")
        url += f"/{quote(str(name)[:300], safe='', errors='surrogatepass')}"
        if draw.random() < 0.25:
            url += f"/{draw.choice(SUBRESOURCES.get(target.resource, ['status', 'scale', 'x']))}"
        if method != "PATCH":
            return Drawn(method, url, self._encoded(body, kind), f"application/{kind}" if kind else "")
        patch = draw.choice(PATCHES)
        sent: Any = self._json_patch(body) if patch.startswith("json") else body  # Any: JSON
        url += "?fieldManager=m&force=true" if "apply" in patch else ""
        return Drawn(method, url, self._encoded(sent, patch), f"application/{patch}")

    def _of_route(self, route: Route) -> Drawn:
        draw = self._draw
        known = {
            "version": "v1",
            "group": "apps",
            "namespace": "ns",
            "resource": "pods",
            "name": "a",
            "uid": "u",
            "subresource": "log",
        }

        def value(match: re.Match[str]) -> str:
            text = known[match[1]] if draw.random() < 0.7 else str(draw.choice((*TEXTS, *COUNTS)))[:3000]
            return quote(text, safe="", errors="surrogatepass")

        url = re.sub(r"{(\w+)}", value, route.path)
        kind = draw.choice(TYPES)
        body: object = draw.choice(
            ({}, [], {"sha256": "a" * 64, "size": draw.choice(NUMBERS)}, {"url": draw.choice(TEXTS)}, None)
        )
        return Drawn(route.method, url, self._encoded(body, kind), f"application/{kind}" if kind else "")

    def _mutated(self, pool: list[JSON]) -> Any:  # Any: JSON
        draw = self._draw
        made: Any = copy.deepcopy(draw.choice(pool))  # Any: JSON
        for _ in range(draw.choice((0, 0, 0, 0, 1, 1, 1, 1, 2, 3))):
            paths = [path for path in _paths(made) if path]
            if not paths:
                break
            path, kind = draw.choice(paths), draw.random()
            if kind < 0.6:
                _at(made, path[:-1])[path[-1]] = copy.deepcopy(draw.choice(draw.choice(JUNK)))
            elif kind < 0.7:
                del _at(made, path[:-1])[path[-1]]
            elif kind < 0.8 and isinstance(_at(made, path), dict):
                _at(made, path)[draw.choice(("a", "", "x/y", "é", DIGITS[:300]))] = draw.choice(draw.choice(JUNK))
            elif kind < 0.83:
                deep: Any = "x"  # Any: JSON
                for _ in range(draw.choice((50, 190, 210))):
                    deep = [deep] if draw.random() < 0.5 else {"a": deep}
                _at(made, path[:-1])[path[-1]] = deep
            else:
                other = draw.choice(pool)
                _at(made, path[:-1])[path[-1]] = copy.deepcopy(_at(other, draw.choice(list(_paths(other)))))
        return made

    def _json_patch(self, body: JSON) -> list[JSON]:
        draw = self._draw
        made = []
        for _ in range(draw.choice((1, 1, 2, 5))):
            where = ["/" + "/".join(str(part) for part in draw.choice(list(_paths(body)))) for _ in range(2)]
            where = [
                draw.choice((each, each, each, "/spec", "", "x", "/-", f"/spec/{DIGITS}", "/~2")) for each in where
            ]
            action = draw.choice(("add", "replace", "remove", "test", "copy", "move", "x"))
            made.append({"op": action, "path": where[0], "from": where[1], "value": draw.choice(draw.choice(JUNK))})
        return made

    def _encoded(self, body: object, kind: str) -> bytes:
        draw = self._draw
        if "protobuf" in kind:
            return draw.choice(RECORDED)
        if "yaml" in kind and draw.random() < 0.5:
            try:
                return yaml.safe_dump(body, allow_unicode=draw.random() < 0.5).encode("utf-8", "surrogatepass")
            except (yaml.YAMLError, ValueError, RecursionError):  # too deep, or a number of too many digits
                pass
        try:
            return json.dumps(body, ensure_ascii=draw.random() < 0.8).encode("utf-8", "surrogatepass")
        except ValueError:
            return b"{}"

    def _damaged(self, body: bytes) -> bytes:
        """Change the text: cut, doubled, bytes of another kind, numbers and nesting that no encoder writes."""
        draw = self._draw
        at = draw.randrange(len(body) + 1)
        odd = (
            *(
                b"NaN",
                b"-Infinity",
                b"1e999999",
                b"1E-99999",
                b"0" * 50 + b"1",
                DIGITS.encode(),
                b"-",
                b"\\ud800",
                b"\xff\xfe",
            ),
            *(
                b"[" * 5000,
                b'{"a":' * 3000,
                b"&a [*a, *a]",
                b"!!python/object:x",
                b"? ",
                b"- " * 900,
                b"\0",
                b".inf",
                b"1:30:30",
            ),
            *(b"\xf4\x90\x80\x80", b"'", b'"', b"{}", b"null", b"~", b"<<: *a", b"0o7", b"---\n"),
        )
        number = re.search(rb"[:\[ ]-?\d+", body[at:])
        if number and draw.random() < 0.5:
            return body[: at + number.start() + 1] + draw.choice(odd) + body[at + number.end() :]
        return draw.choice(
            (
                body[:at],
                body[:at] + body,
                body[:at] + draw.choice(odd) + body[at:],
                bytes(reversed(body)),
                b"\x80" + body,
            )
        )

    def _query(self) -> str:
        draw = self._draw
        names = draw.sample(sorted(QUERY), draw.choice((1, 1, 2, 3)))
        junk = [(name, str(draw.choice(QUERY[name] if draw.random() < 0.8 else TEXTS))) for name in names]
        return urlencode(junk, errors="surrogatepass")
