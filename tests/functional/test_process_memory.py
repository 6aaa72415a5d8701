"""Memory limits of processes: what holds more than it may is ended, and nothing else."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.providers.process.provider import ProcessProvider
from chalicelib.providers.supervised.leftovers import remove_all
from chalicelib.providers.supervised.supervisor.processes import held_mib
from tests.contract.provider_backends import container, ended, task
from tests.waiting import until

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")]

HOLD = "import time; held = bytearray({mib} * 1024 * 1024); print('held', flush=True); time.sleep({seconds})"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[ProcessProvider]:
    """Yield a provider without tasks, removed afterwards with all it started."""
    one = ProcessProvider(tmp_path / "state", tmp_path / "spark", environ=os.environ)
    yield one
    remove_all(one)
    one.close()


def holding(mib: int, *, seconds: float) -> str:
    """Return a shell command that holds so much memory for so long."""
    return shlex.join([sys.executable, "-c", HOLD.format(mib=mib, seconds=seconds)])


@pytest.mark.parametrize("command", ["exec {}", "{}; exit 0"], ids=["main process", "child"])
def test_more_memory_than_the_limit_is_told_as_such(command: str, processes: ProcessProvider) -> None:
    script = command.format(holding(200, seconds=600))

    handle = processes.run(task(container(script, memory_mib=100))).handle

    (only,) = ended(processes, handle).containers
    assert (only.exit_code, only.reason) == (137, "OOMKilled")
    assert "100 MiB allowed" in only.message


def test_what_stays_below_its_limit_is_left_alone(processes: ProcessProvider) -> None:
    handle = processes.run(task(container(holding(50, seconds=3), memory_mib=200))).handle

    (only,) = ended(processes, handle).containers

    assert (only.exit_code, only.reason, only.message) == (0, "Completed", "")


def test_a_container_is_not_blamed_for_another(processes: ProcessProvider) -> None:
    large = container(holding(200, seconds=3), name="large")
    small = container("sleep 3", name="small", memory_mib=50)

    handle = processes.run(task(large, small)).handle

    assert [each.exit_code for each in ended(processes, handle).containers] == [0, 0]


def test_a_limit_holds_after_a_restart(processes: ProcessProvider) -> None:
    greedy = container(holding(200, seconds=600), memory_mib=100, restart="on-failure")

    handle = processes.run(task(greedy)).handle

    def second_end() -> bool:
        (state,) = processes.describe([handle])
        (only,) = state.containers
        return only.restarts == 1 and only.reason == "CrashLoopBackOff"

    until(second_end, "the second run to be ended as well", seconds=60)


def test_memory_that_forks_share_is_counted_once() -> None:
    forks = "import os; held = b'x' * 2**27; os.fork(); os.fork(); os.write(1, b'%d\\n' % os.getpid()); os.read(0, 1)"
    with subprocess.Popen(
        [sys.executable, "-c", forks], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        pids = [int(first.stdout.readline()) for _ in range(4)]

        exact = held_mib(pids, limit_mib=0)
        quick = held_mib(pids, limit_mib=10**6)

        first.stdin.close()
    assert 128 <= exact < 256
    assert quick >= 4 * 128


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert held_mib([2**22 + 1], limit_mib=0) == 0
