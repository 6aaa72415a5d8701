"""Discovery: /version, /api and /apis in their legacy and aggregated forms, derived from the strategies.

Reference: kubernetes.io/docs/concepts/overview/kubernetes-api, "Discovery API"; KEP-3352 (v1.36).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.apimachinery.rules.status import unknown_path
from chalicelib.apimachinery.types import JSON
from chalicelib.endpoints.auth.reviews import REVIEWS
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import parse_accept
from chalicelib.endpoints.http.unstored import METRICS, UnstoredKind
from chalicelib.registry.strategy import Strategy

AGGREGATED = "APIGroupDiscoveryList"
FRESH = "Current"
UNSTORED = (*REVIEWS, *METRICS)
FIXED_PATHS = ("/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version")


KUBERNETES_MAJOR = "1"
KUBERNETES_MINOR = "36"  # the version whose recorded answers ours are compared with
KUBERNETES_PATCH = "2"
OUR_VERSION = "0.1.0"


def version_document() -> JSON:
    """Return the answer to GET /version (version.Info)."""
    return {
        "major": KUBERNETES_MAJOR,
        "minor": KUBERNETES_MINOR,
        "emulationMajor": KUBERNETES_MAJOR,
        "emulationMinor": KUBERNETES_MINOR,
        "minCompatibilityMajor": KUBERNETES_MAJOR,
        "minCompatibilityMinor": str(int(KUBERNETES_MINOR) - 1),
        "gitVersion": f"v{KUBERNETES_MAJOR}.{KUBERNETES_MINOR}.{KUBERNETES_PATCH}+sparkanywhere-{OUR_VERSION}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "python",
        "platform": "any",
    }


class Discovery:
    """Answers what the server is and has."""

    def __init__(self, strategies: Iterable[Strategy]) -> None:
        self._by_group: dict[tuple[str, str], list[Strategy]] = {}
        for strategy in strategies:
            self._by_group.setdefault((strategy.group, strategy.version), []).append(strategy)
        for kind in UNSTORED:
            self._by_group.setdefault((kind.group, kind.version), [])

    def has_group_version(self, path: Sequence[str]) -> bool:
        """Return whether /api/VERSION/... or /apis/GROUP/VERSION/... is a group version we serve."""
        if path[0] == "api":
            return ("", path[1]) in self._by_group
        return path[0] == "apis" and (path[1], path[2]) in self._by_group

    def answer(self, info: RequestInfo) -> tuple[JSON, str] | None:
        """Return (document, content type or "" for plain JSON); None where there is no such group."""
        match info.verb:
            case "version":
                return version_document(), ""
            case "paths":
                paths = set(FIXED_PATHS)
                for name, version in self._by_group:
                    paths |= {f"/apis/{name}", f"/apis/{name}/{version}"} if name else {f"/api/{version}"}
                return {"paths": sorted(paths)}, ""
            case "api-versions" | "api-groups":
                return self._top(info)
            case "api-group":
                group = self._group(info.group)
                return (group, "") if group else None
        return self._resources(info)

    def _top(self, info: RequestInfo) -> tuple[JSON, str]:
        is_core = info.verb == "api-versions"
        for name, params in parse_accept(info.headers.get("accept", "")):
            version = params.get("v", "")
            if (
                name == "application/json"
                and params.get("as") == AGGREGATED
                and params.get("g") == "apidiscovery.k8s.io"
                and version in ("v2", "v2beta1")
            ):
                content_type = f"application/json;g=apidiscovery.k8s.io;v={version};as={AGGREGATED}"
                return self._aggregated(is_core=is_core, version=version), content_type
            if name in ("application/json", "*/*", "application/*") and "as" not in params:
                break
        if is_core:
            address = {"clientCIDR": "0.0.0.0/0", "serverAddress": info.headers.get("host", "")}
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}, ""
        groups = [self._group(name) for name in self._group_names()]
        bare = [
            {key: value for key, value in group.items() if key not in ("kind", "apiVersion")}
            for group in groups
            if group
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": bare}, ""

    def _group_names(self) -> list[str]:
        return list(dict.fromkeys(group for group, _ in self._by_group if group))

    def _group(self, name: str) -> JSON | None:
        versions = [version for group, version in self._by_group if group == name]
        if not name or not versions:
            return None
        entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
        return {
            "kind": "APIGroup",
            "apiVersion": "v1",
            "name": name,
            "versions": entries,
            "preferredVersion": entries[0],
        }

    def _resources(self, info: RequestInfo) -> tuple[JSON, str] | None:
        key = (info.group, info.version)
        if key not in self._by_group:
            if info.path.startswith("/apis/") and info.group not in self._group_names():
                return None
            raise unknown_path()
        resources = []
        for strategy in sorted(self._by_group[key], key=lambda each: each.resource):
            resources += _legacy_rows(strategy)
        resources += [
            {
                "name": kind.resource,
                "singularName": kind.kind.lower(),
                "namespaced": kind.is_namespaced,
                "kind": kind.kind,
                "verbs": list(kind.verbs),
            }
            for kind in _unstored(key)
        ]
        version = f"{info.group}/{info.version}" if info.group else info.version
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}, ""

    def _aggregated(self, *, is_core: bool, version: str) -> JSON:
        names = [""] if is_core else self._group_names()
        items: list[JSON] = []
        for name in names:
            versions = [
                {"version": each, "resources": self._aggregated_rows((name, each)), "freshness": FRESH}
                for group, each in self._by_group
                if group == name
            ]
            metadata: JSON = {"creationTimestamp": None}
            if name:
                metadata["name"] = name
            items.append({"metadata": metadata, "versions": versions})
        return {"kind": AGGREGATED, "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {}, "items": items}

    def _aggregated_rows(self, key: tuple[str, str]) -> list[JSON]:
        rows = [_aggregated_row(each) for each in sorted(self._by_group[key], key=lambda each: each.resource)]
        return rows + [
            {
                "resource": kind.resource,
                "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
                "scope": "Namespaced" if kind.is_namespaced else "Cluster",
                "singularResource": kind.kind.lower(),
                "verbs": list(kind.verbs),
            }
            for kind in _unstored(key)
        ]


def _unstored(key: tuple[str, str]) -> list[UnstoredKind]:
    return [each for each in UNSTORED if (each.group, each.version) == key]


def _legacy_rows(strategy: Strategy) -> list[JSON]:
    row: JSON = {
        "name": strategy.resource,
        "singularName": strategy.singular or strategy.kind.lower(),
        "namespaced": strategy.namespaced,
        "kind": strategy.kind,
        "verbs": list(strategy.verbs),
    }
    if strategy.short_names:
        row["shortNames"] = list(strategy.short_names)
    if strategy.categories:
        row["categories"] = list(strategy.categories)
    rows = [row]
    for name, each in strategy.all_subresources.items():
        below: JSON = {
            "name": f"{strategy.resource}/{name}",
            "singularName": "",
            "namespaced": strategy.namespaced,
            "kind": each.kind,
            "verbs": list(each.verbs),
        }
        group, version = each.group_version
        if group:
            below |= {"group": group, "version": version}
        rows.append(below)
    return rows


def _aggregated_row(strategy: Strategy) -> JSON:
    row: JSON = {
        "resource": strategy.resource,
        "responseKind": {"group": strategy.group, "version": strategy.version, "kind": strategy.kind},
        "scope": "Namespaced" if strategy.namespaced else "Cluster",
        "singularResource": strategy.singular or strategy.kind.lower(),
        "verbs": list(strategy.verbs),
    }
    if strategy.short_names:
        row["shortNames"] = list(strategy.short_names)
    if strategy.categories:
        row["categories"] = list(strategy.categories)
    subresources = [
        {
            "subresource": name,
            "responseKind": {
                "group": each.group_version[0] or strategy.group,
                "version": each.group_version[1] or strategy.version,
                "kind": each.kind,
            },
            "verbs": list(each.verbs),
        }
        for name, each in strategy.all_subresources.items()
    ]
    if subresources:
        row["subresources"] = subresources
    return row
