"""Clients of the box: requests with the administrator's token, and kubectl."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import requests

from tests.aws_box.deployment import TOKEN, Deployment

CALL_SECONDS = 60.0
KUBECTL_SECONDS = 90.0
PODS = "/api/v1/namespaces/default/pods"


class Client:
    """Calls the API through the gateway."""

    def __init__(self, deployment: Deployment, folder: Path, *, token: str = TOKEN) -> None:
        self._deployment = deployment
        self._folder = folder
        self._token = token

    def call(self, method: str, path: str, **more: Any) -> requests.Response:  # Any: as requests takes it
        """Return the response to one request, on a connection of its own."""
        headers = {"Authorization": f"Bearer {self._token}", **more.pop("headers", {})}
        url = self._deployment.url + path
        return requests.request(method, url, headers=headers, **{"timeout": CALL_SECONDS, **more})

    def get(self, path: str) -> Any:  # Any: JSON
        """Return the document at a path."""
        response = self.call("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    def create_pod(self, name: str, **spec: Any) -> Any:  # Any: JSON
        """Create a pod with one container of the image busybox, and more in its spec; return it."""
        container = {"name": "main", "image": "busybox:latest", "command": ["sleep", "600"]}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **spec.pop("metadata", {})},
            "spec": {"restartPolicy": "Never", "containers": [container], **spec},
        }
        response = self.call("POST", PODS, json=body)
        assert response.status_code == 201, response.text
        return response.json()

    def pod(self, name: str) -> Any:  # Any: JSON
        """Return a pod, None if there is none."""
        response = self.call("GET", f"{PODS}/{name}")
        return response.json() if response.status_code == 200 else None

    def phase(self, name: str) -> str:
        """Return a pod's phase, "" if there is no pod."""
        pod = self.pod(name)
        return pod["status"]["phase"] if pod else ""

    def kubectl(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl over TLS; `text` is its standard input."""
        return subprocess.run(
            self._kubectl_command(*arguments),
            capture_output=True,
            text=True,
            input=text,
            timeout=KUBECTL_SECONDS,
            check=False,
        )

    def start_kubectl(self, *arguments: str, program: str = "kubectl") -> subprocess.Popen[str]:
        """Start kubectl over TLS, its output and errors together in a pipe."""
        command = [program, *self._kubectl_command(*arguments)[1:]]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def _kubectl_command(self, *arguments: str) -> list[str]:
        own = self._folder / "kubeconfig"
        own.touch()
        return [
            "kubectl",
            f"--server={self._deployment.gateway.tls_url}",
            f"--certificate-authority={self._deployment.ca_file}",
            f"--token={self._token}",
            f"--cache-dir={self._folder / 'kubectl'}",
            f"--kubeconfig={own}",
            *arguments,
        ]
