"""`sparkanywhere run` against a real local server: tried again, advised on its size, and nothing left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sparkanywhere.client.kube_client import KubeClient
from sparkanywhere.local.local_server import LocalServer, ServerOptions
from tests.contexts import context_of
from tests.unit.sparkanywhere.sizing.synthetic import written
from tests.unit.sparkanywhere.sizing.test_advice import TWICE, log
from tests.waiting import until

NAMESPACE = "namespaces/default"
SUBMIT_SECONDS = 200.0  # the pause between two attempts is ten


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    """Yield a local control plane that runs pods as processes."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SPARKANYWHERE_")}
    found = LocalServer(ServerOptions(tmp_path / "state", "attempts"), environ)
    found.start()
    yield found
    found.stop()


def left(client: KubeClient) -> list[str]:
    """Return what there is, but for what is the namespace's own."""
    paths = [f"/api/v1/{NAMESPACE}/{each}" for each in ("pods", "configmaps", "secrets", "services")]
    found = [
        item["metadata"]["name"]
        for path in (*paths, f"/apis/batch/v1/{NAMESPACE}/jobs")
        for item in client.get(path)["items"]
    ]
    return [name for name in found if name not in ("kube-root-ca.crt", "kubernetes")]


def run(server: LocalServer, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a job to its end; return what it said."""
    return subprocess.run(
        [sys.executable, "-m", "sparkanywhere", "run", *words],
        env={**os.environ, **context_of(server.kubeconfig)},
        capture_output=True,
        text=True,
        timeout=SUBMIT_SECONDS,
        check=False,
    )


@pytest.mark.spark
def test_a_driver_that_fails_is_tried_again_and_nothing_is_left(server: LocalServer, tmp_path: Path) -> None:
    program = tmp_path / "job.py"
    program.write_text("raise SystemExit(3)\n")
    ran = run(server, "--verbose", "--max-attempts", "2", str(program))

    assert ran.returncode == 3, ran.stdout + ran.stderr
    drivers = {word for word in ran.stderr.split() if word.startswith("job-")}
    assert len(drivers) == 2, ran.stderr
    assert ran.stdout == ""
    client = KubeClient(server.access)
    until(lambda: left(client) == [], "nothing to be left")


# In place of Spark: writes the event log of another run, as the one of its own.
LOGS = """
import os
import sys
import urllib.request
from pathlib import Path

lines = Path(os.environ["SPARK_CONF_DIR"], "spark.properties").read_text().splitlines()
(app_id,) = (line.partition("=")[2] for line in lines if line.startswith("spark.app.id="))
url, log = sys.argv[1:]
request = urllib.request.Request(f"{url}/{app_id}", Path(log).read_bytes(), {"Content-Type": "x/y"}, method="PUT")
urllib.request.urlopen(request).close()
"""


@pytest.mark.spark
@pytest.mark.slow  # seven seconds
def test_a_run_tells_by_its_event_log_which_executors_would_have_done(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    program, events, s3 = tmp_path / "job.py", tmp_path / "events", ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    program.write_text(LOGS)
    events.write_bytes(written(log(TWICE)))
    s3.start()
    url = "http://{}:{}".format(*s3.get_host_and_port())
    boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="logs")
    conf = ["spark.eventLog.dir=s3a://logs", f"spark.hadoop.fs.s3a.endpoint={url}"]
    try:
        ran = run(server, *(f"--conf={each}" for each in conf), str(program), f"{url}/logs", str(events))
    finally:
        s3.stop()

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"The same time with .* in place of 16 cores .*--executors \d+ --executor-cores", ran.stderr)


MORE = "spark.driver.memoryOverhead=768m"
EATS = f"""
import os
import time
from pathlib import Path

is_first = "{MORE}" not in Path(os.environ["SPARK_CONF_DIR"], "spark.properties").read_text()
kept = bytearray(850 * 1024**2)
kept[::4096] = bytes([1]) * len(kept[::4096])
if is_first:
    time.sleep(300)  # until the pod's memory ends it
print("had enough")
"""


def run_out_of_memory(server: LocalServer, folder: Path) -> None:
    """Run a job whose driver's first attempt has too little memory, and see the second one succeed."""
    program = folder / "job.py"
    program.write_text(EATS)
    ran = run(server, "--auto-size", "--driver-memory", "512m", str(program))

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"--auto-size: attempt 2 of 4, with --conf {MORE}" in ran.stderr
    assert f"It took --conf {MORE}: begin with that next time." in ran.stderr
    assert ran.stdout == "had enough\n"
    client = KubeClient(server.access)
    until(lambda: left(client) == [], "nothing to be left")


@pytest.mark.spark
def test_a_driver_out_of_memory_is_tried_again_with_more(server: LocalServer, tmp_path: Path) -> None:
    run_out_of_memory(server, tmp_path)
