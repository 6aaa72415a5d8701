"""The credentials of a kubeconfig: what is sent to a server, and what is refused."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sparkanywhere.client.access import find_target
from sparkanywhere.client.kube_client import ApiUnreachable, KubeClient, NoAccess
from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates, server_context

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Server:
    """A server that tells its client who it is, and the client's certificate that it takes."""

    url: str
    ca: Path
    certificate: Path
    key: Path


class WhoAmI(BaseHTTPRequestHandler):
    """Answers with the name in the client's certificate."""

    def do_GET(self) -> None:
        """Answer."""
        peer: Any = self.connection.getpeercert()  # Any: of an SSLSocket
        body = json.dumps({"name": peer["subject"][0][0][1]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def write_client_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ada")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "ada.crt", folder / "ada.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over TLS that lets in who has the certificate."""
    folder = tmp_path_factory.mktemp("tls")
    files = CertificateFiles(folder)
    ensure_certificates(files, frozenset({"localhost", "127.0.0.1"}), NOW)
    certificate, key = write_client_certificate(folder)
    context = server_context(files)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), WhoAmI)
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield Server(f"https://127.0.0.1:{httpd.server_port}", files.ca, certificate, key)
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def client(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> KubeClient:
    """Return a client for a kubeconfig of one context."""
    path = folder / "config"
    config = {
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "one", "user": user}],
    }
    path.write_text(json.dumps(config))
    return KubeClient(find_target({"KUBECONFIG": str(path), "PATH": "/bin:/usr/bin"}, context="one").access)


def data(path: Path) -> str:
    """Return a file as a kubeconfig holds it."""
    return base64.b64encode(path.read_bytes()).decode()


def test_a_client_certificate_in_the_kubeconfig_is_shown(server: Server, tmp_path: Path) -> None:
    user = {"client-certificate-data": data(server.certificate), "client-key-data": data(server.key)}

    one = client(tmp_path, {"server": server.url, "certificate-authority-data": data(server.ca)}, user)

    assert one.get("/") == {"name": "ada"}


def test_files_are_found_beside_the_kubeconfig(server: Server, tmp_path: Path) -> None:
    for file in (server.ca, server.certificate, server.key):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    user = {"client-certificate": server.certificate.name, "client-key": server.key.name}

    one = client(tmp_path, {"server": server.url, "certificate-authority": server.ca.name}, user)

    assert one.get("/") == {"name": "ada"}


def test_a_plugin_may_give_a_certificate(server: Server, tmp_path: Path) -> None:
    status = {"clientCertificateData": server.certificate.read_text(), "clientKeyData": server.key.read_text()}
    answer = tmp_path / "answer"
    answer.write_text(json.dumps({"status": status}))
    user = {"exec": {"command": "cat", "args": [str(answer)]}}

    one = client(tmp_path, {"server": server.url, "certificate-authority-data": data(server.ca)}, user)

    assert one.get("/") == {"name": "ada"}


def test_a_server_is_only_trusted_unchecked_where_the_kubeconfig_says_so(server: Server, tmp_path: Path) -> None:
    user = {"client-certificate-data": data(server.certificate), "client-key-data": data(server.key)}
    cluster = {"server": server.url}

    with pytest.raises(ApiUnreachable, match="its certificate is not trusted"):
        client(tmp_path, cluster, user).get("/")

    assert client(tmp_path, {**cluster, "insecure-skip-tls-verify": True}, user).get("/") == {"name": "ada"}


def test_a_broken_certificate_is_one_sentence(server: Server, tmp_path: Path) -> None:
    user = {"client-certificate-data": data(server.ca), "client-key-data": data(server.key)}

    with pytest.raises(ApiUnreachable, match="certificates of your kubeconfig do not work"):
        client(tmp_path, {"server": server.url}, user)


@pytest.mark.parametrize(
    ("cluster", "user", "words"),
    [
        ({"tls-server-name": "x"}, {}, "tls-server-name, which is not supported"),
        ({"proxy-url": "http://x"}, {}, "proxy-url, which is not supported"),
        ({}, {"as": "root"}, "has as, which is not supported"),
        ({}, {"username": "x", "password": "y"}, "username, which is not supported"),
        ({}, {"client-certificate": "/nowhere"}, "cannot be read"),
        ({"certificate-authority-data": "QUJ"}, {}, "cannot be read"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    cluster: dict[str, Any], user: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(NoAccess, match=words):
        client(tmp_path, {"server": "https://127.0.0.1:1", **cluster}, user)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"clusters: nope", "clusters is a list"),
        (b"contexts: [null, {name: a}]", "contexts is a list"),
        (b"users: 7", "users is a list"),
        (b"[]", "is not a kubeconfig"),
        (b"garbage: [", "is not YAML"),
        (b"\xff\xfe\x00\x01", "cannot be read"),
        (
            b"current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\n"
            b"clusters: [{name: c, cluster: {server: 'ftp://[::bad'}}]",
            "is not a URL",
        ),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_one_sentence(text: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(text)

    with pytest.raises(NoAccess) as refusal:
        find_target({"KUBECONFIG": str(path)}, context="a")

    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)
