"""One attempt of each kind of probe, on real servers of this machine."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.probe import Probe, probes_of
from chalicelib.controllers.probes.attempt import OUTPUT_BYTES, Outcome, attempt
from chalicelib.providers.base import Container, Task, TaskNotFound
from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates, server_context
from tests.unit.controllers.builders import pod
from tests.unit.controllers.probes.probed_provider import ProbedProvider, Said

HANDLE = "fake-u"
ADDRESS = "10.1.2.3"
SUCCESS = Outcome("success")
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


def probe(timeout: int = 5, **handler: object) -> Probe:
    """Return a probe of the container `c`, whose port `web` is 8080."""
    ports = [{"name": "web", "containerPort": 8080}]
    container: JSON = {"name": "c", "ports": ports, "livenessProbe": {"timeoutSeconds": timeout, **handler}}
    return next(probes_of(pod(containers=[container])))


def tried(provider: ProbedProvider, timeout: int = 5, **handler: object) -> Outcome:
    """Make one attempt of such a probe."""
    return attempt(provider, HANDLE, ADDRESS, probe(timeout, **handler))


@pytest.fixture
def provider() -> ProbedProvider:
    """Return a provider whose container `c` runs."""
    made = ProbedProvider()
    made.run(Task(uid="u", group="g", name="n", containers=(Container("c", "i"),)))
    return made


def command(*words: str) -> JSON:
    return {"exec": {"command": list(words)}}


@pytest.mark.parametrize(("code", "result"), [(0, "success"), (1, "failure"), (137, "failure")])
def test_a_command_succeeds_by_its_exit_code(provider: ProbedProvider, code: int, result: str) -> None:
    provider.codes["check"] = code

    outcome = tried(provider, **command("check"))

    assert outcome == (SUCCESS if code == 0 else Outcome("failure", "said so"))
    assert outcome.result == result


def test_a_command_that_cannot_be_run_is_no_failure(provider: ProbedProvider) -> None:
    provider.codes["check"] = None

    assert tried(provider, **command("check")).result == "error"


def test_a_command_that_takes_too_long_is_ended(provider: ProbedProvider) -> None:
    session = Said(None, b"working")
    provider.session = lambda: session

    outcome = tried(provider, 1, **command("sh", "-c", "sleep 5"))

    assert outcome == Outcome("failure", 'command timed out: "sh -c sleep 5" timed out after 1s')
    assert session.is_closed


@pytest.mark.parametrize(("given", "timeout"), [(-1, 1), (0, 1), (60, 60), (2**31 - 1, 60)])
def test_no_attempt_holds_its_thread_for_long(given: int, timeout: int) -> None:
    assert probe(given).timeout == timeout


def test_of_much_output_the_beginning_is_kept(provider: ProbedProvider) -> None:
    provider.session = lambda: Said(1, b"a" * OUTPUT_BYTES, b"b")

    assert tried(provider, **command("check")).message == "a" * OUTPUT_BYTES


def test_a_container_that_does_not_run_is_told(provider: ProbedProvider) -> None:
    provider.finish(HANDLE, 0)

    with pytest.raises(TaskNotFound):
        tried(provider, **command("check"))


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /NUMBER with that status, /slow drop by drop for ever; keeps the requests' heads."""

    seen: list[tuple[str, dict[str, str]]] = []  # noqa: RUF012  # one server at a time

    def do_GET(self) -> None:
        """Answer."""
        self.seen.append((self.path, dict(self.headers.items())))
        if self.path.startswith("/slow"):
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
            return
        self.send_response(int(self.path.strip("/").partition("?")[0]))
        self.end_headers()
        self.wfile.write(b"body")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    """Says nothing of clients that go away."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


@pytest.fixture(params=["HTTP", "HTTPS"])
def server(request: pytest.FixtureRequest, provider: ProbedProvider, tmp_path: Path) -> Iterator[str]:
    """Serve what the provider connects to; return the scheme."""
    Handler.seen.clear()
    made = Server(("127.0.0.1", 0), Handler)
    if request.param == "HTTPS":
        files = CertificateFiles(tmp_path)
        ensure_certificates(files, frozenset(["localhost"]), datetime.now(UTC))
        made.socket = server_context(files).wrap_socket(made.socket, server_side=True)
    provider.port = made.server_address[1]
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield request.param
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize(("status", "is_success"), [(200, True), (204, True), (302, True), (404, False), (500, False)])
def test_an_http_probe_succeeds_by_its_status(
    provider: ProbedProvider, server: str, status: int, is_success: bool
) -> None:
    outcome = tried(provider, httpGet={"port": "web", "path": f"/{status}?a=b c", "scheme": server})

    assert outcome == (SUCCESS if is_success else Outcome("failure", f"HTTP probe failed with statuscode: {status}"))
    assert Handler.seen[0][0] == f"/{status}?a=b%20c"


def test_an_http_probe_sends_the_headers_that_it_names(provider: ProbedProvider, server: str) -> None:
    headers = [{"name": "X-Key", "value": "v"}, {"name": "host", "value": "example.com"}]

    tried(provider, httpGet={"port": 8080, "path": "200", "scheme": server, "httpHeaders": headers})

    path, sent = Handler.seen[0]
    assert path == "/200"
    assert {name.lower(): value for name, value in sent.items()} == {
        "x-key": "v",
        "host": "example.com",
        "user-agent": "kube-probe/1.36",
        "accept": "*/*",
        "connection": "close",
    }


def test_an_http_server_that_answers_drop_by_drop_is_given_up(provider: ProbedProvider, server: str) -> None:
    outcome = tried(provider, 1, httpGet={"port": 8080, "path": "/slow", "scheme": server})

    why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert outcome == Outcome("failure", f'Get "{server.lower()}://10.1.2.3:8080/slow": {why}')


@pytest.mark.parametrize("value", ["a\r\nEvil: x", "a\nb"])
def test_no_header_brings_another(provider: ProbedProvider, value: str) -> None:
    assert tried(provider, httpGet={"port": 1, "httpHeaders": [{"name": "x", "value": value}]}).result == "error"


@pytest.fixture
def answering(provider: ProbedProvider) -> Iterator[Callable[[bytes], None]]:
    """Return a function that has the next connection answered with these bytes, and closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    provider.port = listener.getsockname()[1]

    def answer(data: bytes) -> None:
        def work() -> None:
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                connection.sendall(data)
                connection.recv(65536)

        threading.Thread(target=work, daemon=True).start()

    yield answer
    listener.close()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "EOF"),
        (b"no http\r\n\r\n", "malformed HTTP response"),
        (b"HTTP/1.1 abc\r\n\r\n", "malformed HTTP response"),
        (b"x" * 100_000, "no end within 65536 bytes"),
    ],
)
def test_what_is_no_http_answer_is_a_failure(
    provider: ProbedProvider, answering: Callable[[bytes], None], data: bytes, said: str
) -> None:
    answering(data)

    outcome = tried(provider, httpGet={"port": 8080, "path": "/"})

    assert outcome.result == "failure"
    assert outcome.message.startswith('Get "http://10.1.2.3:8080/": ')
    assert outcome.message.endswith(said)


def test_an_answer_that_is_only_announced_is_waited_for(
    provider: ProbedProvider, answering: Callable[[bytes], None]
) -> None:
    answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n")

    assert tried(provider, httpGet={"port": 8080}).message == "HTTP probe failed with statuscode: 503"


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        ({"tcpSocket": {"port": 81}}, "dial tcp 10.1.2.3:81: connect: connection refused"),
        ({"httpGet": {"port": 81}}, 'Get "http://10.1.2.3:81/": dial tcp 10.1.2.3:81: connect: connection refused'),
        ({"grpc": {"port": 81}}, 'timeout: failed to connect service "10.1.2.3:81" within its time'),
    ],
)
def test_where_nobody_listens_is_a_failure(provider: ProbedProvider, handler: JSON, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        provider.port = listener.getsockname()[1]

    assert tried(provider, **handler) == Outcome("failure", said)


def test_a_connection_is_all_that_a_tcp_probe_asks_for(
    provider: ProbedProvider, answering: Callable[[bytes], None]
) -> None:
    answering(b"")

    assert tried(provider, tcpSocket={"port": "web"}) == SUCCESS


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("nope", 'strconv.Atoi: parsing "nope": invalid syntax'),
        (0, "invalid port number: 0"),
        (70000, "invalid port number: 70000"),
        (None, "invalid port number: 0"),
    ],
)
def test_a_port_that_is_none_is_an_error(provider: ProbedProvider, port: object, said: str) -> None:
    assert tried(provider, tcpSocket={"port": port}) == Outcome("error", said)


def test_a_probe_without_a_handler_is_an_error(provider: ProbedProvider) -> None:
    assert tried(provider).result == "error"


@pytest.fixture
def health(provider: ProbedProvider) -> Iterator[dict[str, bytes]]:
    """Serve grpc.health.v1.Health, by the official library; return the answers by the request's bytes."""
    answers: dict[str, bytes] = {}

    def check(request: bytes, context: grpc.ServicerContext) -> bytes:
        name = request[2:].decode()
        if name not in answers:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return answers[name]

    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    handler = grpc.unary_unary_rpc_method_handler(check)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler}),)
    )
    provider.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield answers
    server.stop(0).wait()


@pytest.mark.parametrize(
    ("service", "answer", "outcome"),
    [
        ("", SERVING, SUCCESS),
        ("db", SERVING, SUCCESS),
        ("", NOT_SERVING, Outcome("failure", 'service unhealthy (responded with "NOT_SERVING")')),
        ("", b"", Outcome("failure", 'service unhealthy (responded with "UNKNOWN")')),
    ],
)
def test_a_grpc_probe_asks_for_health(
    provider: ProbedProvider, health: dict[str, bytes], service: str, answer: bytes, outcome: Outcome
) -> None:
    health[service] = answer

    assert tried(provider, grpc={"port": 8080, "service": service}) == outcome


def test_a_grpc_server_that_does_not_know_the_service_is_a_failure(
    provider: ProbedProvider, health: dict[str, bytes]
) -> None:
    assert health == {}
    outcome = tried(provider, grpc={"port": 8080, "service": "other"})

    assert outcome.result == "failure"
    assert "does not answer" in outcome.message


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 9 * 200, b"\xff" * 20])
def test_what_is_no_grpc_server_is_a_failure(
    provider: ProbedProvider, answering: Callable[[bytes], None], data: bytes
) -> None:
    answering(data)

    assert tried(provider, grpc={"port": 8080}).result == "failure"
