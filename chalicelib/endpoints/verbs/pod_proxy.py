"""pods/proxy and services/proxy: a request handed on to a port of a pod, as `kubectl proxy` is used for.

It goes where the provider connects a task's own port to, and nowhere else: a Service leads to pods that it selects, not
to addresses that somebody has written into an EndpointSlice. Reference: k8s.io/apimachinery/pkg/util/proxy and
kubernetes/pkg/registry/core/{pod,service} (ResourceLocation), v1.36.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import urlsplit

from chalice.app import Response

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.rules.status import bad_request, unavailable
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.record import handle_of
from chalicelib.controllers.translation.network import selects
from chalicelib.controllers.translation.service_table import Backend, target_port
from chalicelib.controllers.workloads.plan import is_active, is_ready
from chalicelib.endpoints.http.requests import PROXIED, PROXIED_AT, RequestInfo
from chalicelib.endpoints.http.responses import StreamResponse
from chalicelib.providers.base import ProviderError
from chalicelib.providers.interactive import InteractiveProvider
from chalicelib.registry.registry import Registry
from chalicelib.storage.base import Storage
from chalicelib.storage.keys import prefix

ANSWER_SECONDS = 60.0  # of silence from the pod, and then it is given up
PIECE_BYTES = 32 * 1024
MAX_PAGE_BYTES = 8 * 1024 * 1024  # of HTML, whose links are rewritten
SCHEMES = ("", "http", "https")
_HIGHEST_PORT = 65535
# Of one connection, ours to say, or a credential for this server.
_DROPPED_TEXT = """
accept-encoding authorization connection content-length host keep-alive te trailer transfer-encoding upgrade
x-forwarded-context x-forwarded-host x-forwarded-proto x-forwarded-uri
"""
_DROPPED = frozenset(_DROPPED_TEXT.split())
_DROPPED_STARTS = ("impersonate-", "proxy-", "x-remote-")
_LINK = re.compile(rb"""(?<=[\s"'])((?:href|src|action|formaction|poster|data)\s*=\s*["']?)(/(?!/))""", re.IGNORECASE)


class PodProxy:
    """Hands requests on to pods."""

    def __init__(self, provider: InteractiveProvider, pods: Registry, storage: Storage) -> None:
        self._provider = provider
        self._pods = pods
        self._storage = storage

    def answer(self, registry: Registry, info: RequestInfo) -> Response:
        """Return the pod's answer. Raises 400 for a name or port that means nothing, 404, 503 where nobody answers."""
        if info.is_upgrade or "upgrade" in info.headers:
            raise bad_request("a proxied connection cannot be upgraded; use `kubectl port-forward`")
        scheme, name, port = split_name(info.name)
        found = registry.typed(registry.get(info.namespace, name))
        if registry.strategy.resource == "services":
            pod, number = self._behind(found, port, registry)
        else:
            pod, number = found, pod_port(found, port)
        base = PROXIED_AT.get()
        if base is None:
            base = f"/api/v1/namespaces/{info.namespace}/{registry.strategy.resource}/{info.name}/proxy"
        target = PROXIED.get()
        if not target.startswith("/"):
            if info.method in ("GET", "HEAD"):  # so that relative links of the page lead into it
                return Response(body="", status_code=301, headers={"Location": f"{base}/{target}"})
            target = f"/{target}"
        try:
            connection = self._connect(pod, number, is_tls=scheme == "https")
            return _ask(connection, info, target, base=base, host=f"{name}:{number}")
        except (OSError, HTTPException, ProviderError, ValueError) as error:
            raise unavailable(f"error trying to reach service: {error or type(error).__name__}") from error

    def _behind(self, service: JSON, port: str, registry: Registry) -> tuple[JSON, int]:
        """Return a ready pod behind a Service that the caller may see, and the port there. Raises 503."""
        metadata, ports = service["metadata"], spec_of(service).get("ports") or []
        chosen = next((each for each in ports if port in (each.get("name"), str(each["port"]))), None)
        if chosen is None and not port and len(ports) == 1:
            chosen = ports[0]
        visible = self._pods.within(registry.scope)
        for item in self._storage.list(prefix("pods", metadata["namespace"])).items:
            pod = item.object()
            if chosen is None or not (selects(service, pod) and is_active(pod) and is_ready(pod)):
                continue
            if number := target_port(chosen, Backend("", pod=pod)):
                return visible.typed(visible.get(metadata["namespace"], pod["metadata"]["name"])), number
        raise unavailable(f'no endpoints available for service "{metadata["name"]}"')

    def _connect(self, pod: JSON, port: int, *, is_tls: bool) -> HTTPConnection:
        handle = handle_of(pod)
        if not handle or not is_active(pod):
            raise OSError(f"pod {pod['metadata']['name']} does not run")
        sock: socket.socket = self._provider.connect(handle, port)
        sock.settimeout(ANSWER_SECONDS)
        connection = HTTPConnection("pod", timeout=ANSWER_SECONDS)
        connection.sock = _encrypted(sock) if is_tls else sock
        return connection


def split_name(text: str) -> tuple[str, str, str]:
    """Return scheme, name and port of `name`, `name:port` or `scheme:name:port`. Raises 400."""
    parts = text.split(":")
    scheme, name, port = ["", *parts, ""][:3] if len(parts) < 3 else parts[:3]
    if len(parts) > 3 or scheme not in SCHEMES or not name:
        raise bad_request(f'invalid request "{text}": write name, name:port or https:name:port')
    return scheme, name, port


def pod_port(pod: JSON, port: str) -> int:
    """Return a pod's port by its number or name; without one the first that a container names. Raises 400."""
    named = [each for container in spec_of(pod).get("containers") or () for each in container.get("ports") or ()]
    if not port and named:
        return int(named[0]["containerPort"])
    for each in named:
        if port and each.get("name") == port:
            return int(each["containerPort"])
    number = port or "80"
    if not (number.isascii() and number.isdigit() and len(number) <= 5 and 0 < int(number) <= _HIGHEST_PORT):
        raise bad_request(f'the pod has no port "{port}"')
    return int(number)


def _encrypted(sock: socket.socket) -> ssl.SSLSocket:
    """Speak TLS to a pod, whose certificate nobody vouches for: as kube-apiserver does."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(sock)
    except BaseException:
        sock.close()
        raise


def _ask(connection: HTTPConnection, info: RequestInfo, target: str, *, base: str, host: str) -> Response:
    """Send the request and return the answer, whose body is read as it is sent on."""
    try:
        connection.putrequest(info.method, target, skip_host=True, skip_accept_encoding=True)
        forwarded = {
            **{name: value for name, value in info.headers.items() if not _is_dropped(name)},
            "host": host,
            "accept-encoding": "identity",
            "x-forwarded-host": info.headers.get("host", ""),
            "x-forwarded-uri": base + target,
            "x-forwarded-context": base,  # Spark's UI makes its links of it
        }
        if info.body or info.method in ("POST", "PUT", "PATCH"):
            forwarded["content-length"] = str(len(info.body))
        for name, value in forwarded.items():
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders(info.body or None)
        answer = connection.getresponse()
    except BaseException:
        connection.close()
        raise
    return _response(connection, answer, info, base=base, host=host)


def _is_dropped(name: str) -> bool:
    return name in _DROPPED or name.startswith(_DROPPED_STARTS)


def _response(connection: HTTPConnection, answer: HTTPResponse, info: RequestInfo, *, base: str, host: str) -> Response:
    headers: dict[str, str | list[str]] = {}
    for name in dict.fromkeys(name for name, _ in answer.getheaders() if not _is_dropped(name.lower())):
        values = answer.headers.get_all(name) or []
        shown = [_location(value, base, host) for value in values] if name.lower() == "location" else values
        headers[name] = shown[0] if len(shown) == 1 else shown
    if info.method == "HEAD" or answer.status in (204, 304):
        connection.close()
        return Response(body="", status_code=answer.status, headers=headers)
    is_page = answer.getheader("content-type", "").lower().startswith("text/html")
    page = b""
    if is_page and not answer.getheader("content-encoding"):
        with suppress(OSError, HTTPException):
            page = answer.read(MAX_PAGE_BYTES)  # the links of a longer one stay as they are
        if len(page) < MAX_PAGE_BYTES:
            own = base.encode()
            page = _LINK.sub(lambda m: m[0] if page.startswith(own, m.start(2)) else m[1] + own + m[2], page)
    response = StreamResponse(_pieces(connection, answer, page), content_type="", status_code=answer.status)
    response.headers = headers
    return response


def _pieces(connection: HTTPConnection, answer: HTTPResponse, first: bytes) -> Iterator[bytes]:
    """Yield what has been read and the rest; an answer that breaks off breaks off for the client too."""
    try:
        yield first
        with suppress(OSError, HTTPException):
            while piece := answer.read1(PIECE_BYTES):
                yield piece
    finally:
        connection.close()


def _location(location: str, base: str, host: str) -> str:
    """Return where a redirect leads to through the proxy; to other hosts as it is."""
    parts = urlsplit(location)
    if (parts.netloc and parts.netloc != host) or not (parts.path or "/").startswith("/"):
        return location
    if parts.path.startswith(f"{base}/"):
        return parts._replace(scheme="", netloc="").geturl()
    return parts._replace(scheme="", netloc="", path=base + (parts.path or "/")).geturl()
