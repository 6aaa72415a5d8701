"""The example notebook runs as it stands, and leaves nothing running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparkanywhere.client.server_records import living_servers
from tests.e2e.spark_scenarios import NEWEST, Spark
from tests.functional.local_server import PROJECT
from tests.waiting import until

pytestmark = [pytest.mark.spark, pytest.mark.slow]

NOTEBOOK = PROJECT / "examples" / "notebook.ipynb"
SECONDS = 280.0
# In a program of its own: what its packages warn of is no error of ours.
RUN = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
for cell in notebook.cells:
    for output in cell.get("outputs", ()):
        print(output.get("data", output).get("text/plain", ""))
"""


def test_the_example_notebook_runs_and_leaves_nothing_running(spark: Spark, tmp_path: Path) -> None:
    home = spark(NEWEST)
    (py4j,) = home.glob("python/lib/py4j-*.zip")
    environ = {
        **os.environ,
        "PYTHONPATH": f"{PROJECT}:{home / 'python'}:{py4j}",  # as `pip install "pyspark[connect]"` has it
        "SPARKANYWHERE_STATE": str(tmp_path / "state"),
    }

    ran = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK)],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = [line.split() for line in ran.stdout.splitlines()]
    assert ["0", "de", "20.0"] in rows
    assert ["1", "fr", "15.5"] in rows
    assert ["2", "de", "24.0"] in rows
    state = tmp_path / "state"
    assert [each.name for each in state.iterdir()] == ["default"]  # where the record of it is kept
    until(lambda: not living_servers(state), "the server to end with the kernel")
