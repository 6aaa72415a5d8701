"""The servers that `make jars` has Spark work with, all written by others: S3Proxy, a Kafka broker, PostgreSQL.

The first two are jars of a Maven repository, pinned as those of --with are, in tools/servers; the third is Debian's
package `postgresql`. All listen at an address that processes and containers of this machine reach.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import boto3
import docker

from chalicelib.config import Settings
from sparkanywhere.jars.jar_cache import ensure_jars
from sparkanywhere.jars.repository import find_repository
from sparkanywhere.jars.table import read_sums
from tests.waiting import until

SERVERS = Path(__file__).with_name("servers")
KEY = "testing"  # both halves of the key that S3Proxy takes
BUCKET = "checks"
START_SECONDS = 120.0
END_SECONDS = 30.0
CLUSTER_ID = "c3BhcmthbnktY2hlY2tzIQ"  # 16 bytes, URL-safe base64 without padding
KAFKA = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}


def reachable_host() -> str:
    """Return this machine's address in the network that a Docker engine gives containers."""
    client = docker.from_env()
    try:
        config = client.networks.get("bridge").attrs["IPAM"]["Config"][0]
        # Engines up to 20.10 name no gateway of a bridge that they found; it is the first address.
        return str(config.get("Gateway") or IPv4Network(config["Subnet"])[1])
    finally:
        client.close()


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as found:
        return int(found.getsockname()[1])


def _class_path(name: str) -> str:
    """Return the class path of a server, its jars fetched if the cache has them not."""
    jars = read_sums((SERVERS / f"{name}.txt").read_text("utf-8"))
    cache = Settings.from_env().cache_dir()
    return ":".join(map(str, ensure_jars(jars, cache=cache, repository=find_repository(os.environ, home=Path.home()))))


@contextmanager
def _running(line: Sequence[str], log: Path, at: tuple[str, int], **more: Any) -> Iterator[None]:
    """Yield while a server runs that answers `at` a host and port; raises AssertionError where it does not start."""

    def answers() -> bool:
        assert process.poll() is None, f"{line[0]} has ended: {log.read_text()[-2000:]}"
        with socket.socket() as asking:
            return asking.connect_ex(at) == 0

    with log.open("w") as said:
        process = subprocess.Popen(line, stdout=said, stderr=subprocess.STDOUT, **more)
    try:
        until(answers, f"{log.name} to answer", seconds=START_SECONDS)
        yield
    finally:
        process.terminate()
        process.wait(END_SECONDS)


def _properties(path: Path, entries: Mapping[str, str]) -> str:
    path.write_text("".join(f"{key}={value}\n" for key, value in entries.items()), encoding="utf-8")
    return str(path)


@contextmanager
def s3_proxy(host: str, folder: Path, *, checks_keys: bool = True) -> Iterator[str]:
    """Yield the URL of an S3 over a folder, with the bucket; unless it `checks_keys` it takes any credentials."""
    port, data = _free_port(host), folder / "s3"
    data.mkdir(parents=True)
    url = f"http://{host}:{port}"
    entries = {
        "s3proxy.endpoint": url,
        "s3proxy.authorization": "aws-v2-or-v4" if checks_keys else "none",
        "s3proxy.identity": KEY,
        "s3proxy.credential": KEY,
        "s3proxy.ignore-unknown-headers": "true",
        "jclouds.provider": "filesystem-nio2",
        "jclouds.filesystem.basedir": str(data),
        "jclouds.identity": "x",
        "jclouds.credential": "x",
    }
    logback = folder / "logback.xml"
    logback.write_text('<configuration><root level="OFF"/></configuration>')  # all of DEBUG by itself
    line = ["java", "-Xmx256m", f"-Dlogback.configurationFile={logback}", "-cp", _class_path("s3proxy")]
    line += ["org.gaul.s3proxy.Main", "--properties", _properties(folder / "s3proxy.properties", entries)]
    with _running(line, folder / "s3proxy.log", (host, port)):
        credentials = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY}
        boto3.client("s3", endpoint_url=url, region_name="us-east-1", **credentials).create_bucket(Bucket=BUCKET)
        yield url


@contextmanager
def kafka(host: str, folder: Path) -> Iterator[str]:
    """Yield the address of a broker of its own."""
    port, control = _free_port(host), _free_port(host)
    entries = {
        **KAFKA,
        "controller.quorum.bootstrap.servers": f"{host}:{control}",
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{host}:{control}",
        "advertised.listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{host}:{control}",
        "log.dirs": str(folder / "kafka"),
    }
    file, java = _properties(folder / "kafka.properties", entries), ["java", "-Xmx512m", "-cp", _class_path("kafka")]
    formatting = [*java, "kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER_ID, "-c", file]
    subprocess.run(formatting, check=True, stdout=subprocess.DEVNULL)
    with _running([*java, "kafka.Kafka", file], folder / "kafka.log", (host, port)):
        yield f"{host}:{port}"


@contextmanager
def postgres(host: str, folder: Path) -> Iterator[str]:
    """Yield the JDBC URL of a database of its own, "" where the package is not installed."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), default=None)
    if programs is None:
        yield ""
        return
    port, data = _free_port(host), folder / "postgres"
    data.mkdir()
    user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}  # it refuses to run as root
    if user:
        shutil.chown(data, "postgres")
    initdb = [str(programs.with_name("initdb")), "-D", str(data), "-U", "postgres", "-A", "trust"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all trust\n")
    options = {"listen_addresses": host, "port": str(port), "unix_socket_directories": str(data)}
    line = [str(programs), "-D", str(data), *(f"--{key}={value}" for key, value in options.items())]
    with _running(line, folder / "postgres.log", (host, port), cwd="/", **user):
        yield f"jdbc:postgresql://{host}:{port}/postgres?user=postgres"


@contextmanager
def servers(host: str, folder: Path) -> Iterator[dict[str, str]]:
    """Yield where a broker and a database are, by the variables that tell the checks."""
    with ExitStack() as stack:
        yield {
            "CHECKS_KAFKA": stack.enter_context(kafka(host, folder)),
            "CHECKS_POSTGRES": stack.enter_context(postgres(host, folder)),
        }
