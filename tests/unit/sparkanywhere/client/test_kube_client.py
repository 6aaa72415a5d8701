"""What a server that is none, or is not there, comes to: one sentence, never an error of Python's."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sparkanywhere.client.kube_client import Access, ApiError, ApiUnreachable, KubeClient
from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates, server_context

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"
HTML = b"<html>Please log in with your account.  "
SILENCE_SECONDS = 0.3
NO_HTTP = "what answers there does not speak HTTP, or was cut off"


@contextmanager
def answering(answer: bytes | None, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Listen, and answer each connection with these bytes and its end, None: never; yield host and port."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                    with connection, tls.wrap_socket(connection, server_side=True) if tls else connection as stream:
                        head = stream.recv(65536)
                        if head.startswith(b"POST") and head.endswith(b"\r\n\r\n"):
                            stream.recv(65536)  # its body: left unread, it would have the connection reset
                        if answer is None:
                            ended.wait()
                        stream.sendall(answer or b"")
                except OSError:  # a client that does not trust us goes
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def closed_port() -> str:
    """Return a port of this machine at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def said(access: Access, ask: Callable[[KubeClient], object] = lambda client: client.get("/version")) -> str:
    """Return the sentence that a request comes to."""
    with pytest.raises((ApiUnreachable, ApiError)) as refusal:
        ask(KubeClient(access, answer_seconds=SILENCE_SECONDS))
    return str(refusal.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "{url} did not answer: it was silent for too long"),
        (b"", f"{{url}} did not answer: {NO_HTTP} (RemoteDisconnected)"),
        (b"220 mail\r\n\r\n", f"{{url}} did not answer: {NO_HTTP} (BadStatusLine)"),
        (HEAD + b"{", f"{{url}} did not answer: {NO_HTTP} (IncompleteRead)"),
        (HEAD + HTML, "What answers at {url} is no Kubernetes API."),
        (HEAD + b"[]".ljust(40), "What answers at {url} is no Kubernetes API."),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", "{url} answered 302 Found"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nnope", "{url} answered 502 Bad Gateway"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 40\r\n\r\n{", "{url} answered 502 Bad Gateway"),
        (
            b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 27\r\n\r\n{"message": "Unauthorized"}',
            "Unauthorized: the token is wrong or has expired; the context's user in your kubeconfig needs a new one",
        ),
    ],
)
def test_what_is_no_api_server_is_told_in_one_sentence(answer: bytes | None, words: str) -> None:
    with answering(answer) as place:
        url = f"http://{place}"

        assert said(Access(url)) == words.format(url=url)


def test_nobody_is_told_in_one_sentence() -> None:
    url = f"http://{closed_port()}"

    assert said(Access(url)) == f"{url} did not answer: connection refused"


def test_an_unknown_name_is_told_in_one_sentence() -> None:
    assert said(Access("http://no-such-host.invalid")).startswith(
        "http://no-such-host.invalid did not answer: its name is not known here ("
    )


def test_a_certificate_of_strangers_and_no_tls_are_told_in_one_sentence(tmp_path: Path) -> None:
    files = CertificateFiles(tmp_path)
    ensure_certificates(files, frozenset({"other.name"}), datetime.now(UTC))
    with answering(HEAD, server_context(files)) as place:
        url, ours = f"https://{place}", files.ca.read_text()

        assert said(Access(url)).startswith(f"{url} did not answer: its certificate is not trusted (")
        assert "IP address mismatch" in said(Access(url, ca_pem=ours))
    with answering(HEAD) as place:
        assert f"https://{place} did not answer: no TLS connection (" in said(Access(f"https://{place}"))


def test_a_watch_that_is_cut_in_the_middle_of_an_event_ends_with_a_known_error() -> None:
    with answering(b'HTTP/1.1 200 OK\r\n\r\n{"type": "ADD') as place:
        assert said(Access(f"http://{place}"), lambda client: list(client.watch("/x", seconds=5))) == (
            f"What answers at http://{place} is no Kubernetes API."
        )


def test_warnings_are_told_once_each() -> None:
    head = b'HTTP/1.1 201 Created\r\nWarning: 299 - "a, \\"b\\""\r\nWarning: 299 - "c", 299 - "c"\r\n'
    told: list[str] = []

    with answering(head + b'Connection: close\r\n\r\n{"kind": "Pod"}') as place:
        stored = KubeClient(Access(f"http://{place}")).create("/pods", {}, warn=told.append)

    assert (stored, told) == ({"kind": "Pod"}, ['a, "b"', "c"])
