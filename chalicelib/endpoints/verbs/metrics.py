"""metrics.k8s.io/v1beta1: what pods and nodes use now, for `kubectl top` and Spark's ExecutorResizePlugin.

Asked of the provider at each request. Processor time is a difference of two looks: the one before, or the container's
start. A node uses what its pods use. Reference: github.com/kubernetes/metrics, v1beta1; metrics-server 0.8.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from chalice.app import Response

from chalicelib.apimachinery.accessors import labels_of, metadata_of, spec_of, status_of
from chalicelib.apimachinery.rules.status import method_not_allowed, unavailable, unknown_path
from chalicelib.apimachinery.rules.time import find_time, format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.endpoints.http.parameters import list_options
from chalicelib.endpoints.http.requests import RequestInfo
from chalicelib.endpoints.http.responses import respond
from chalicelib.endpoints.http.unstored import METRICS, METRICS_GROUP, METRICS_VERSION
from chalicelib.providers.base import Provider, ProviderError
from chalicelib.providers.extensions import ContainerUsage, Measures
from chalicelib.registry.options import ListOptions
from chalicelib.registry.parts import Scope
from chalicelib.registry.registry import Registry

LEAST_WINDOW = timedelta(seconds=1)  # between two looks whose difference is meant
MAX_LOOKS = 10_000  # containers whose last look is kept
API_VERSION = f"{METRICS_GROUP}/{METRICS_VERSION}"
Look = tuple[datetime, float]  # when, and the seconds of processors used by then


class MetricsEndpoint:
    """Answers get and list of both kinds. Safe to call from many threads."""

    def __init__(self, provider: Provider, pods: Registry, nodes: Registry, clock: Callable[[], datetime]) -> None:
        self._provider = provider
        self._pods = pods
        self._nodes = nodes
        self._clock = clock
        self._guard = threading.Lock()
        self._looks: OrderedDict[tuple[str, str], Look] = OrderedDict()

    def answer(self, info: RequestInfo, scope: Scope) -> Response:
        """Return the metrics asked for. Raises 404, 405, 503 where nobody measures."""
        kind = next((each for each in METRICS if each.resource == info.resource), None)
        if kind is None or info.subresource or (kind.is_namespaced and info.name and not info.namespace):
            raise unknown_path()
        if info.verb not in kind.verbs or info.method == "HEAD":
            raise method_not_allowed()
        if not isinstance(self._provider, Measures):
            raise unavailable(f"provider {self._provider.name} does not measure what pods use")
        registry = (self._pods if kind.is_namespaced else self._nodes).within(scope)
        namespace = info.namespace if kind.is_namespaced and info.namespace else None
        if info.verb == "get":
            found = [registry.typed(registry.get(namespace, info.name))]
        else:
            options = list_options(info, registry.strategy)
            found = [item.object() for item in registry.list_page(namespace, options).items]
        measured = self._pod_metrics(found) if kind.is_namespaced else self._node_metrics(found)
        if info.verb == "get":
            if not measured:
                raise unavailable(f"no metrics known for {info.resource} {info.name}")
            return respond({"kind": kind.kind, "apiVersion": API_VERSION, **measured[0]})
        return respond({"kind": f"{kind.kind}List", "apiVersion": API_VERSION, "metadata": {}, "items": measured})

    def _pod_metrics(self, pods: Sequence[JSON]) -> list[JSON]:
        """Return the metrics of the pods that run."""
        found = []
        for pod in pods:
            now, containers = self._clock(), []
            windows = [timedelta(0)]
            for each in self._measured(pod):
                cores, window = self._cores(pod, each, now)
                windows.append(window)
                containers.append({"name": each.name, "usage": _usage(cores, each.memory_bytes)})
            if containers:
                about = {key: metadata_of(pod)[key] for key in ("name", "namespace")}
                found.append(
                    {"metadata": _metadata(about, pod, now), **_times(now, max(windows)), "containers": containers}
                )
        return found

    def _node_metrics(self, nodes: Sequence[JSON]) -> list[JSON]:
        pods = [item.object() for item in self._pods.list_page(None, ListOptions()).items]
        found = []
        for node in nodes:
            name, now = metadata_of(node)["name"], self._clock()
            cores, memory, windows = 0.0, 0, [timedelta(0)]
            for pod in (each for each in pods if spec_of(each).get("nodeName") == name):
                for each in self._measured(pod):
                    own, window = self._cores(pod, each, now)
                    windows.append(window)
                    cores, memory = cores + own, memory + each.memory_bytes
            about = _metadata({"name": name}, node, now)
            found.append({"metadata": about, **_times(now, max(windows)), "usage": _usage(cores, memory)})
        return found

    def _measured(self, pod: JSON) -> Sequence[ContainerUsage]:
        handle = handle_of(pod)
        if not handle or status_of(pod).get("phase") != "Running" or not isinstance(self._provider, Measures):
            return ()
        try:
            return self._provider.measure(handle)
        except ProviderError:
            return ()

    def _cores(self, pod: JSON, usage: ContainerUsage, now: datetime) -> tuple[float, timedelta]:
        """Return how many processors a container used on average since the look before, and since when that is."""
        key = (metadata_of(pod)["uid"], usage.name)
        statuses = status_of(pod).get("containerStatuses") or ()
        states = (each.get("state") or {} for each in statuses if each.get("name") == usage.name)
        started = next((find_time((each.get("running") or {}).get("startedAt")) for each in states), None) or now
        with self._guard:
            before, seconds = self._looks.get(key) or (started, 0.0)
            if before < started or seconds > usage.cpu_seconds:  # it has been started anew
                before, seconds = started, 0.0
            if now - before >= LEAST_WINDOW:
                self._looks[key] = (now, usage.cpu_seconds)
                self._looks.move_to_end(key)
            while len(self._looks) > MAX_LOOKS:
                self._looks.popitem(last=False)
        window = max(now - before, LEAST_WINDOW)
        return (usage.cpu_seconds - seconds) / window.total_seconds(), window


def _metadata(about: JSON, obj: JSON, now: datetime) -> JSON:
    labels = {"labels": labels_of(obj)} if labels_of(obj) else {}
    return {**about, "creationTimestamp": format_time(now), **labels}


def _times(now: datetime, window: timedelta) -> JSON:
    return {"timestamp": format_time(now), "window": f"{window.total_seconds():.3f}s"}


def _usage(cores: float, memory_bytes: int) -> JSON:
    return {"cpu": f"{round(max(cores, 0.0) * 1e9)}n", "memory": f"{memory_bytes // 1024}Ki"}
