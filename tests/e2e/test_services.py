"""`sparkanywhere connect` and `history` with real Spark behind them, on local processes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contexts import context_of
from tests.e2e.connect_clients import SMALL, Connect, connecting, sparkanywhere
from tests.e2e.spark_cluster import JOB_SECONDS, SparkCluster
from tests.tcp_relay import relay_to
from tests.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.slow]

Spark = Callable[[str], Path]
JOB = "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().range(10).count()\n"
# Long beside the moment between the URL and a client that waits for it, short to wait for.
IDLE_MINUTES = "0.5"


@pytest.fixture
def connect(spark: Spark, cluster: SparkCluster, tmp_path: Path) -> Iterator[Connect]:
    """Yield `connect` for the control plane."""
    with connecting(spark("4.3.0"), tmp_path, context_of(cluster.server.kubeconfig)) as found:
        yield found


@pytest.mark.timeout(600)  # two starts of Spark and half a minute of nothing
def test_users_share_a_server_by_urls_that_outlive_drops_and_its_end(
    cluster: SparkCluster, connect: Connect, tmp_path: Path
) -> None:
    with connect.client() as ana, connect.client() as bert, connect.client() as wrong, connect.client() as late:
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
    here = context_of(cluster.server.kubeconfig)
    job = tmp_path / "counts.py"
    job.write_text(JOB)
    sparkanywhere("run", *SMALL, "--output", "json", str(job), **here)

    url = sparkanywhere("history", **here)

    until(lambda: [each["name"] for each in applications(url)] == ["counts"], "the job", seconds=JOB_SECONDS)
    assert applications(url)[0]["attempts"][0]["completed"]
    assert sparkanywhere("history", **here) == url
    sparkanywhere("history", "--stop", **here)
    until(lambda: not cluster.pods(), "the server to be gone")


def applications(url: str) -> list[Any]:  # Any: the history server's own JSON
    """Return what a history server lists."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/api/v1/applications", timeout=JOB_SECONDS) as answer:
        return list(json.load(answer))
