"""Real Spark in containers whose engine is killed and started again in the middle of the job."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sparkanywhere.project import PROJECT
from tests.e2e.docker_cluster import image_for
from tests.own_engine import ALONE

pytestmark = [pytest.mark.docker, pytest.mark.image, pytest.mark.own_engine, pytest.mark.spark, pytest.mark.slow]

VERSION = "4.3.0"
SAVE_SECONDS = 240
JOB_SECONDS = 480


@pytest.mark.timeout(SAVE_SECONDS + JOB_SECONDS)
def test_a_job_outlives_its_engine(spark: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the engine leaves its containers alone (live-restore); else they end, and are reported as ended."""
    home, folder = spark(VERSION), tmp_path_factory.mktemp("e")  # sockets below it must have short names
    image = folder / "image.tar"
    image_for(VERSION)
    save = ["docker", "save", "--output", str(image), f"sparkanywhere/spark:{VERSION}"]
    subprocess.run(save, check=True, timeout=SAVE_SECONDS)

    ran = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.e2e.engine_restart", str(home), str(image), str(folder)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=JOB_SECONDS,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
