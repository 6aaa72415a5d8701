"""What the provider does when Slurm, its nodes or its answers fail, on a real Slurm of two nodes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from chalicelib.providers.base import LogOptions, ProviderUnavailable, TaskRejected, TaskState, ToldInPart
from chalicelib.providers.slurm.declaration import SlurmSettings
from chalicelib.providers.slurm.provider import SlurmProvider
from tests.contract.provider_backends import SlurmProviders, container, ended, running, state_of, task
from tests.waiting import until
from tools.slurm_lab import Lab

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

# It hands the job on, and then answers as if it had not.
LOSES_ANSWERS = """#!/bin/sh
{sbatch} "$@" >&2
echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
exit 1
"""


@pytest.fixture
def providers(tmp_path: Path, slurm_lab: Lab) -> Iterator[SlurmProviders]:
    """Yield what opens providers of one folder."""
    opened = SlurmProviders(tmp_path, slurm_lab)
    yield opened
    opened.close()


@pytest.fixture
def provider(providers: SlurmProviders) -> SlurmProvider:
    """Return a provider without tasks."""
    return providers.open()


def job_of(state: TaskState, lab: Lab) -> str:
    """Return the numbers of a task's jobs, as Slurm tells them."""
    lines = lab.ask("squeue", "--noheader", "--states=all", "--Format=JobID:|,Name:|").splitlines()
    return " ".join(line.split("|")[0] for line in lines if line.rstrip("|").endswith(state.handle))


def test_a_job_whose_submission_was_not_answered_is_found_and_runs_once(
    tmp_path: Path, providers: SlurmProviders, slurm_lab: Lab
) -> None:
    lossy = tmp_path / "bin" / "sbatch"
    lossy.parent.mkdir()
    lossy.write_text(LOSES_ANSWERS.format(sbatch=shutil.which("sbatch")))
    lossy.chmod(0o755)
    path = f"{lossy.parent}:{os.environ['PATH']}"
    one = task(container(f"echo once >> {tmp_path}/started"))

    with pytest.raises(ProviderUnavailable):
        providers.open(PATH=path).run(one)
    state = ended(providers.open(), providers.open().run(one).handle)

    assert state.containers[0].exit_code == 0
    assert (tmp_path / "started").read_text() == "once\n"
    assert len(job_of(state, slurm_lab).split()) == 1


def test_a_task_that_waits_says_why_and_can_be_stopped(provider: SlurmProvider) -> None:
    big = replace(task(container("echo started")), cpu_milli=4000)
    first = provider.run(replace(big, containers=(container("sleep 600"),), placement=on("n1")))
    running(provider, first.handle)

    state = provider.run(replace(task(container("echo started")), cpu_milli=4000, placement=on("n1")))
    until(lambda: "(Resources)" in state_of(provider, state.handle).message, "it says why it waits")
    waiting = state_of(provider, state.handle)
    provider.stop(state.handle, grace_seconds=30, reason="Deleted")

    assert (waiting.phase, waiting.containers[0].phase) == ("pending", "waiting")
    assert "no node has room for it yet" in waiting.containers[0].message
    assert (state_of(provider, state.handle).phase, state_of(provider, state.handle).reason) == ("stopped", "Deleted")


def on(node: str) -> tuple[tuple[str, str], ...]:
    """Return the hint that has a task run on a node."""
    return (("slurm.sparkanywhere.io/nodelist", node),)


def test_a_task_that_somebody_cancels_says_so(provider: SlurmProvider, slurm_lab: Lab) -> None:
    handle = provider.run(task(container("trap 'exit 3' TERM; while :; do sleep 0.1; done"))).handle
    state = running(provider, handle)

    slurm_lab.ask("scancel", job_of(state, slurm_lab))
    until(lambda: _told(provider, handle).phase == "stopped", "it ends")

    last = _told(provider, handle)
    assert (last.reason, last.stopped_by_another) == ("Cancelled", True)


def _told(provider: SlurmProvider, handle: str) -> TaskState:
    """Return a task's state; as a task that runs what the provider cannot tell yet."""
    try:
        return state_of(provider, handle)
    except ToldInPart:
        return TaskState("", handle, "running")


def test_a_task_is_asked_to_end_and_has_its_grace(provider: SlurmProvider) -> None:
    handle = provider.run(task(container("trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done"))).handle
    running(provider, handle)

    provider.stop(handle, grace_seconds=20, reason="Deleted")

    state = ended(provider, handle)
    assert (state.containers[0].exit_code, state.reason) == (7, "Deleted")
    assert b"".join(provider.logs(handle, "main", LogOptions())) == b"bye\n"


def test_a_job_that_slurm_does_not_take_leaves_nothing(tmp_path: Path, provider: SlurmProvider) -> None:
    odd = replace(task(container("exit 0")), placement=(("slurm.sparkanywhere.io/partition", "none"),))

    with pytest.raises(TaskRejected, match="Invalid partition name specified"):
        provider.run(odd)

    assert provider.list_tasks() == []
    assert not list((tmp_path / "tasks").iterdir())


def test_a_task_whose_node_dies_is_lost(provider: SlurmProvider, slurm_lab: Lab) -> None:
    handle = provider.run(replace(task(container("sleep 600")), placement=on("n2"))).handle
    running(provider, handle)

    slurm_lab.kill_node("n2")
    slurm_lab.ask("scontrol", "update", "nodename=n2", "state=down", "reason=killed")
    until(lambda: _told(provider, handle).phase == "stopped", "it is told")
    slurm_lab.start_node("n2")
    slurm_lab.ask("scontrol", "update", "nodename=n2", "state=resume")

    last = state_of(provider, handle)
    assert (last.reason, last.containers[0].exit_code, last.stopped_by_another) == ("NodeLost", None, True)


def test_without_slurmctld_nothing_is_lost_and_an_end_is_told_that_slurm_has_forgotten(
    tmp_path: Path, providers: SlurmProviders, slurm_lab: Lab
) -> None:
    provider = providers.open()
    short = provider.run(task(container("exit 5"))).handle
    ended(provider, short)
    long = provider.run(task(container(f"until test -e {tmp_path}/end; do sleep 0.1; done; exit 6"))).handle
    running(provider, long)

    slurm_lab.stop_controller()
    with pytest.raises(ToldInPart) as caught:
        provider.describe([short, long])
    with pytest.raises(ProviderUnavailable):
        provider.run(task(container("exit 0"), uid="later"))
    (tmp_path / "end").touch()
    until(lambda: _told(provider, long).phase == "stopped", "its own record tells its end")
    slurm_lab.start_controller(forgets=True)
    slurm_lab.until_idle()

    assert [state.handle for state in caught.value.states] == [short]
    assert caught.value.untold == {long}
    codes = {state.handle: state.containers[0].exit_code for state in providers.open().list_tasks()}
    assert (codes[short], codes[long]) == (5, 6)
    assert ended(provider, provider.run(task(container("exit 0"), uid="later")).handle).containers[0].exit_code == 0


def test_a_task_whose_supervisor_does_not_hear_is_ended_by_slurm(provider: SlurmProvider) -> None:
    handle = provider.run(task(container("sleep 600"))).handle
    running(provider, handle)
    (supervisor,) = [one for one in psutil.process_iter(["cmdline"]) if _supervises(one, handle)]
    supervisor.suspend()

    with pytest.raises(ProviderUnavailable, match="does not end"):
        provider.remove(handle)
    until(lambda: _told(provider, handle).phase == "stopped", "Slurm ends it")
    provider.remove(handle)

    assert provider.list_tasks() == []


def _supervises(process: psutil.Process, handle: str) -> bool:
    words: list[str] = process.info["cmdline"] or []
    return bool(words) and words[-1].endswith(handle) and any("job_entry" in word for word in words)


def test_nodes_are_what_the_provider_has(provider: SlurmProvider) -> None:
    (capacity,) = provider.capacities()

    assert (capacity.cpu_milli, capacity.memory_mib, capacity.gpus) == (8000, 16000, 0)


def test_a_task_listens_on_a_port_of_its_node(provider: SlurmProvider) -> None:
    serve = "import os, socketserver as s; s.TCPServer((os.environ['AT'], int(os.environ['PORT'])), s.BaseServer)"
    env = (("AT", "--task-address--"), ("PORT", "--task-port-4040--"))
    script = f'exec python3 -c "{serve}.serve_forever()"'
    handle = provider.run(task(container(script, env=env))).handle
    running(provider, handle)

    until(lambda: _connects(provider, handle), "it listens")


def _connects(provider: SlurmProvider, handle: str) -> bool:
    try:
        provider.connect(handle, 4040).close()
    except OSError:
        return False
    return True


def test_settings_are_the_defaults_of_jobs(tmp_path: Path, slurm_lab: Lab) -> None:
    settings = SlurmSettings(slurm_partition="none")
    providers = SlurmProviders(tmp_path, slurm_lab, settings=settings)

    with pytest.raises(TaskRejected, match="Invalid partition"):
        providers.open().run(task(container("exit 0")))
    providers.close()
