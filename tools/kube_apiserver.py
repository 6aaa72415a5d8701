"""A real kube-apiserver with its etcd, on loopback, for as long as it is compared with ours.

With RBAC and bearer tokens; no controllers, no kubelet, no ServiceAccount admission, so that a pod needs nothing else.
Certificates, keys and data lie in the folder that the caller gives and removes.
"""

from __future__ import annotations

import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import Access, ApiError, ApiUnreachable, KubeClient
from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates
from tests.waiting import until

HOST = "127.0.0.1"
START_SECONDS = 120.0  # ten on an idle machine
STOP_SECONDS = 20.0
SERVICE_RANGE = "10.96.0.0/16"  # of clusterIPs, as kubeadm has it


class NoServer(Failure):
    """There is no such program, or it did not start; str() is one sentence."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the two programs are."""

    kube_apiserver: Path
    etcd: Path

    def version(self) -> str:
        """Return both versions in a few words. Raises NoServer."""
        etcd = _first_line(self.etcd).removeprefix("etcd Version: ")
        return f"kube-apiserver {_first_line(self.kube_apiserver).removeprefix('Kubernetes ')}, etcd {etcd}"


@dataclass(frozen=True, slots=True)
class ApiServer:
    """An API server that is up: ours or a real one. The stranger's token is known and has no rights."""

    access: Access
    stranger: str
    pids: tuple[int, ...]


def find_binaries(environ: Mapping[str, str]) -> Binaries | None:
    """Return the programs that KUBE_APISERVER and ETCD name, None if neither is set. Raises NoServer."""
    named = {name: environ.get(name, "") for name in ("KUBE_APISERVER", "ETCD")}
    if not any(named.values()):
        return None
    for name, value in named.items():
        if not Path(value).is_file():
            raise NoServer(f"{name} is {value!r}, which is no file; KUBE_APISERVER and ETCD name two programs.")
    return Binaries(Path(named["KUBE_APISERVER"]).absolute(), Path(named["ETCD"]).absolute())


@contextmanager
def kube_apiserver(binaries: Binaries, folder: Path) -> Iterator[ApiServer]:
    """Yield a real API server with an empty store, all of it in `folder`; end it. Raises NoServer."""
    files = CertificateFiles(folder / "tls")
    ensure_certificates(files, frozenset({HOST, "localhost"}), datetime.now(UTC))
    token, stranger = secrets.token_hex(16), secrets.token_hex(16)
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{token},admin,admin,"system:masters"\n{stranger},nobody,nobody-uid\n')
    clients, peers, port = free_ports(3)
    etcd = [
        str(binaries.etcd),
        "--data-dir",
        str(folder / "etcd-data"),
        "--listen-client-urls",
        f"http://{HOST}:{clients}",
    ]
    etcd += ["--advertise-client-urls", f"http://{HOST}:{clients}", "--listen-peer-urls", f"http://{HOST}:{peers}"]
    server = [str(binaries.kube_apiserver), f"--etcd-servers=http://{HOST}:{clients}", f"--secure-port={port}"]
    server += [
        f"--bind-address={HOST}",
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
    ]
    server += [f"--tls-cert-file={files.chain}", f"--tls-private-key-file={files.chain}"]
    server += ["--authorization-mode=RBAC", f"--token-auth-file={tokens}", "--disable-admission-plugins=ServiceAccount"]
    server += [f"--service-account-key-file={files.ca}", f"--service-account-signing-key-file={files.ca_key}"]
    server += ["--service-account-issuer=https://kubernetes.default.svc"]
    access = Access(f"https://{HOST}:{port}", token, files.ca.read_text())
    with ExitStack() as stack:
        commands = {"etcd": etcd, "kube-apiserver": server}
        running = {name: stack.enter_context(_running(command, folder / name)) for name, command in commands.items()}
        client = KubeClient(access)
        until(lambda: _is_ready(client, running, folder), "a real API server", seconds=START_SECONDS)
        yield ApiServer(access, stranger, tuple(process.pid for process in running.values()))


def free_ports(count: int) -> list[int]:
    """Return ports of loopback on which nothing listens, each another."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _running(command: list[str], place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that logs into `place`.log; end it at the end."""
    with place.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(command, cwd=place.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def _is_ready(client: KubeClient, running: Mapping[str, subprocess.Popen[bytes]], folder: Path) -> bool:
    """Return whether the server has made what it makes at its start. Raises NoServer if a program has ended."""
    for name, process in running.items():
        if process.poll() is not None:
            log = (folder / f"{name}.log").read_text(errors="replace").strip()
            raise NoServer(f"{name} ended at its start: {log[-500:]}")
    with suppress(ApiError, ApiUnreachable):
        return client.text("/readyz") == "ok" and bool(client.get("/api/v1/namespaces/default"))
    return False


def _first_line(program: Path) -> str:
    try:
        ran = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoServer(f"{program} does not say its version: {error}") from error
    return ran.stdout.partition("\n")[0]
