"""What every test may use: the tools that markers name, and a free port."""

from __future__ import annotations

import signal
import socket

import pytest
from hypothesis import HealthCheck, settings

from tests.tools import missing, required

# How long an example takes is the machine's business: a busy one fails Hypothesis's 200 ms now and then.
settings.register_profile(
    "patient", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

TOOL_MARKERS = ("docker", "own_engine", "kubectl", "terraform", "browser", "spark")


def pytest_configure() -> None:
    """Heed SIGINT again where whoever started us had it ignored: all that tests start would inherit that."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose tool is missing; fail it where SPARKANYWHERE_REQUIRE_TOOLS=1 says so."""
    for tool in TOOL_MARKERS:
        problem = missing(tool) if item.get_closest_marker(tool) else ""
        if problem and required():
            pytest.fail(f"SPARKANYWHERE_REQUIRE_TOOLS=1, but {problem}", pytrace=False)
        if problem:
            pytest.skip(problem)


@pytest.fixture
def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
