"""What every test may use: the tools that markers name, and the Lambda package."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.aws_box.package import Package, find_or_make_package
from tests.tools import missing, required
from tools.slurm_lab import Lab, lab

# How long an example takes is the machine's business: a busy one fails Hypothesis's 200 ms now and then.
settings.register_profile(
    "patient", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

HERE = Path(__file__).parent
TOOL_MARKERS = (
    "clients",
    "docker",
    "image",
    "own_engine",
    "podman",
    "kubectl",
    "terraform",
    "browser",
    "spark",
    "spark_operator",
    "docker_registry",
    "slurm",
    "dynoxide",
)
# Workers take a file at a time, in this order: short files at the end fill up what long ones leave.
LONGEST_FIRST = ("e2e", "functional", "contract", "simulation", "unit")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WAITS = "test_many_crashes.py"  # ten minutes, of which it computes few


def pytest_configure() -> None:
    """Have servers of this machine asked without a proxy, whatever the environment says of it.

    And take SIGINT and SIGHUP again where whoever started us ignores them (`&`, nohup): all they start would too.
    """
    without = [os.environ.get("no_proxy") or os.environ.get("NO_PROXY", ""), "127.0.0.1", "localhost"]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, without))
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(autouse=True)
def same_signal_handlers() -> Iterator[None]:
    """Hold that a test leaves the answers to signals as they were: the next one in this process lives with them."""
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    after = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the suites that take longest first, and before them the file that waits most while others compute."""
    items.sort(key=lambda item: (item.path.name != WAITS, LONGEST_FIRST.index(item.path.relative_to(HERE).parts[0])))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tool is missing; fail it where SPARKANYWHERE_REQUIRE_TOOLS=1 says so."""
    for tool in TOOL_MARKERS:
        problem = missing(tool) if item.get_closest_marker(tool) else ""
        if problem and required():
            pytest.fail(f"SPARKANYWHERE_REQUIRE_TOOLS=1, but {problem}", pytrace=False)
        if problem:
            pytest.skip(problem)


@pytest.fixture(scope="session")
def slurm_lab() -> Iterator[Lab]:
    """Yield a Slurm of two nodes."""
    with lab() as made:
        yield made


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Return the Lambda package, made once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    return find_or_make_package(shared / "package")
