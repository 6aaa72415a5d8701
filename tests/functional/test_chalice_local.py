"""`chalice local` as a process: start, what it says, TLS, signals, and two on one state folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.functional.local_server import LocalServer, chalice_local
from tests.functional.web_client import WebClient, connected
from tests.waiting import until

NONE = ("--provider", "none", "--port", "0")
# As it ships, without our options.
STOCK = (sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())")
NAMESPACES = "/api/v1/namespaces"


def kubectl(server: LocalServer, *arguments: str) -> str:
    """Run kubectl with the server's kubeconfig; return what it prints."""
    command = ["kubectl", "--kubeconfig", str(server.kubeconfig), "--cache-dir", str(server.state), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def post_namespace(client: WebClient, name: str) -> None:
    """Create a namespace."""
    body = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).encode()
    assert client.get(NAMESPACES, method="POST", body=body).status == 201


@pytest.mark.kubectl
def test_kubectl_works_with_the_kubeconfig_that_is_written(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE) as server:
        server.wait_until_ready()

        assert "namespace/default" in kubectl(server, "get", "namespaces", "-o", "name")


@pytest.mark.kubectl
def test_kubectl_works_over_tls_with_a_token_made_for_it(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE, "--tls") as server:
        server.wait_until_ready()

        assert "namespace/default" in kubectl(server, "get", "namespaces", "-o", "name")
        assert server.url.startswith("https://")


@pytest.mark.kubectl
def test_kubectl_comes_in_with_the_token_that_was_given(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE, "--tls", "--token", "geheim") as server:
        server.wait_until_ready()

        assert "namespace/default" in kubectl(server, "get", "namespaces", "-o", "name")


def test_without_the_token_nobody_comes_in(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE, "--no-tls", "--token", "geheim") as server:
        server.wait_until_ready()
        with connected(server.port) as client:
            anonymous = client.get(NAMESPACES)
            wrong = client.get(NAMESPACES, headers="Authorization: Bearer falsch\r\n")
            right = client.get(NAMESPACES, headers="Authorization: Bearer geheim\r\n")

    assert (anonymous.status, wrong.status, right.status) == (403, 401, 200)


STRANGER = """
import encodings.idna, os, socket, sys  # all that is needed later, when the files cannot be read any more
os.setgid(12345)
os.setuid(12345)
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.sendall(b"GET /api/v1/secrets HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
sys.stdout.write(b"".join(iter(lambda: sock.recv(4096), b"")).decode())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("any_user", "line"), [("0", "HTTP/1.1 403 Forbidden"), ("1", "HTTP/1.1 200 OK")])
def test_another_user_of_the_machine_is_served_only_if_the_setting_says_so(
    tmp_path: Path, any_user: str, line: str
) -> None:
    with chalice_local(tmp_path, *NONE, environ={"SPARKANYWHERE_ANY_LOCAL_USER": any_user}) as server:
        server.wait_until_ready()
        command = [sys.executable, "-c", STRANGER, str(server.port)]
        seen = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    assert seen.splitlines()[0] == line


def test_over_tls_only_http_1_1_is_offered_and_the_certificate_is_ours(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE, "--tls", "--token", "t") as server:
        server.wait_until_ready()
        ca = server.kubeconfig.parent / "tls" / "ca.crt"
        context = ssl.create_default_context(cafile=str(ca))
        context.set_alpn_protocols(["h2", "http/1.1"])

        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            client = WebClient(sock)
            with client.file:
                reply = client.get(NAMESPACES, headers="Authorization: Bearer t\r\n")
            protocol = sock.selected_alpn_protocol()

    assert (reply.status, protocol) == (200, "http/1.1")


def test_someone_who_speaks_plain_http_to_tls_disturbs_nobody(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE, "--tls") as server:
        server.wait_until_ready()
        with connected(server.port) as client:
            client.ask("/")
            assert client.is_at_end()

        assert server.process.poll() is None


def test_a_server_that_listens_wider_asks_for_a_token_it_made(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE, "--no-tls", "--host", "0.0.0.0") as server:
        server.wait_until_ready()
        token = yaml.safe_load(server.kubeconfig.read_text())["users"][0]["user"]["token"]
        with connected(server.port) as client:
            refused = client.get(NAMESPACES).status
            allowed = client.get(NAMESPACES, headers=f"Authorization: Bearer {token}\r\n").status

    assert (refused, allowed) == (403, 200)
    assert token == (server.kubeconfig.parent / "token").read_text()
    assert token not in server.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_watches_whole_and_the_server_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with chalice_local(tmp_path, *NONE) as server:
        server.wait_until_ready()
        with connected(server.port) as client:
            client.ask(f"{NAMESPACES}?watch=true")
            client.head()
            first = client.chunk()

            code = server.end(number)

            rest = b"".join(iter(client.chunk, b""))  # fails if the last chunk is missing

    assert code == 0, server.output
    assert b'"ADDED"' in first + rest
    assert "Traceback" not in server.output


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE, environ={"SPARKANYWHERE_WATCH": "buffered"}) as server:
        server.wait_until_ready()
        with connected(server.port) as client:
            last = client.get(NAMESPACES).json()["metadata"]["resourceVersion"]
            client.ask(f"{NAMESPACES}?watch=true&resourceVersion={last}")  # is held for 25 s
            server.process.send_signal(signal.SIGINT)
            until(lambda: not is_listening(server.port), "the first signal to be heard")

            code = server.end(signal.SIGINT)

    assert code == 128 + signal.SIGINT


def test_under_the_stock_chalice_the_server_is_ours_all_the_same(tmp_path: Path) -> None:
    environ = {"SPARKANYWHERE_PROVIDER": "none"}
    arguments = ("--port", "0", "--no-autoreload")
    with chalice_local(tmp_path, *arguments, environ=environ, command=STOCK) as server:
        server.wait_until_ready()
        with connected(server.port) as client:
            assert client.get(NAMESPACES, headers="Expect: 100-continue\r\n").status == 200

        assert server.end() == 0


def is_listening(port: int) -> bool:
    """Return whether somebody listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_port_in_use_is_one_sentence_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with chalice_local(tmp_path, "--port", str(port)) as server:
            code = server.wait()

    assert (code, len(server.lines)) == (1, 1)
    assert f"Can't listen on 127.0.0.1 port {port}: address already in use" in server.output
    assert list(tmp_path.iterdir()) == []


def test_a_bad_setting_is_one_sentence_and_nothing_is_made(tmp_path: Path) -> None:
    environ = {"SPARKANYWHERE_STORAGE": "floppy"}
    with chalice_local(tmp_path, "--port", "0", environ=environ) as server:
        code = server.wait()

    assert (code, len(server.lines)) == (1, 1)
    assert "SPARKANYWHERE_STORAGE is 'floppy'" in server.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("--docker", "--provider", "none"), ("--provider", "moon")])
def test_options_that_make_no_sense_are_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with chalice_local(tmp_path, "--port", "0", *arguments) as server:
        code = server.wait()

    assert code == 2
    assert "Error:" in server.output


def test_a_second_server_with_another_provider_is_refused(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE) as first:
        first.wait_until_ready()
        with chalice_local(tmp_path, "--port", "0", "--provider", "process") as second:
            code = second.wait()

    assert code == 1
    assert f"A server with provider none (process {first.process.pid})" in second.output
    assert len(second.lines) == 1


def test_two_servers_share_a_state_folder_and_the_second_takes_over(tmp_path: Path) -> None:
    with chalice_local(tmp_path, *NONE) as first, chalice_local(tmp_path, *NONE) as second:
        first.wait_until_ready()
        if "Another server" not in first.output:
            second.wait_until_ready()
        leader, other = (first, second) if "Another server" in second.output else (second, first)
        other.wait_until_ready()
        lock = first.kubeconfig.parent / "lock"
        own = first.kubeconfig.with_name(f"kubeconfig-{other.port}")
        assert f"export KUBECONFIG={own}" in other.output
        assert [leader.url in first.kubeconfig.read_text(), other.url in own.read_text()] == [True, True]
        with connected(leader.port) as client:
            post_namespace(client, "shared")

        leader.process.kill()

        until(lambda: lock.read_text() == f"{other.process.pid} none", "the other to take over")
        with connected(other.port) as client:
            assert client.get(f"{NAMESPACES}/shared").status == 200
        until(lambda: other.url in first.kubeconfig.read_text(), "the kubeconfig to name the server that is left")
        assert other.end() == 0
        assert not own.exists()
    assert f"(process {leader.process.pid})" in other.output
