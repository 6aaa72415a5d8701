"""What the process provider promises beyond the contract: nothing survives, is lost, or runs twice."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from chalicelib import system
from chalicelib.providers.base import LogOptions, Mount, ProviderUnavailable, Task, TaskRejected, TaskState, Volume
from chalicelib.providers.process import addresses
from chalicelib.providers.process.provider import ProcessProvider
from chalicelib.providers.supervised.directory import TaskDirectory
from chalicelib.providers.supervised.leftovers import remove_all
from chalicelib.providers.supervised.plan import first_record
from chalicelib.providers.supervised.records import MARKER
from tests.contract.provider_backends import container, ended, running, state_of, task
from tests.waiting import SECONDS, until

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")]


LINUX = "Linux"


@pytest.fixture(params=[LINUX, "a bare system"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return which kind of system this is taken for: one with all that Linux has, or one without any of it."""
    if request.param != LINUX:
        monkeypatch.setenv(system.VARIABLE, system.EVERYTHING)
    return str(request.param)


@pytest.fixture
def provider(tmp_path: Path, kind: str) -> Iterator[ProcessProvider]:
    """Return a provider without tasks, removed afterwards with all it started."""
    del kind
    one = open_provider(tmp_path)
    yield one
    remove_all(one)
    one.close()


def open_provider(directory: Path, *, namespaces: bool = True) -> ProcessProvider:
    """Return a provider whose state lies in `directory`."""
    return ProcessProvider(directory / "state", directory / "spark", environ=os.environ, namespaces=namespaces)


def processes_of(handle: str) -> list[psutil.Process]:
    """Return the living processes that a task has started."""
    found = []
    for process in psutil.process_iter():
        try:
            marker = process.environ().get(MARKER, "")
            if marker.startswith(f"{handle}/") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def supervisor_of(handle: str) -> int:
    """Return the process id of a running task's supervisor."""
    ours = {one.pid for one in processes_of(handle)}
    (parent,) = {one.ppid() for one in processes_of(handle)} - ours
    above = psutil.Process(parent).parent()
    assert above
    is_init = above.cmdline() == psutil.Process(parent).cmdline()  # a fork of the supervisor
    return above.pid if is_init else parent


def log_of(provider: ProcessProvider, handle: str) -> str:
    """Return what the container `main` wrote."""
    return b"".join(provider.logs(handle, "main", LogOptions())).decode()


def says(provider: ProcessProvider, handle: str, text: str) -> None:
    """Wait until the container `main` has written `text`."""
    until(lambda: text in log_of(provider, handle), f"{text!r} is written")


# A grandchild that ignores SIGTERM, in a session of its own, whose parent is gone.
STUBBORN = """
trap '' TERM
setsid sh -c 'trap "" TERM; echo grandchild; while :; do sleep 0.05; done' &
"""


def test_a_grandchild_that_ignores_sigterm_dies_with_its_container(provider: ProcessProvider) -> None:
    handle = provider.run(task(container(STUBBORN + "trap - TERM; sleep 600"))).handle
    says(provider, handle, "grandchild")

    provider.stop(handle, grace_seconds=10)

    assert ended(provider, handle).containers[0].exit_code == 143
    assert processes_of(handle) == []


def test_nothing_survives_the_grace(provider: ProcessProvider) -> None:
    handle = provider.run(task(container(STUBBORN + "while :; do sleep 0.05; done"))).handle
    says(provider, handle, "grandchild")

    provider.stop(handle, grace_seconds=0.1)

    assert ended(provider, handle).containers[0].exit_code == 137
    assert processes_of(handle) == []


def test_nothing_that_is_forked_meanwhile_survives(provider: ProcessProvider) -> None:
    forking = "trap '' TERM; echo forking; while :; do sleep 600 & sleep 0.01; done"
    handle = provider.run(task(container(f'setsid sh -c "{forking}" & sleep 600'))).handle
    says(provider, handle, "forking")

    provider.stop(handle, grace_seconds=SECONDS)

    assert ended(provider, handle).containers[0].exit_code == 143
    assert processes_of(handle) == []


def test_a_background_process_ends_with_the_main_one(provider: ProcessProvider) -> None:
    handle = provider.run(task(container("sleep 600 & exit 4"))).handle

    assert ended(provider, handle).containers[0].exit_code == 4
    assert processes_of(handle) == []


def test_a_process_that_hides_its_origin_ends_with_the_task(
    provider: ProcessProvider, tmp_path: Path, kind: str
) -> None:
    words = ["sleep", f"600.{secrets.randbelow(10**9)}"]
    hidden = f"env -i {leaving(kind)} {' '.join(words)} & until [ -e {tmp_path}/go ]; do sleep 0.02; done"
    handle = provider.run(task(container(hidden))).handle
    until(lambda: is_running(words), "it hides")

    (tmp_path / "go").touch()
    ended(provider, handle)

    until(lambda: not is_running(words), "the hidden process is gone")


def leaving(kind: str) -> str:
    """Return the program that starts another in a session of its own; nothing where orphans that do so get away."""
    return "setsid" if kind == LINUX else ""


def is_running(words: list[str]) -> bool:
    """Return whether a process of this machine was started with these words."""
    return any(one.info["cmdline"] == words for one in psutil.process_iter(["cmdline"]))


def test_one_containers_end_leaves_its_sibling_alone(provider: ProcessProvider, kind: str) -> None:
    short = container(f"{leaving(kind)} sleep 600 & exit 0", name="short")
    two = task(container("setsid sleep 600 & sleep 600", name="long"), short)
    handle = provider.run(two).handle

    until(lambda: state_of(provider, handle).containers[1].phase == "stopped", "the short one ends")

    markers = {one.environ()[MARKER] for one in processes_of(handle)}
    assert markers == {f"{handle}/long"}


RUN_AND_WAIT = """
import os, sys, time
from pathlib import Path
from tests.contract.provider_backends import container, task
from tests.functional.test_process_provider import open_provider
provider = open_provider(Path(sys.argv[1]))
provider.start(lambda state: None)
print(provider.run(task(container(sys.argv[2]))).handle, flush=True)
time.sleep(600)
"""


def run_in_another_process(directory: Path, script: str) -> tuple[str, subprocess.Popen[str]]:
    """Start a task in a control plane of its own, which runs in `directory`; return its handle and that process."""
    command = [sys.executable, "-c", RUN_AND_WAIT, str(directory), script]
    env = {"PYTHONPATH": os.getcwd(), **system.passed_on()}
    child = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True, env=env)
    assert child.stdout
    return child.stdout.readline().strip(), child


def kill(child: subprocess.Popen[str]) -> None:
    """Kill a control plane by SIGKILL."""
    child.kill()
    child.wait()
    assert child.stdout
    child.stdout.close()


def test_a_task_outlives_a_killed_control_plane_and_is_adopted(provider: ProcessProvider, tmp_path: Path) -> None:
    handle, child = run_in_another_process(tmp_path, "until [ -e go ]; do sleep 0.02; done; echo done; exit 5")
    running(provider, handle)
    kill(child)

    seen: list[TaskState] = []
    provider.start(seen.append)
    until(lambda: bool(seen), "the adopted task is reported")
    before = seen[-1]
    (tmp_path / "state/tasks" / handle / "containers/main/work/go").touch()
    until(lambda: seen[-1].phase == "stopped", "its end is reported")

    assert before.phase == "running"
    assert seen[-1].containers[0].exit_code == 5
    assert log_of(provider, handle) == "done\n"


def test_an_adopted_task_can_be_stopped(provider: ProcessProvider, tmp_path: Path) -> None:
    handle, child = run_in_another_process(tmp_path, "sleep 600")
    running(provider, handle)
    kill(child)

    provider.stop(handle, grace_seconds=10)

    assert ended(provider, handle).containers[0].exit_code == 143


def test_a_killed_control_plane_leaves_no_spare_supervisor(provider: ProcessProvider, tmp_path: Path) -> None:
    handle, child = run_in_another_process(tmp_path, "exit 0")
    ended(provider, handle)
    until(lambda: bool(spare_supervisors(tmp_path)), "one to stand by")

    kill(child)

    until(lambda: not spare_supervisors(tmp_path), "it to go")


def spare_supervisors(directory: Path) -> list[psutil.Process]:
    """Return the supervisors without a task of a control plane that runs in `directory`, as they do until then."""
    return [one for one in psutil.process_iter() if is_supervisor(one, directory)]


def is_supervisor(process: psutil.Process, directory: Path) -> bool:
    """Return whether a process looks like a supervisor that works in that directory."""
    try:
        is_there = process.cwd() == str(directory) and process.status() != psutil.STATUS_ZOMBIE
        return is_there and any("supervisor.entry" in word for word in process.cmdline())
    except psutil.Error:
        return False


def test_a_task_whose_supervisor_was_killed_is_lost_and_leaves_nothing(provider: ProcessProvider) -> None:
    seen: list[TaskState] = []
    provider.start(seen.append)
    handle = provider.run(task(container("setsid sleep 600 & echo here; sleep 600"))).handle
    says(provider, handle, "here")

    os.kill(supervisor_of(handle), signal.SIGKILL)
    until(lambda: bool(seen) and seen[-1].phase == "stopped", "the loss is reported")

    assert seen[-1].reason == "Lost"
    assert seen[-1].containers[0].exit_code is None
    assert processes_of(handle) == []


def test_a_lost_task_that_nobody_watched_is_reported_at_the_start(provider: ProcessProvider) -> None:
    handle = provider.run(task(container("sleep 600"))).handle
    running(provider, handle)
    os.kill(supervisor_of(handle), signal.SIGKILL)

    seen: list[TaskState] = []
    provider.start(seen.append)

    until(lambda: bool(seen) and seen[-1].phase == "stopped", "the loss is reported")
    assert seen[-1].reason == "Lost"


CRASH = """
import os, signal, sys
from pathlib import Path
from tests.contract.provider_backends import container, task
from tests.functional.test_process_provider import open_provider
provider = open_provider(Path(sys.argv[1]))
left = int(sys.argv[4])
def trace(frame, event, argument):
    global left
    if not any(part in frame.f_code.co_filename for part in ("providers/process", "providers/supervised")):
        return None
    if event == "line":
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace
sys.settrace(trace)
provider.run(task(container(sys.argv[3]), uid=sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("line", range(5, 300, 12))
def test_a_crash_in_run_starts_no_task_twice_and_loses_none(
    provider: ProcessProvider, tmp_path: Path, line: int
) -> None:
    started = tmp_path / "started"
    script = f"echo once >> {started}; exit 0"
    command = [sys.executable, "-c", CRASH, str(tmp_path), "some-uid", script, str(line)]
    crashed = subprocess.run(command, env={"PYTHONPATH": os.getcwd(), **system.passed_on()}, check=False)

    handle = provider.run(task(container(script), uid="some-uid")).handle

    assert crashed.returncode == -signal.SIGKILL
    assert ended(provider, handle).containers[0].exit_code == 0
    assert started.read_text() == "once\n"


def test_two_control_planes_give_out_different_addresses(provider: ProcessProvider, tmp_path: Path, kind: str) -> None:
    """Where there is but one address for all, they share it."""
    other = open_provider(tmp_path / "other")
    same = task(container("sleep 600"))

    first = provider.run(same)
    second = other.run(same)
    other.remove(second.handle)
    other.close()

    assert (first.address == second.address) is (kind != LINUX)


def test_an_address_is_given_again_after_its_tasks_end(provider: ProcessProvider) -> None:
    one = task(container("exit 0"))
    first = provider.run(one)
    ended(provider, first.handle)
    provider.remove(first.handle)

    assert provider.run(one).address == first.address


def test_a_spark_that_is_not_installed_is_named_with_its_remedy(provider: ProcessProvider) -> None:
    one = task(container("", image="apache/spark:9.9.9", command=None, args=("executor",)))

    with pytest.raises(ProviderUnavailable, match=r"sparkanywhere spark install 9\.9\.9") as caught:
        provider.run(one)

    assert caught.value.reason == "ErrImagePull"
    assert provider.list_tasks() == []


def test_a_container_without_any_command_is_rejected(provider: ProcessProvider) -> None:
    with pytest.raises(TaskRejected, match="names no command"):
        provider.run(task(container("", command=None)))

    assert provider.list_tasks() == []


@pytest.mark.parametrize("sub_path", ["../x", "/etc", "a/../../b"])
def test_a_mount_can_not_lead_out_of_its_volume(provider: ProcessProvider, sub_path: str) -> None:
    one = container("exit 0", mounts=(Mount("v", "/v", sub_path=sub_path),))

    with pytest.raises(TaskRejected, match="leads out of its volume"):
        provider.run(task(one, volumes=(Volume("v", "scratch"),)))


def test_a_tasks_directory_is_its_owners_alone(provider: ProcessProvider, tmp_path: Path) -> None:
    handle = provider.run(task(container("exit 0"))).handle

    mode = (tmp_path / "state/tasks" / handle).stat().st_mode & 0o777

    assert mode == 0o700


def test_a_task_waits_while_another_may_yet_begin_it(provider: ProcessProvider, tmp_path: Path) -> None:
    one = task(container("exit 0"), uid="some-uid")
    directory = TaskDirectory(tmp_path / "state/tasks", "some-uid")
    with directory.locked(make=True):
        claim = directory.claim(0)
    assert claim is not None

    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(provider.run, one)
        with pytest.raises(TimeoutError):
            started.result(timeout=0.1)
        before = directory.begun()
        os.close(claim)
        started.result(timeout=SECONDS)

    assert not before
    assert ended(provider, "some-uid").containers[0].exit_code == 0


def test_a_stop_reaches_a_task_that_a_crash_kept_from_beginning(provider: ProcessProvider, tmp_path: Path) -> None:
    directory = TaskDirectory(tmp_path / "state/tasks", "some-uid")
    one = task(container("exit 0"), uid="some-uid")
    with directory.locked(make=True):
        directory.write_intent(first_record(one, handle="some-uid", address="", created_at=0))

    provider.stop("some-uid", grace_seconds=1)

    assert state_of(provider, "some-uid").phase == "stopped"
    assert provider.run(one).containers[0].started_at is None


def test_temporary_files_go_with_the_task(provider: ProcessProvider) -> None:
    handle = provider.run(task(container("mktemp; echo $TMPDIR"))).handle
    ended(provider, handle)
    file, directory = log_of(provider, handle).splitlines()
    assert file.startswith(f"{directory}/")
    assert Path(file).exists()

    provider.remove(handle)

    assert not Path(directory).exists()


def test_a_state_directory_that_can_not_be_written_is_news_about_the_task(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a directory should be")
    provider = open_provider(tmp_path)

    with pytest.raises(ProviderUnavailable, match="can't be prepared"):
        provider.run(task(container("exit 0")))

    provider.close()


def test_a_task_that_gets_no_address_leaves_nothing(
    provider: ProcessProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(uid: str) -> None:
        raise OSError(f"no address for {uid}")

    monkeypatch.setattr(addresses, "claim", refuse)

    with pytest.raises(ProviderUnavailable, match="no address"):
        provider.run(task(container("exit 0")))

    assert list((tmp_path / "state/tasks").iterdir()) == []


def test_secrets_of_the_environment_are_not_written_to_disk(provider: ProcessProvider, tmp_path: Path) -> None:
    handle = provider.run(task(container("sleep 600", env=(("TOKEN", "hush-hush"),)))).handle
    running(provider, handle)

    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]

    assert files
    assert not [path for path in files if b"hush-hush" in path.read_bytes()]


def test_what_a_task_made_unwritable_is_removed_all_the_same(provider: ProcessProvider, tmp_path: Path) -> None:
    script = "mkdir -p /s/a/b; touch /s/a/b/f; chmod 500 /s/a/b /s/a"
    one: Task = task(container(script, mounts=(Mount("s", "/s"),)), volumes=(Volume("s", "scratch"),))
    handle = provider.run(one).handle
    ended(provider, handle)

    provider.remove(handle)

    assert list((tmp_path / "state/tasks").iterdir()) == []
