"""A job whose engine is killed and started again, as a program that has network and mounts to itself.

Usage, behind own_engine.ALONE: python -m tests.e2e.engine_restart SPARK_HOME IMAGE_FILE FOLDER
The engine is set to leave its containers alone (--live-restore). Exits with 0 if the job went well.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.docker_cluster import DockerCluster, docker_cluster
from tests.e2e.spark_cluster import exit_code
from tests.e2e.spark_scenarios import TWO
from tests.own_engine import OwnEngine

EXECUTOR = "spark-kubernetes-executor"
LOAD_SECONDS = 300


def main(home: Path, image: Path, folder: Path) -> None:
    """Run the job and restart the engine below it."""
    engine = OwnEngine(folder / "engine", live_restore=True, alone=False)
    os.environ["DOCKER_HOST"] = engine.url
    (folder / "engine").mkdir()
    try:
        engine.start()
        subprocess.run(["docker", "load", "--input", image], check=True, timeout=LOAD_SECONDS)
        with docker_cluster(folder / "state") as cluster:
            _run_job(cluster, engine, home)
    finally:
        engine.remove()


def _run_job(cluster: DockerCluster, engine: OwnEngine, home: Path) -> None:
    cluster.start(home, *cluster.sleepers(seconds=2, tasks=16), conf=TWO)
    cluster.executors_register(2)
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}

    lost = cluster.container_of(cluster.running("executor")[0], EXECUTOR)
    main_process = cluster.engine.inspect_container(lost)["State"]["Pid"]

    engine.kill()
    os.kill(main_process, signal.SIGKILL)  # what ends while the engine is away must be known later
    assert {pod["metadata"]["uid"] for pod in cluster.pods()} == before, "the API went with the engine"
    engine.start()

    driver = cluster.driver_ends()
    assert driver["metadata"]["uid"] in before
    assert exit_code(driver) == 0, cluster.log(driver)
    assert "16 tasks came back" in cluster.log(driver), cluster.log(driver)
    assert "exit code 137" in cluster.log(driver), "Spark was not told how the executor ended"


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
