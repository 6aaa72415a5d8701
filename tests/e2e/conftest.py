"""Fixtures of the tests with real Spark."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalicelib.config import Settings
from sparkanywhere.spark import class_archive
from sparkanywhere.spark.spark_distribution import ensure
from tests.e2e.spark_cluster import SparkCluster, spark_cluster


@pytest.fixture(scope="session")
def spark() -> Callable[[str], Path]:
    """Return what gives the SPARK_HOME of a version, downloading it the first time."""

    def home_of(version: str) -> Path:
        home = ensure(version, cache=Settings.from_env().cache_dir(), environ=os.environ)
        if class_archive.is_due(home):  # jobs of the tests before have run: the next ones start faster
            class_archive.make_archive(home)
        return home

    return home_of


@pytest.fixture(params=["streamed", "buffered"])
def watch(request: pytest.FixtureRequest) -> str:
    """Return how watches leave the control plane."""
    return str(request.param)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SparkCluster]:
    """Yield a control plane on the process provider."""
    with spark_cluster(tmp_path) as cluster:
        yield cluster
