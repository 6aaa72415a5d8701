"""Ground: what steps stand on: the API by raw requests, AWS by boto3, pods in a namespace of the trial's own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from chalicelib.apimachinery.accessors import is_terminal, phase_of
from chalicelib.apimachinery.types import JSON
from sparkanywhere.aws.clients import AwsUnusable, Clients, is_denied
from sparkanywhere.aws.site import Site
from sparkanywhere.aws.smoke.outcome import NotHere, StepFailed
from sparkanywhere.aws.smoke.recorder import Recorder, headers_of
from sparkanywhere.client.kube_client import Access, tls_context
from sparkanywhere.client.printable import brief

ANSWER_SECONDS = 60.0
NOT_KNOWN = 401
POD_SECONDS = 240.0  # for a task to start and end: 20 to 60 s as a rule
LOG_SECONDS = 90.0  # CloudWatch shows lines late
LOOK_SECONDS = 2.0
FINALIZER = "sparkanywhere.io/smoke"  # keeps a pod that has ended until its log is read


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer of the API, as it came."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> JSON:
        """Return the body as an object. Raises StepFailed where it is none."""
        try:
            found = json.loads(self.body)
        except ValueError as error:
            raise StepFailed(f"the API answered {self.status} and no JSON: {self.text[:200]}") from error
        return found if isinstance(found, dict) else {}

    def header(self, name: str) -> str:
        """Return a header's value, "" where it is not there."""
        return next((text for key, text in self.headers if key.lower() == name), "")


class Ground:
    """The deployment under trial. `site` is None where AWS did not tell it: `why_no_site` says why.

    `renew` returns how to reach the API once its token is not taken any more.
    """

    def __init__(
        self,
        access: Access,
        clients: Clients,
        recorder: Recorder,
        *,
        site: Site | None,
        why_no_site: str,
        context: str,
        namespace: str,
        images: Mapping[str, str],
        renew: Callable[[], Access],
    ) -> None:
        self.access = access
        self.recorder = recorder
        self.context = context
        self.namespace = namespace
        self.images = images
        self.started_tasks: list[str] = []  # ARNs of those that no pod stands for
        self._renew = renew
        self._clients = clients
        self._site = site
        self._why_no_site = why_no_site
        self._tls = tls_context(access) if access.url.startswith("https:") else None
        self._closing = threading.Event()

    @property
    def site(self) -> Site:
        """Return the deployment as AWS tells it. Raises NotHere."""
        if self._site is None:
            raise NotHere(self._why_no_site)
        return self._site

    def aws(self, service: str, operation: str, **request: Any) -> Any:  # Any: boto3's
        """Return the answer of one call. Raises NotHere where we may not or nobody answers; ClientError otherwise."""
        from botocore.exceptions import ClientError  # an extra, as is what is below

        from sparkanywhere.deployment.aws_errors import AWS_ERRORS, sentence

        try:
            return getattr(self._clients(service), operation)(**request)
        except ClientError as error:
            if is_denied(error):
                raise NotHere(f"AWS does not let you use {service} {operation}") from error
            raise
        except (*AWS_ERRORS, AwsUnusable) as error:
            raise NotHere(f"AWS cannot be asked ({service}): {sentence(error)}") from error

    @property
    def clients(self) -> Clients:
        """Return the clients, for checks of the doctor."""
        return self._clients

    def path(self, resource: str) -> str:
        """Return the path of a resource's collection in the trial's namespace."""
        group, _, name = resource.rpartition("/")
        return f"/{f'apis/{group}' if group else 'api/v1'}/namespaces/{self.namespace}/{name}"

    def call(
        self,
        method: str,
        target: str,
        *,
        body: Any = None,  # Any: JSON, or text as it is
        headers: Mapping[str, str] | None = None,
        seconds: float = ANSWER_SECONDS,
        is_recorded: bool = True,
    ) -> Exchange:
        """Send one request, its target as it is; return the answer, whatever it is. Raises StepFailed for none."""
        found = self._exchanged(method, target, body, headers or {}, seconds, is_recorded=is_recorded)
        if found.status == NOT_KNOWN and "Authorization" not in (headers or {}):  # tokens by IAM last 15 minutes
            self.access = self._renew()
            found = self._exchanged(method, target, body, headers or {}, seconds, is_recorded=is_recorded)
        return found

    def _exchanged(
        self, method: str, target: str, body: Any, headers: Mapping[str, str], seconds: float, *, is_recorded: bool
    ) -> Exchange:
        url = urlsplit(self.access.url)
        sent = {"Accept": "application/json", "Content-Type": "application/json", **headers}
        if self.access.token:
            sent.setdefault("Authorization", f"Bearer {self.access.token}")
        data = None if body is None else body if isinstance(body, str) else json.dumps(body)
        host, began = url.hostname or "", time.monotonic()
        connection = (
            HTTPSConnection(host, url.port, timeout=seconds, context=self._tls)
            if self._tls
            else HTTPConnection(host, url.port, timeout=seconds)
        )
        try:
            connection.request(method, url.path + target, data, sent)
            answer = connection.getresponse()
            found = Exchange(answer.status, answer.getheaders(), answer.read())
        except (OSError, HTTPException) as error:
            raise StepFailed(f"{method} {target}: no answer: {type(error).__name__} {brief(error)}") from error
        finally:
            connection.close()
        if is_recorded:
            asked = {"method": method, "target": target, "headers": headers_of(sent.items()), "body": data}
            said = {"status": found.status, "headers": headers_of(found.headers), "body": found.text}
            self.recorder.add("http", request=asked, answer=said, seconds=round(time.monotonic() - began, 3))
        return found

    def create(self, resource: str, obj: JSON) -> JSON:
        """Create an object in the trial's namespace; return it. Raises StepFailed."""
        answer = self.call("POST", self.path(resource), body=obj)
        if answer.status not in (200, 201):
            raise StepFailed(f"{resource} {obj['metadata']['name']} is refused: {answer.json().get('message')}")
        return answer.json()

    def start(self, name: str, script: str, *, spec: JSON | None = None, **more: Any) -> JSON:  # Any: JSON
        """Create a pod with one container that runs a script; `more` is the container's, `spec` the pod's."""
        container = {"name": "main", "image": self.images["small"], "command": ["sh", "-c", script], **more}
        container.setdefault("resources", {"requests": {"cpu": "250m", "memory": "512Mi"}})
        pod = {"restartPolicy": "Never", "containers": [container], **(spec or {})}
        return self.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod})

    def pod(self, name: str, *, is_recorded: bool = False) -> JSON:
        """Return a pod, {} for none."""
        answer = self.call("GET", f"{self.path('pods')}/{name}", is_recorded=is_recorded)
        return answer.json() if answer.status == 200 else {}

    def wait_for(self, name: str, is_so: Callable[[JSON], bool], what: str, *, seconds: float = POD_SECONDS) -> JSON:
        """Look at a pod until it is so; return it, and record it as it is then. Raises StepFailed after `seconds`."""
        deadline = time.monotonic() + seconds
        while not is_so(pod := self.pod(name)):
            if time.monotonic() > deadline:
                self.pod(name, is_recorded=True)
                raise StepFailed(f"pod {name} is {phase_of(pod) if pod else 'gone'} after {seconds:.0f} s, not {what}")
            self.pause()
        return self.pod(name, is_recorded=True) or pod

    def wait_until_ended(self, name: str, *, seconds: float = POD_SECONDS) -> JSON:
        """Wait until a pod is over; return it. Raises StepFailed."""
        return self.wait_for(name, is_terminal, "over", seconds=seconds)

    def log_with(self, name: str, words: str) -> str:
        """Return a pod's log once it has these words. Raises StepFailed."""
        target, deadline = f"{self.path('pods')}/{name}/log", time.monotonic() + LOG_SECONDS
        while words not in (text := self.call("GET", target, is_recorded=False).text):
            if time.monotonic() > deadline:
                raise StepFailed(f"the log of {name} has no {words!r}: {text[-300:]!r}")
            self.pause()
        self.recorder.add("log", pod=name, text=text)
        return text

    def pause(self, seconds: float = LOOK_SECONDS) -> None:
        """Wait between two looks."""
        self._closing.wait(seconds)


def expect(is_so: bool, otherwise: str) -> None:
    """Raise StepFailed with a sentence unless it is so."""
    if not is_so:
        raise StepFailed(otherwise)
