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
from collections.abc import Callable, Sequence
from pathlib import Path

from chalicelib.apimachinery.accessors import TERMINAL_PHASES, is_deleting, phase_of
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
MOST_STARTS = 4  # at once: each is a process of Python
MOST_FAILURES = 100  # that are kept for those who ask again
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# A kubeconfig of this control plane, given a token ("": none) and a namespace.
Kubeconfig = Callable[[str, str], JSON]


class HistoryPages:
    """Opens pages of ended applications. One for all threads; each call may be repeated until it has a URL."""

    def __init__(
        self,
        ask: Callable[[Request], Answer],
        pages: PodPages,
        kubeconfig: Kubeconfig,
        *,
        command: Sequence[str] = (sys.executable, "-P", "-m", "sparkanywhere", "history", "--only-start"),
    ) -> None:
        self._ask = ask
        self._pages = pages
        self._kubeconfig = kubeconfig
        self._lock = threading.Lock()
        self._command = command
        self._starting: set[tuple[str, str]] = set()  # by namespace, and the authorization of who has asked
        self._failures: dict[tuple[str, str], str] = {}

    @property
    def count(self) -> int:
        """Return how many servers are being started."""
        with self._lock:
            return len(self._starting)

    def open(self, request: Request, namespace: str, application: str) -> Answer:
        """Return where the browser finds the application's page; 202 and what it waits for while it is not there.

        A history server reads new logs every ten seconds; it never has that of a job without one. Raises 403, 503.
        """
        pods = f"/api/v1/namespaces/{namespace}/pods"
        answer = self._ask(asked(request, "GET", f"{pods}?{SERVERS}"))
        if answer.status != 200:
            return answer
        running = [each for each in json.loads(answer.body)["items"] if phase_of(each) not in TERMINAL_PHASES]
        alive = [each for each in running if not is_deleting(each)]
        if not alive:
            return self._start(request, namespace) or told({"waits": STARTING}, status=202)
        pod = max(alive, key=lambda each: str(each["metadata"]["creationTimestamp"]))
        base = f"{pods}/{pod['metadata']['name']}:{PORT}/proxy"
        found = self._ask(asked(request, "HEAD", f"{base}/api/v1/applications/{application}"))
        if found.status in (404, 503):
            return told({"waits": READING if found.status == 404 else STARTING}, status=202)
        return self._pages.open(request, base, landing=f"/history/{application}/jobs/") if found.status < 400 else found

    def _start(self, request: Request, namespace: str) -> Answer | None:
        """Start one unless that is under way; return a refusal. Raises 403, and 503 with why the last did not start."""
        headers = request.head.headers
        if any(name.startswith("impersonate-") for name in headers):
            raise StatusError(403, "Forbidden", "a history server is not started in another user's name")
        key = namespace, headers.get("authorization", "")
        with self._lock:
            if key in self._starting:
                return None
            if why := self._failures.pop(key, ""):
                raise unavailable(why)
        if refused := self._refusal(request, namespace):
            return refused
        with self._lock:
            if key not in self._starting and len(self._starting) >= MOST_STARTS:
                raise unavailable(f"{MOST_STARTS} history servers are being started: try again when one is there")
            if key not in self._starting:
                self._starting.add(key)
                threading.Thread(target=self._run, args=key, name="history-start", daemon=True).start()
        return None

    def _refusal(self, request: Request, namespace: str) -> Answer | None:
        """Return why they may start none there, as the app says it, which leaves a line in the audit log."""
        found = self._ask(asked(request, "GET", f"/api/v1/namespaces/{namespace}"))
        if found.status >= 400 and found.status != 403:  # who has rights in a namespace alone may not see it
            return found
        attributes = {"namespace": namespace, "verb": "create", "resource": "pods"}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._ask(asked(request, "POST", REVIEWS, body=body))
        if answer.status >= 400:
            return answer
        if not json.loads(answer.body)["status"]["allowed"]:
            raise StatusError(403, "Forbidden", f"you may not create pods in namespace {namespace}, as its start does")
        return None

    def _run(self, namespace: str, authorization: str) -> None:
        """Start one and wait until that has ended; nothing of the process stays."""
        why = "a history server could not be started"
        try:
            with tempfile.TemporaryDirectory(prefix="sparkanywhere-history-") as folder:
                path, log = Path(folder) / "kubeconfig", Path(folder) / LOG
                write_kubeconfig(path, self._kubeconfig(authorization.partition(" ")[2], namespace))
                with log.open("wb") as output:
                    code = subprocess.run(
                        [*self._command, "--context", CONTEXT],
                        cwd=PROJECT,
                        env={**os.environ, "KUBECONFIG": str(path)},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        check=False,
                    ).returncode
                lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
                why = lines[-1] if code else ""
        finally:
            with self._lock:
                self._starting.discard((namespace, authorization))
                if why:
                    self._failures[namespace, authorization] = why
                    while len(self._failures) > MOST_FAILURES:
                        del self._failures[next(iter(self._failures))]
