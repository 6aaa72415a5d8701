"""exec, attach, cp and port-forward into a pod, of local processes or a container, by kubectl and the Python client."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kubernetes import client, config

from chalicelib.config import Settings
from sparkanywhere.client.access import find_target
from sparkanywhere.client.port_forward import PodPort, PortForward
from sparkanywhere.local.providers import engine, remove_leftovers
from sparkanywhere.spark.base_image import PYTHON, ensure_base
from sparkanywhere.spark.progress import silent
from tests.contexts import context_of
from tests.functional.local_server import LocalServer, chalice_local
from tests.tools import find
from tests.waiting import until
from tools import clients

POD = "looked-into"
# Serves its directory on every address at a port that the system picks, and says which.
SCRIPT = """
import functools, http.server
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=".")
server = http.server.ThreadingHTTPServer(("", 0), handler)
open("index.html", "w").write("hello from the pod")
print("port", server.server_address[1], flush=True)
server.serve_forever()
"""


DOCKER = pytest.param("docker", marks=pytest.mark.docker)
CASES = {"http": (), "https": ("--tls",), "docker": ("--docker",)}


@pytest.fixture(scope="module", params=["http", "https", DOCKER])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server with a pod that runs."""
    image = python_image() if request.param == "docker" else "busybox"
    state = tmp_path_factory.mktemp("state")
    with chalice_local(state, "--port", "0", *CASES[request.param]) as running:
        running.wait_until_ready()
        with core(running) as api:
            container = client.V1Container(name="main", image=image, command=["python3", "-c", SCRIPT])
            spec = client.V1PodSpec(restart_policy="Never", containers=[container])
            api.create_namespaced_pod("default", client.V1Pod(metadata=client.V1ObjectMeta(name=POD), spec=spec))
            until(lambda: port_in_log(api) is not None, "the pod to serve")
            yield running
            api.delete_namespaced_pod(POD, "default", grace_period_seconds=0)
            until(lambda: not api.list_namespaced_pod("default").items, "the pod to be gone")
    remove_leftovers(state / "sparkanywhere" / "default", Settings.from_env())


def python_image() -> str:
    """Return an image that has Python: the one that Spark's stand on."""
    with contextlib.closing(engine(Settings.from_env())) as docker:
        return ensure_base(docker, (PYTHON,), silent)


@contextlib.contextmanager
def core(server: LocalServer) -> Iterator[client.CoreV1Api]:
    """Yield a client of the server."""
    one: client.ApiClient = config.new_client_from_config(str(server.kubeconfig))  # type: ignore[no-untyped-call]
    with one:
        yield client.CoreV1Api(one)
        one.rest_client.pool_manager.clear()  # which leaving it does not


def port_in_log(api: client.CoreV1Api) -> int | None:
    """Return the port that the pod says it serves."""
    pod = api.read_namespaced_pod(POD, "default")
    if pod.status is None or pod.status.phase != "Running":
        return None
    found = re.search(r"port (\d+)", api.read_namespaced_pod_log(POD, "default"))
    return int(found[1]) if found else None


@pytest.fixture
def port(server: LocalServer) -> int:
    """The port that the pod serves."""
    with core(server) as api:
        found = port_in_log(api)
    assert found is not None
    return found


@dataclass(frozen=True)
class Kubectl:
    """A kubectl on the server."""

    command: str
    server: LocalServer

    def words(self, *arguments: str) -> list[str]:
        """Return the command with these arguments."""
        files = ["--kubeconfig", str(self.server.kubeconfig), "--cache-dir", str(self.server.state)]
        return [self.command, *files, *arguments]

    def __call__(self, *arguments: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run kubectl to its end."""
        return subprocess.run(self.words(*arguments), input=input, capture_output=True, timeout=60, check=False)


# The last to speak SPDY to exec and attach, and the oldest at hand.
OLD = [pytest.param(version, marks=pytest.mark.clients) for version in ("1.29", "1.24")]


@pytest.fixture(params=["at hand", *OLD])
def kubectl(request: pytest.FixtureRequest, server: LocalServer) -> Kubectl:
    """The kubectl at hand, and older ones."""
    is_old = request.param in clients.KUBECTLS
    command = str(clients.folder() / f"kubectl-{request.param}" / "kubectl") if is_old else find("kubectl")
    return Kubectl(command or "kubectl", server)


@pytest.mark.kubectl
def test_exec_has_input_both_outputs_and_an_exit_code(kubectl: Kubectl) -> None:
    done = kubectl("exec", "-i", POD, "--", "sh", "-c", "cat; echo err >&2; exit 5", input=b"in")

    assert (done.stdout, done.returncode) == (b"in", 5)
    assert done.stderr == b"err\ncommand terminated with exit code 5\n"


@pytest.mark.kubectl
def test_much_goes_in_and_comes_out_unharmed(kubectl: Kubectl) -> None:
    much = os.urandom(5_000_000)

    there = kubectl("exec", "-i", POD, "--", "sha256sum", input=much)
    back = kubectl("exec", "-i", POD, "--", "cat", input=much)

    assert there.stdout.split()[0].decode() == hashlib.sha256(much).hexdigest()
    assert back.stdout == much


@pytest.mark.kubectl
def test_a_client_that_reads_late_gets_all(kubectl: Kubectl) -> None:
    command = kubectl.words("exec", POD, "--", "head", "-c", "5000000", "/dev/zero")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        time.sleep(3)  # meanwhile the command has ended, and kubectl sends pings
        rest = process.stdout.read()

    assert (len(rest), process.returncode) == (4_999_999, 0)


@pytest.mark.kubectl
def test_a_command_whose_client_leaves_runs_on_without_input(kubectl: Kubectl) -> None:
    shell = "cat >/dev/null; head -c 1000000 /dev/zero; echo over >was-left"
    command = kubectl.words("exec", "-i", POD, "--", "sh", "-c", f"echo begun; {shell}")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.kill()

    until(lambda: kubectl("exec", POD, "--", "cat", "was-left").stdout == b"over\n", "the command to end")
    kubectl("exec", POD, "--", "rm", "was-left")


@pytest.mark.kubectl
def test_a_terminal_is_a_terminal(kubectl: Kubectl) -> None:
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    command = kubectl.words("exec", "-it", POD, "--", "sh")
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        said = b""

        def says(word: bytes) -> bool:
            nonlocal said
            with contextlib.suppress(OSError):  # nothing yet, or the end
                said += os.read(ours, 65536)
            return word in said

        os.write(ours, b"test -t 0 && echo ter''minal\r")
        until(lambda: says(b"terminal"), "the terminal's answer")
        termios.tcsetwinsize(ours, (33, 111))
        process.send_signal(signal.SIGWINCH)
        until(lambda: ask_size(ours) and says(b"33 111"), "the new size")
        os.write(ours, b"(trap 'exit 0' INT; echo wait''ing; while :; do sleep 0.1; done)\r")
        until(lambda: says(b"waiting"), "what Ctrl-C is to end")
        os.write(ours, b"\x03")
        os.write(ours, b"echo inter''rupted\r")
        until(lambda: says(b"interrupted"), "the prompt after Ctrl-C")
        os.write(ours, b"exit 4\r")
        until(lambda: says(b"exit code 4") or process.poll() is not None, "the end")
    os.close(ours)

    assert process.returncode == 4


@pytest.mark.kubectl
def test_a_pod_of_ones_own_is_fed(kubectl: Kubectl) -> None:
    image = f"--image={python_image()}"
    much = os.urandom(1_000_000)

    run = ("run", "fed", "-i", "--rm", "--quiet", image, "--restart=Never", "--command", "--")
    done = kubectl(*run, "sh", "-c", "sha256sum; exit 3", input=much)

    assert (done.stdout.split()[:1], done.returncode) == ([hashlib.sha256(much).hexdigest().encode()], 3), done.stderr
    assert b"NotFound" in kubectl("get", "pod", "fed").stderr


def ask_size(terminal: int) -> bool:
    """Have the shell tell its terminal's size."""
    return os.write(terminal, b"stty size\r") > 0


@pytest.mark.kubectl
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("exec", POD, "--", "no-such-program"), "executable file not found"),
        (("exec", POD, "-c", "other", "--", "true"), "container other is not valid for pod"),
        (("exec", "nobody", "--", "true"), 'pods "nobody" not found'),
    ],
)
def test_what_cannot_be_is_said_in_words(kubectl: Kubectl, arguments: tuple[str, ...], words: str) -> None:
    done = kubectl(*arguments)

    assert done.returncode == 1
    assert words in done.stderr.decode()


@pytest.mark.kubectl
def test_files_are_copied_both_ways(kubectl: Kubectl, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(300_000))

    into = kubectl("cp", str(source), f"{POD}:copied")
    back = kubectl("cp", f"{POD}:copied", str(target))

    assert (into.returncode, back.returncode) == (0, 0), (into.stderr, back.stderr)
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.kubectl
def test_kubectl_forwards_a_port_again_and_again(kubectl: Kubectl, port: int) -> None:
    command = kubectl.words("port-forward", POD, f":{port}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        try:
            pages = {fetch(f"http://127.0.0.1:{found[1]}/index.html") for _ in range(5)}
        finally:
            process.terminate()

    assert pages == {b"hello from the pod"}


def fetch(url: str) -> bytes:
    """Return what is at a URL of this machine."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        body: bytes = answer.read()
        return body


# The client leaks sockets of its own making, which here would count as ours: it runs in processes of its own.
CLIENT = """
import json, sys
from kubernetes import client, config
from kubernetes.stream import portforward, stream
kubeconfig, pod, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
api = client.CoreV1Api(config.new_client_from_config(kubeconfig))
"""
EXEC = """
command = ["sh", "-c", "read line; echo $line; echo err >&2; exit 6"]
call = api.connect_get_namespaced_pod_exec
streams = {"stdin": True, "stdout": True, "stderr": True, "tty": False}
session = stream(call, pod, "default", command=command, **streams, _preload_content=False)
session.write_stdin("a line\\n")
session.run_forever(timeout=20)
print(json.dumps([session.read_stdout(), session.read_stderr(), session.returncode]))
"""
FORWARD = """
forward = portforward(api.connect_get_namespaced_pod_portforward, pod, "default", ports=str(port))
sock = forward.socket(port)
sock.settimeout(20)
sock.sendall(b"GET /index.html HTTP/1.0\\r\\n\\r\\n")
said = b""
while piece := sock.recv(65536):
    said += piece
print(json.dumps([said.decode().splitlines()[-1], forward.error(port)]))
"""


def python_client(server: LocalServer, port: int, script: str, *, python: str = sys.executable) -> list[object]:
    """Run a script with a Python client; return the list that it prints."""
    command = [python, "-c", script, str(server.kubeconfig), POD, str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    printed: list[object] = json.loads(done.stdout)
    return printed


def test_the_python_client_runs_commands(server: LocalServer, port: int) -> None:
    assert python_client(server, port, CLIENT + EXEC) == ["a line\n", "err\n", 6]


def test_the_python_client_forwards_a_port(server: LocalServer, port: int) -> None:
    assert python_client(server, port, CLIENT + FORWARD) == ["hello from the pod", None]


# What others ask for: kr8s no subprotocol for ports and v4 for commands, lightkube v5, with its input in one message.
KR8S = """
import json, random, sys, urllib.request
import kr8s
from kr8s.objects import Pod
kubeconfig, name, port = sys.argv[1:]
pod = Pod.get(name, api=kr8s.api(kubeconfig=kubeconfig))
done = pod.exec(["sh", "-c", "echo out; echo err >&2; exit 3"], check=False)
said = [done.stdout.decode(), done.stderr.decode(), done.returncode]
below = random.randint(10000, 30000)  # "auto" draws ports of others' outgoing connections, too, and fails to bind them
with pod.portforward(remote_port=int(port), local_port=below) as local:
    for _ in range(2):
        said.append(urllib.request.urlopen(f"http://127.0.0.1:{local}/index.html", timeout=20).read().decode())
print(json.dumps(said))
"""
LIGHTKUBE = """
import hashlib, json, os, sys
from lightkube import Client, KubeConfig
client, much = Client(config=KubeConfig.from_file(sys.argv[1])), os.urandom(5_000_000)
done = client.exec(sys.argv[2], command=["sha256sum"], stdin=much, stdout=True, stderr=True)
failed = client.exec(sys.argv[2], command=["sh", "-c", "echo err >&2; exit 3"], stdout=True, stderr=True)
print(json.dumps([done.stdout.split()[0] == hashlib.sha256(much).hexdigest(), failed.stderr, failed.exit_code]))
"""
ASYNCIO = """
import asyncio, json, sys
from kubernetes_asyncio import client, config
from kubernetes_asyncio.stream import WsApiClient
async def main():
    await config.load_kube_config(config_file=sys.argv[1])
    async with WsApiClient() as api:
        call, said = client.CoreV1Api(api).connect_get_namespaced_pod_exec, []
        command = ["sh", "-c", "read line; echo $line; exit 4"]
        streams = {"stdin": True, "stdout": True, "stderr": True, "tty": False, "_preload_content": False}
        async with await call(sys.argv[2], "default", command=command, **streams) as socket:
            await socket.send_bytes(b"\\x00a line\\n")
            async for message in socket:
                if message.data[:1] == b"\\x03":
                    said.append(WsApiClient.parse_error_data(message.data[1:].decode()))
                elif message.data[1:]:
                    said.append(message.data[1:].decode())
    print(json.dumps(said))
asyncio.run(main())
"""


@pytest.mark.clients
@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param(KR8S, ["out\n", "err\n", 3, "hello from the pod", "hello from the pod"], id="kr8s"),
        pytest.param(LIGHTKUBE, [True, "err\n", 3], id="lightkube"),
        pytest.param(ASYNCIO, ["a line\n", 4], id="kubernetes_asyncio"),
    ],
)
def test_other_python_clients_do_as_well(server: LocalServer, port: int, script: str, said: list[object]) -> None:
    assert python_client(server, port, script, python=str(clients.python("python"))) == said


@pytest.mark.kubectl
def test_attach_shows_what_comes(kubectl: Kubectl, port: int) -> None:
    command = kubectl.words("attach", POD)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        said = b""

        def says(word: bytes) -> bool:
            nonlocal said
            kubectl("exec", POD, "--", "python3", "-c", GET.format(port=port))
            assert process.stdout is not None
            said += process.stdout.read() or b""
            return word in said

        until(lambda: says(b"GET /index.html"), "the pod's log of a request")
        process.terminate()


GET = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/index.html')"


def test_our_own_forwarding_carries_several_connections(server: LocalServer, port: int) -> None:
    said: list[str] = []
    target = PodPort(find_target(context_of(server.kubeconfig)).access, "default", POD, port)

    with PortForward(target, tell=said.append) as forwarding:
        pages = [fetch(f"http://127.0.0.1:{forwarding.port}/index.html") for _ in range(3)]

    assert pages == [b"hello from the pod"] * 3
    assert said == []


def test_our_own_forwarding_says_why_it_cannot(server: LocalServer) -> None:
    said: list[str] = []
    access = find_target(context_of(server.kubeconfig)).access

    for name, port in (("nobody", 80), (POD, 1)):
        with (
            PortForward(PodPort(access, "default", name, port), tell=said.append) as forwarding,
            socket.create_connection(("127.0.0.1", forwarding.port), timeout=60) as connection,
        ):
            assert connection.recv(1) == b""
            until(lambda: bool(said), "the reason")
        assert said.pop().startswith(f"{name}: ")
