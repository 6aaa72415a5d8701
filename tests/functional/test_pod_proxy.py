"""Requests handed on to pods and to the pods behind Services, on a real server with local processes."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.endpoints.verbs.pod_proxy import split_name
from tests.functional.local_server import chalice_local
from tests.waiting import until

NAMESPACE = "/api/v1/namespaces/default"
POD, SERVICE = f"{NAMESPACE}/pods/web", f"{NAMESPACE}/services/front"
PORT = 18080
PAGE = b'<html><a href="/x">x</a><img src=\'/y\'><a href="//other/z"><a href="rel"><a href="%s/done"></html>'
SERVER = f"""
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        said = json.dumps([self.command, self.path, body, dict(self.headers.items())]).encode()
        code, headers = 200, [("Content-Type", "application/json"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        if self.path == "/moved":
            code, headers, said = 302, [("Location", "/there?x=1")], b""
        elif self.path == "/away":
            code, headers, said = 302, [("Location", "http://example.org/")], b""
        elif self.path == "/page":
            headers, said = [("Content-Type", "text/html; charset=utf-8")], {PAGE % f"{POD}/proxy".encode()!r}
        elif self.path == "/teapot":
            code = 418
        self.send_response(code)
        for name, value in [*headers, ("Content-Length", str(len(said)))]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)
    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer((os.environ["POD_IP"], {PORT}), Handler).serve_forever()
"""


class Web:
    """A client of the server, which follows no redirect."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, list[str]], bytes]:
        """Return code, headers by their lower-case names, and body of an answer."""
        connection = http.client.HTTPConnection(self._host, timeout=30)
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, sent, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        found: dict[str, list[str]] = {}
        for name, value in answer.getheaders():
            found.setdefault(name.lower(), []).append(value)
        content = answer.read()
        connection.close()
        return answer.status, found, content

    def echoed(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:  # Any: JSON
        """Return what the pod says that it was asked: method, path, body, headers."""
        code, _, content = self.ask(method, path, body, **headers)
        assert code == 200, content
        return json.loads(content)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Yield a client of a server with a pod that answers HTTP, and a Service in front of it."""
    folder: Path = tmp_path_factory.mktemp("server")
    (folder / "web.py").write_text(SERVER)
    ip = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    container = {"name": "c", "image": "i", "command": [sys.executable, str(folder / "web.py")], "env": [ip]}
    container["ports"] = [{"name": "http", "containerPort": PORT}]
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    with chalice_local(folder, "--provider", "process", "--port", "0") as server:
        server.wait_until_ready()
        web = Web(server.url)
        metadata = {"name": "web", "labels": {"app": "web"}}
        assert web.ask("POST", f"{NAMESPACE}/pods", {"metadata": metadata, "spec": spec})[0] == 201
        ports = [{"name": "p", "port": 80, "targetPort": "http"}]
        service = {"metadata": {"name": "front"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
        assert web.ask("POST", f"{NAMESPACE}/services", service)[0] == 201
        until(lambda: web.ask("GET", f"{POD}/proxy/")[0] == 200, "the pod to answer")
        yield web
        web.ask("DELETE", POD)
        server.end()


@pytest.mark.parametrize(
    "place",
    [
        *(f"{POD}/proxy", f"{POD}:{PORT}/proxy", f"{POD}:http/proxy", f"{NAMESPACE}/pods/http:web:{PORT}/proxy"),
        *(f"{SERVICE}/proxy", f"{SERVICE}:80/proxy", f"{SERVICE}:p/proxy"),
    ],
)
def test_a_request_arrives_as_it_was_sent(web: Web, place: str) -> None:
    path = "/deep/1/2/3/4/5/6//a%2Fb%20c/?watch=1&q=%C3%A9"

    method, seen, body, headers = web.echoed("POST", place + path, b"hello", Accept="x/y", Cookie="c=1")

    assert (method, seen, body) == ("POST", path, "hello")
    lower = {name.lower(): value for name, value in headers.items()}
    assert (lower["accept"], lower["cookie"], lower["x-forwarded-context"]) == ("x/y", "c=1", place)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_every_method_goes_through(web: Web, method: str) -> None:
    assert web.echoed(method, f"{POD}/proxy/x")[0] == method


def test_a_head_is_answered_without_a_body_and_nowhere_else(web: Web) -> None:
    assert web.ask("HEAD", f"{POD}/proxy/x")[0] == 200
    assert web.ask("HEAD", f"{POD}/log")[0] == 405


def test_code_and_headers_come_back(web: Web) -> None:
    code, headers, _ = web.ask("GET", f"{POD}/proxy/teapot")

    assert (code, headers["set-cookie"], headers["content-type"]) == (418, ["a=1", "b=2"], ["application/json"])


def test_no_credential_for_this_server_reaches_a_pod(web: Web) -> None:
    sent = {"Proxy-Authorization": "Basic x", "X-Remote-User": "ana", "Impersonate-User": "sparkanywhere-admin"}
    sent["Impersonate-Group"] = "system:masters"
    _, _, _, headers = web.echoed("GET", f"{POD}/proxy/x", None, **sent)

    assert not {name.lower() for name in headers} & {"authorization", *(name.lower() for name in sent)}


def test_redirects_and_links_lead_back_through_the_proxy(web: Web) -> None:
    base = f"{POD}/proxy"

    assert web.ask("GET", f"{base}?a=b")[1]["location"] == [f"{base}/?a=b"]
    assert web.ask("GET", f"{base}/moved")[1]["location"] == [f"{base}/there?x=1"]
    assert web.ask("GET", f"{base}/away")[1]["location"] == ["http://example.org/"]
    page = web.ask("GET", f"{base}/page")[2].decode()
    assert page == (
        f"<html><a href=\"{base}/x\">x</a><img src='{base}/y'>"
        f'<a href="//other/z"><a href="rel"><a href="{base}/done"></html>'
    )


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        (f"{POD}:18081/proxy/", 503, "error trying to reach service"),
        (f"{NAMESPACE}/pods/https:web:{PORT}/proxy/", 503, "error trying to reach service"),
        (f"{NAMESPACE}/pods/nobody/proxy/", 404, "not found"),
        (f"{POD}:none/proxy/", 400, "has no port"),
        (f"{POD}:99999/proxy/", 400, "has no port"),
        (f"{SERVICE}:81/proxy/", 503, "no endpoints available"),
        (f"{NAMESPACE}/services/kubernetes/proxy/", 503, "no endpoints available"),
        (f"{NAMESPACE}/pods/ftp:web:80/proxy/", 400, "invalid request"),
    ],
)
def test_what_leads_nowhere_is_said(web: Web, path: str, code: int, words: str) -> None:
    got, _, body = web.ask("GET", path)

    assert (got, words in body.decode()) == (code, True), body


def test_a_service_leads_to_no_address_that_somebody_has_written_down(web: Web) -> None:
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    metadata = {"name": "s", "labels": {"kubernetes.io/service-name": "bare"}}
    addresses = {"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1"]}], "ports": [{"port": 1}]}
    assert web.ask("POST", slices, {"metadata": metadata, **addresses})[0] == 201
    bare = {"metadata": {"name": "bare"}, "spec": {"ports": [{"port": 80}]}}
    assert web.ask("POST", f"{NAMESPACE}/services", bare)[0] == 201

    assert web.ask("GET", f"{NAMESPACE}/services/bare/proxy/")[0] == 503


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a", ("", "a", "")), ("a:1", ("", "a", "1")), ("https:a:1", ("https", "a", "1")), (":a:p", ("", "a", "p"))],
)
def test_a_name_may_say_scheme_and_port(text: str, parts: tuple[str, str, str]) -> None:
    assert split_name(text) == parts


@pytest.mark.parametrize("text", ["", ":", "a:b:c:d", "ftp:a:1", "http::1"])
def test_a_name_that_says_something_else_is_refused(text: str) -> None:
    with pytest.raises(StatusError, match="invalid request"):
        split_name(text)
