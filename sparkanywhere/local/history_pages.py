"""An ended application's page in a Spark history server, which is started for whoever asks first.

`sparkanywhere history` starts it, as a process with a kubeconfig of theirs: the server itself has no right to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chalicelib.apimachinery.accessors import TERMINAL_PHASES, phase_of
from chalicelib.apimachinery.rules.status import StatusError, unavailable
from chalicelib.apimachinery.types import JSON
from sparkanywhere.local.kubeconfig import CONTEXT, write_kubeconfig
from sparkanywhere.local.pod_pages import PodPages, asked, told
from sparkanywhere.project import PROJECT
from sparkanywhere.webserver.messages import Answer, Request

SERVERS = "labelSelector=sparkanywhere.io/service%3Dhistory"
PORT = 18080
LOG = "log"
STARTING, READING = "A Spark history server is starting", "The history server is reading the event logs"
# A kubeconfig of this control plane, given a token ("": none) and a namespace.
Kubeconfig = Callable[[str, str], JSON]


@dataclass(slots=True)
class _Start:
    """A history server that is being started for a namespace."""

    process: subprocess.Popen[bytes]
    folder: tempfile.TemporaryDirectory[str]

    def failure(self) -> str | None:
        """Return None while it is being started, "" if that went well, else the last that was said."""
        if self.process.poll() is None:
            return None
        with self.folder as folder:
            lines = (Path(folder) / LOG).read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        return lines[-1] if self.process.returncode else ""


class HistoryPages:
    """Opens pages of ended applications. One for all threads; each call may be repeated until it has a URL."""

    def __init__(self, ask: Callable[[Request], Answer], pages: PodPages, kubeconfig: Kubeconfig) -> None:
        self._ask = ask
        self._pages = pages
        self._kubeconfig = kubeconfig
        self._lock = threading.Lock()
        self._starts: dict[str, _Start] = {}  # by namespace

    def open(self, request: Request, namespace: str, application: str) -> Answer:
        """Return where the browser finds the application's page; 202 and what it waits for while it is not there.

        A history server reads new logs every ten seconds; it never has that of a job without one. Raises 403, 503.
        """
        pods = f"/api/v1/namespaces/{namespace}/pods"
        answer = self._ask(asked(request, "GET", f"{pods}?{SERVERS}"))
        if answer.status != 200:
            return answer
        alive = [each for each in json.loads(answer.body)["items"] if _is_alive(each)]
        if not alive:
            self._start(request, namespace)
            return told({"waits": STARTING}, status=202)
        pod = max(alive, key=lambda each: str(each["metadata"]["creationTimestamp"]))
        base = f"{pods}/{pod['metadata']['name']}:{PORT}/proxy"
        found = self._ask(asked(request, "HEAD", f"{base}/api/v1/applications/{application}"))
        if found.status in (404, 503):
            return told({"waits": READING if found.status == 404 else STARTING}, status=202)
        return self._pages.open(request, base, landing=f"/history/{application}/jobs/") if found.status < 400 else found

    def _start(self, request: Request, namespace: str) -> None:
        """Start one unless that is under way. Raises 503 with why the last one did not start."""
        with self._lock:
            under_way = self._starts.get(namespace)
            if under_way is None:
                self._starts[namespace] = self._started(request, namespace)
                return
            why = under_way.failure()
            if why is not None:
                del self._starts[namespace]
        if why:
            raise unavailable(why)

    def _started(self, request: Request, namespace: str) -> _Start:
        if any(name.startswith("impersonate-") for name in request.head.headers):
            raise StatusError(403, "Forbidden", "a history server is not started in another user's name")
        token = request.head.headers.get("authorization", "").partition(" ")[2]
        folder = tempfile.TemporaryDirectory(prefix="sparkanywhere-history-")
        path = Path(folder.name) / "kubeconfig"
        write_kubeconfig(path, self._kubeconfig(token, namespace))
        command = [sys.executable, "-P", "-m", "sparkanywhere", "history", "--only-start", "--context", CONTEXT]
        with (Path(folder.name) / LOG).open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env={**os.environ, "KUBECONFIG": str(path)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return _Start(process, folder)


def _is_alive(pod: JSON) -> bool:
    return phase_of(pod) not in TERMINAL_PHASES and not pod["metadata"].get("deletionTimestamp")
