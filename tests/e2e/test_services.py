"""`sparkanywhere connect` and `history` with real Spark behind them, on local processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contexts import context_of
from tests.e2e.spark_cluster import JOB_SECONDS, JOBS, SparkCluster
from tests.functional.local_server import PROJECT
from tests.tcp_relay import relay_to
from tests.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.slow]

Spark = Callable[[str], Path]
JOB = "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().range(10).count()\n"
SMALL = ("--executors", "1", "--executor-memory", "512m", "--driver-memory", "512m")
# Long beside the moment between the URL and a client that waits for it, short to wait for.
IDLE_MINUTES = "0.5"


def sparkanywhere(cluster: SparkCluster, *arguments: str, **more: str) -> str:
    """Run a command to its end, with further variables; return what it printed."""
    environ = {**os.environ, **context_of(cluster.server.kubeconfig), "PYTHONPATH": str(PROJECT), **more}
    command = [sys.executable, "-m", "sparkanywhere", *arguments]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=JOB_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout.strip()


@dataclass
class Client:
    """A Spark Connect client in a process of its own, which has imported all it needs when it is given a URL."""

    process: subprocess.Popen[str]

    def connect(self, url: str) -> None:
        self.say(url)

    def ask(self, what: str) -> str:
        """Return the answer, a line."""
        self.say(what)
        return self.answer()

    def answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def last_words(self, *lines: str) -> str:
        """Return all that it still says, once it has been told these lines and has ended."""
        return self.process.communicate("".join(f"{line}\n" for line in lines), timeout=JOB_SECONDS)[0]

    def say(self, line: str) -> None:
        assert self.process.stdin
        print(line, file=self.process.stdin, flush=True)


@contextmanager
def client(home: Path, roots: Path) -> Iterator[Client]:
    """Start a client that trusts what the file says."""
    (py4j,) = home.glob("python/lib/py4j-*.zip")
    ours = {"PYTHONPATH": f"{home / 'python'}:{py4j}", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots)}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", str(JOBS / "connect_client.py")],
        env={**os.environ, **ours},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Client(process)
        finally:
            process.kill()  # it would try for minutes to take leave of a server that is not there


@pytest.fixture
def connect(cluster: SparkCluster, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Return what runs `sparkanywhere connect` with state of its own; the gateway ends with the test."""
    state = {"SPARKANYWHERE_STATE": str(tmp_path)}
    yield lambda *arguments: sparkanywhere(cluster, "connect", *arguments, **state)
    sparkanywhere(cluster, "connect", "--stop", **state)


@pytest.mark.timeout(600)  # two starts of Spark and half a minute of nothing
def test_users_share_a_server_by_urls_that_outlive_drops_and_its_end(
    spark: Spark, cluster: SparkCluster, connect: Callable[..., str], tmp_path: Path
) -> None:
    home, roots = spark("4.3.0"), tmp_path / ".connect" / "tls" / "roots.pem"
    with (
        client(home, roots) as ana,
        client(home, roots) as bert,
        client(home, roots) as wrong,
        client(home, roots) as late,
    ):
        anas = connect(*SMALL, "--idle", IDLE_MINUTES, "--user", "ana")
        berts = connect("--user", "bert")
        base = anas.partition("token=")[0]
        with relay_to(int(base.partition("localhost:")[2].partition("/")[0])) as relay:
            ana.connect(anas.replace(base, f"sc://localhost:{relay.port}/;use_ssl=true;"))
            session = ana.ask("keep")
            bert.connect(f"{berts};session_id={session}")

            assert (ana.ask("sum"), bert.ask("sum")) == ("the sum is 499500", "the sum is 499500")
            assert ana.ask("users") == "{2}"  # where the gateway writes them
            assert (ana.ask("look"), bert.ask("look")) == ("kept", "nothing")
            refusal = wrong.last_words(f"{base}token=wrong", "sum")
            assert "UNAUTHENTICATED" in refusal
            assert "`sparkanywhere connect` prints a URL with a new token" in refusal

            ana.say(f"wait {tmp_path}")
            until((tmp_path / "runs").exists, "the query to run", seconds=JOB_SECONDS)
            before = relay.accepted
            relay.cut()
            until(lambda: relay.accepted > before, "the client to come back", seconds=JOB_SECONDS)
            (tmp_path / "may-end").touch()
            assert ana.answer() == "went on"
            ana.last_words()
        bert.last_words()

        until(lambda: not cluster.running("driver"), "the server to end", seconds=JOB_SECONDS)
        driver = cluster.driver()
        assert driver["status"]["phase"] == "Succeeded"
        assert "Nobody has used this server for 30 s" in cluster.log(driver)
        late.connect(anas)
        assert late.ask("sum") == "the sum is 499500"


def test_a_job_that_has_ended_is_in_the_history_and_one_server_is_enough(
    spark: Spark, cluster: SparkCluster, tmp_path: Path
) -> None:
    spark("4.3.0")
    job = tmp_path / "counts.py"
    job.write_text(JOB)
    sparkanywhere(cluster, "run", *SMALL, "--output", "json", str(job))

    url = sparkanywhere(cluster, "history")

    until(lambda: [each["name"] for each in applications(url)] == ["counts"], "the job", seconds=JOB_SECONDS)
    assert applications(url)[0]["attempts"][0]["completed"]
    assert sparkanywhere(cluster, "history") == url
    sparkanywhere(cluster, "history", "--stop")
    until(lambda: not cluster.pods(), "the server to be gone")


def applications(url: str) -> list[Any]:  # Any: the history server's own JSON
    """Return what a history server lists."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/api/v1/applications", timeout=JOB_SECONDS) as answer:
        return list(json.load(answer))
