"""A KubeClient whose control plane is in this very process, for tests of what commands do with the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from sparkanywhere.client.kube_client import Access, ApiError, KubeClient, warnings
from tests.api_client import ApiClient

PODS = "/api/v1/namespaces/default/pods"


class InProcessClient(KubeClient):
    """Asks an ApiClient; `logs` is what pods have logged, by name, where the test says so."""

    def __init__(self, api: ApiClient) -> None:
        super().__init__(Access("http://127.0.0.1:1"))
        self.api = api
        self.logs: dict[str, str] = {}
        self.host_name = "127.0.0.1"

    @property
    def host(self) -> str:
        """Return where the test says that the control plane is."""
        return self.host_name

    def get(self, path: str, **query: str) -> Any:  # Any: JSON
        """Return an object or list."""
        return self._ask("GET", f"{path}?{urlencode(query)}")

    def create(self, path: str, obj: Any, *, warn: Callable[[str], object] = str) -> Any:  # Any: JSON
        """Create an object."""
        answer = self.api.request("POST", path, obj)
        if answer.status >= 400:
            raise ApiError(answer.status, answer.body["message"])
        for text in warnings(answer.headers.get("warning", "")):
            warn(text)
        return answer.body

    def delete(self, path: str, **query: str) -> Any:  # Any: JSON
        """Delete an object or a collection."""
        return self._ask("DELETE", f"{path}?{urlencode(query)}")

    def text(self, path: str, **query: str) -> str:
        """Return a pod's log."""
        del query
        return self.logs.get(path.removeprefix(f"{PODS}/").removesuffix("/log"), "")

    def add_node(self, provider: str, **annotations: str) -> None:
        """Make the node by which a control plane of ours tells its provider."""
        marks = {f"sparkanywhere.io/{name.replace('_', '-')}": text for name, text in annotations.items()}
        metadata = {"name": provider, "labels": {"sparkanywhere.io/provider": provider}, "annotations": marks}
        self._ask("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": metadata})

    def set_phase(self, pod: str, phase: str) -> None:
        """Write a pod's phase, as its controller would."""
        found = self.get(f"{PODS}/{pod}")
        found["status"] = {**found.get("status", {}), "phase": phase}
        self._ask("PUT", f"{PODS}/{pod}/status", found)

    def _ask(self, verb: str, path: str, body: Any = None) -> Any:  # Any: JSON
        answer = self.api.request(verb, path.removesuffix("?"), body)
        if answer.status >= 400:
            raise ApiError(answer.status, answer.body["message"])
        return answer.body
