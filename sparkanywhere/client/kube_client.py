"""A small client of the Kubernetes API: what our own commands need, on the standard library.

It goes straight to the server: a proxy of the environment would never reach a port of this machine.
Paths, watch frames and log parameters: Kubernetes API reference, v1.36.
"""

from __future__ import annotations

import json
import re
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    UnknownHandler,
)

from chalicelib.apimachinery.types import JSON
from sparkanywhere.client.connection_errors import why_unreachable
from sparkanywhere.client.failure import Failure

ANSWER_SECONDS = 10.0  # for any answer that is not a stream
PUT_SECONDS = 120.0  # the last piece of a file of a GB is answered when all of it was checked and written
NO_ENTRY = "the token is wrong or has expired; the context's user in your kubeconfig needs a new one"
_WARNING = re.compile(r'\b299 \S+ "((?:[^"\\]|\\.)*)"')
BINARY = "application/octet-stream"


class ApiError(Failure):
    """The server refused: `code` is HTTP's, str() the server's own words.

    `is_status` says whether it did so as Kubernetes does, by a Status; a proxy or a gateway before it does not.
    """

    def __init__(self, code: int, message: str, *, is_status: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.is_status = is_status


class NoAccess(Failure):
    """No control plane can be used; str() says what to do."""


class ApiUnreachable(Failure):
    """No answer came; str() says from where and why."""


class NotKubernetes(ApiUnreachable):
    """Something else answers there, such as a proxy's page."""

    def __init__(self, url: str) -> None:
        super().__init__(f"What answers at {url} is no Kubernetes API.")


@dataclass(frozen=True, slots=True)
class Access:
    """Where an API server is, and our credentials; `ca_pem` empty means the machine's own CAs."""

    url: str
    token: str = field(default="", repr=False)
    ca_pem: str = ""
    certificate_pem: str = ""  # the client's own, with `key_pem`
    key_pem: str = field(default="", repr=False)
    is_insecure: bool = False  # whether the server's certificate is not checked


def tls_context(access: Access) -> ssl.SSLContext:
    """Return how the server is known to be the right one, and how it knows us. Raises ApiUnreachable."""
    try:
        context = ssl.create_default_context(cadata=access.ca_pem or None)
        if access.is_insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if access.certificate_pem:
            # For its owner alone; ssl reads keys from files only.
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(f"{access.certificate_pem}\n{access.key_pem}")
                file.flush()
                context.load_cert_chain(file.name)
    except (ssl.SSLError, ValueError) as error:
        raise ApiUnreachable(f"{access.url}: the certificates of your kubeconfig do not work: {error}") from error
    return context


class KubeClient:
    """Reads, writes and deletes objects, watches lists and follows logs. Each call is one connection.

    Raises ApiUnreachable at once if the certificates do not work.
    """

    def __init__(self, access: Access, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._access = access
        self._answer_seconds = answer_seconds
        self._opener = OpenerDirector()  # without redirects, which could leak the token
        for handler in (HTTPHandler(), HTTPDefaultErrorHandler(), HTTPErrorProcessor(), UnknownHandler()):
            self._opener.add_handler(handler)
        if access.url.startswith("https:"):  # reading the machine's authorities takes 20 ms
            self._opener.add_handler(HTTPSHandler(context=tls_context(access)))

    @property
    def host(self) -> str:
        """Return the name or address of the server."""
        return urlsplit(self._access.url).hostname or ""

    def get(self, path: str, **query: str) -> JSON:
        """Return the object or list at `path`. Raises ApiError, ApiUnreachable."""
        return self._object(self._read("GET", path, query))

    def text(self, path: str, **query: str) -> str:
        """Return the plain text at `path`, a log. Raises ApiError, ApiUnreachable."""
        return self._read("GET", path, query).decode(errors="replace")

    def create(self, path: str, obj: JSON, *, warn: Callable[[str], object] = str) -> JSON:
        """Create an object in the collection at `path`; return it as stored. Raises ApiError, ApiUnreachable.

        `warn` is called with each Warning of the answer (RFC 7234, code 299), once.
        """
        with self._open("POST", path, {}, seconds=self._answer_seconds, body=json.dumps(obj).encode()) as answer:
            stored = self._object(self._body(answer))
            sent = ", ".join(answer.headers.get_all("Warning") or ())
        for text in warnings(sent):
            warn(text)
        return stored

    def patch(self, path: str, change: JSON) -> JSON:
        """Merge a change into an object (RFC 7386); return it as stored. Raises ApiError, ApiUnreachable."""
        body, kind = json.dumps(change).encode(), "application/merge-patch+json"
        with self._open("PATCH", path, {}, seconds=self._answer_seconds, body=body, content_type=kind) as answer:
            return self._object(self._body(answer))

    def put(self, path: str, content: bytes, **query: str) -> JSON:
        """Send bytes; return the answer. Raises ApiError, ApiUnreachable."""
        with self._open("PUT", path, query, seconds=PUT_SECONDS, body=content, content_type=BINARY) as answer:
            return self._object(self._body(answer))

    def delete(self, path: str, **query: str) -> JSON:
        """Delete an object or a collection. Raises ApiError (404: it is gone), ApiUnreachable."""
        return self._object(self._read("DELETE", path, query))

    def watch(self, path: str, *, seconds: float, **query: str) -> Iterator[JSON]:
        """Yield watch events ({type, object}) until the server ends the watch or is silent for `seconds`."""
        with self._open("GET", path, {**query, "watch": "true"}, seconds=seconds) as answer:
            for line in _lines(answer):
                if line.strip():
                    yield self._object(line)

    def log(self, namespace: str, pod: str, **query: str) -> str:
        """Return what a pod (of several containers, `container`) has logged so far. Raises ApiError, ApiUnreachable."""
        return self.text(log_path(namespace, pod), **query)

    def raw_log(self, path: str, *, follow_seconds: float = 0, **query: str) -> Iterator[bytes]:
        """Yield the log at `path` as far as it goes; or its lines as they come, until it is silent for so long."""
        if not follow_seconds:
            yield self._read("GET", path, query)
            return
        with self._open("GET", path, {**query, "follow": "true"}, seconds=follow_seconds) as answer:
            yield from _lines(answer)

    def follow_log(self, path: str, *, seconds: float) -> Iterator[str]:
        """Yield the lines of the log at `path` as they come, until it ends or is silent for `seconds`."""
        for line in self.raw_log(path, follow_seconds=seconds):
            yield line.decode(errors="replace").rstrip("\r\n")

    def _read(self, verb: str, path: str, query: dict[str, str], body: bytes | None = None) -> bytes:
        with self._open(verb, path, query, seconds=self._answer_seconds, body=body) as answer:
            return self._body(answer)

    def _body(self, answer: HTTPResponse) -> bytes:
        try:
            return answer.read()
        except (HTTPException, OSError) as error:
            raise self._unreachable(error) from error

    def _object(self, body: bytes) -> JSON:
        """Return what a server has sent as an object. Raises NotKubernetes if it is none."""
        try:
            decoded = json.loads(body)
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            raise NotKubernetes(self._access.url)
        return decoded

    def _unreachable(self, error: Exception) -> ApiUnreachable:
        return ApiUnreachable(f"{self._access.url} did not answer: {why_unreachable(error)}")

    def _open(
        self,
        verb: str,
        path: str,
        query: dict[str, str],
        *,
        seconds: float,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> HTTPResponse:
        url = f"{self._access.url}{path}" + (f"?{urlencode(query)}" if query else "")
        request = Request(url, data=body, method=verb)
        if body is not None:
            request.add_header("Content-Type", content_type)
        if self._access.token:
            request.add_header("Authorization", f"Bearer {self._access.token}")
        try:
            answer: HTTPResponse = self._opener.open(request, timeout=seconds)
        except HTTPError as error:
            said: JSON = {}
            with suppress(ApiUnreachable, HTTPException, OSError):  # a proxy, say, whose body is no Status
                said = self._object(error.read())
            message = str(said.get("message") or f"{self._access.url} answered {error.code} {error.reason}")
            words = f"{message}: {NO_ENTRY}" if error.code == 401 else message
            raise ApiError(error.code, words, is_status=said.get("kind") == "Status") from error
        except (URLError, HTTPException, OSError) as error:
            raise self._unreachable(error) from error
        return answer


def warnings(header: str) -> list[str]:
    """Return the texts of Warning headers of code 299 (RFC 7234), joined by commas; each once."""
    return list(dict.fromkeys(re.sub(r"\\(.)", r"\1", text) for text in _WARNING.findall(header)))


def log_path(namespace: str, pod: str) -> str:
    """Return the path of a pod's log."""
    return f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/log"


def _lines(answer: HTTPResponse) -> Iterator[bytes]:
    """Yield lines until the stream ends; one that breaks or falls silent just ends, callers ask again."""
    while True:
        try:
            line = answer.readline()
        except (HTTPException, OSError):
            return
        if not line:
            return
        yield line
