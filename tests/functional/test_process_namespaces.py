"""A process's container has PID and mount namespaces of its own: it sees its pod, its volumes, and no other process."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from chalicelib.providers.base import File, Mount, Task, Volume
from chalicelib.providers.interactive import CannotRun, Streams
from chalicelib.providers.process.provider import ProcessProvider
from chalicelib.providers.supervised import isolation
from chalicelib.providers.supervised.leftovers import remove_all
from tests.contract.provider_backends import container, ended, output, running, state_of, task
from tests.functional.test_process_provider import log_of, open_provider, processes_of, supervisor_of
from tests.waiting import until

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has namespaces"),
]


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[ProcessProvider]:
    """Return a provider whose containers have namespaces of their own."""
    one = open_provider(tmp_path)
    yield one
    remove_all(one)
    one.close()


@pytest.fixture
def on_host(tmp_path: Path) -> Iterator[ProcessProvider]:
    """Return a provider whose containers run in the host's namespaces."""
    one = open_provider(tmp_path, namespaces=False)
    yield one
    remove_all(one)
    one.close()


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """Return a shell of this user that belongs to no pod."""
    with subprocess.Popen(["sh", "-c", "while :; do sleep 0.1; done"]) as process:
        yield process
        process.kill()


def run(provider: ProcessProvider, handle: str, command: str, name: str = "main") -> tuple[int | None, str]:
    """Run a shell command in a container; return its exit code and all it says."""
    session = provider.exec(handle, name, ["sh", "-c", command], Streams())
    said = output(session)
    session.close()
    return session.exit_code(), (said["stdout"] + said["stderr"]).decode()


def said_by(provider: ProcessProvider, one: Task) -> str:
    """Run a task to its end and return what its container `main` wrote."""
    handle = provider.run(one).handle
    ended(provider, handle)
    return log_of(provider, handle)


def test_a_container_sees_its_own_processes_alone(provider: ProcessProvider, bystander: object) -> None:
    del bystander
    handle = provider.run(task(container("sleep 601 & sleep 602 & wait"))).handle
    running(provider, handle)
    until(lambda: run(provider, handle, "pgrep -c sleep")[1] == "2\n", "both sleep")

    said = run(provider, handle, "cat /proc/[0-9]*/comm")[1]

    assert sorted(said.split()) == ["init", "sh", "sh", "sleep", "sleep"]


def test_each_container_of_a_pod_has_processes_of_its_own(provider: ProcessProvider) -> None:
    one, two = container("exec sleep 611", name="main"), container("exec sleep 612", name="side")
    handle = provider.run(task(one, two)).handle
    running(provider, handle, "side")

    assert "611" not in run(provider, handle, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", "side")[1]


XCOM = "/airflow/xcom"
SIDE_CAR = 'trap "exit 0" INT; while true; do sleep 1; done;'
# as Airflow's KubernetesPodOperator asks for a result and ends its side car (airflow.providers.cncf.kubernetes 10)
FETCH = f"if [ -s {XCOM}/return.json ]; then cat {XCOM}/return.json; else echo __airflow_xcom_result_empty__; fi"
END = "kill -2 $(pgrep -u $(id -u) -f 'sh')"


def test_without_namespaces_airflows_result_is_read_too(on_host: ProcessProvider) -> None:
    xcom = (Mount("xcom", XCOM),)
    base = container(f"mkdir -p {XCOM} && echo '[1, 2]' > {XCOM}/return.json", name="base", mounts=xcom)
    side = container("exec sleep 600", name="side", mounts=xcom)
    handle = on_host.run(task(base, side, volumes=(Volume("xcom", "scratch"),))).handle
    until(lambda: state_of(on_host, handle).containers[0].phase == "stopped", "the base ends")

    assert run(on_host, handle, FETCH, "side") == (0, "[1, 2]\n")


def test_without_namespaces_an_archive_has_the_names_that_were_asked_for(on_host: ProcessProvider) -> None:
    mounts = (Mount("v", "/data"), Mount("s", "/a&b"))
    one = container("ln -s /none '/a&b/link'; exec sleep 600", mounts=mounts)
    handle = on_host.run(task(one, volumes=VOLUMES)).handle
    running(on_host, handle)
    until(lambda: run(on_host, handle, "readlink '/a&b/link'")[0] == 0, "the link is there")

    session = on_host.exec(handle, "main", ["tar", "cf", "-", "/data", "/a&b", "/data/f"], Streams())
    with tarfile.open(fileobj=io.BytesIO(output(session)["stdout"])) as archive:
        names, link = archive.getnames(), archive.getmember("a&b/link").linkname
    session.close()

    assert (names, link) == (["data", "data/f", "a&b", "a&b/link", "data/f"], "/none")


def in_a_pod(command: str) -> str:
    """Return a command that would kill others' processes on the host, and does nothing there."""
    host = os.readlink("/proc/self/ns/pid")
    return f'[ "$(readlink /proc/self/ns/pid)" != "{host}" ] || exit; {command}'


def test_airflows_result_is_read_and_its_side_car_alone_is_ended(
    provider: ProcessProvider, bystander: subprocess.Popen[bytes]
) -> None:
    xcom = (Mount("xcom", XCOM),)
    base = container(f"mkdir -p {XCOM} && echo '[1, 2]' > {XCOM}/return.json", name="base", mounts=xcom)
    side = container(SIDE_CAR, name="side", mounts=xcom)
    handle = provider.run(task(base, side, volumes=(Volume("xcom", "scratch"),))).handle
    until(lambda: state_of(provider, handle).containers[0].phase == "stopped", "the base ends")

    fetched = run(provider, handle, FETCH, "side")
    run(provider, handle, in_a_pod(END), "side")

    assert fetched == (0, "[1, 2]\n")
    assert [one.exit_code for one in ended(provider, handle).containers] == [0, 0]
    assert bystander.poll() is None
    assert not Path("/airflow").exists()


def test_process_1_hands_signals_on_and_its_end_is_the_containers(provider: ProcessProvider) -> None:
    handle = provider.run(task(container("sleep 600"))).handle
    running(provider, handle)

    run(provider, handle, in_a_pod("kill 1"))

    assert ended(provider, handle).containers[0].exit_code == 128 + signal.SIGTERM


MANY_ENDS = """
import os
from chalicelib.providers.supervised.supervisor import namespaces, processes, spawning
processes.adopt_orphans()
namespaces.acquire()
nothing = os.open(os.devnull, os.O_RDWR)
true = spawning.Program(["/bin/true"], {}, "/", (nothing, nothing, nothing))
for _ in range(300):
    started = spawning.spawn_isolated(true, [])
    assert os.waitpid(started.child, 0) == (started.child, 0)
"""


def test_a_program_that_ends_at_once_is_not_missed() -> None:
    env = {**os.environ, "PYTHONPATH": os.getcwd()}

    subprocess.run([sys.executable, "-c", MANY_ENDS], env=env, check=True, timeout=60)


def test_an_orphan_is_reaped(provider: ProcessProvider) -> None:
    handle = provider.run(task(container("(sleep 0 & exec sleep 0.01) & wait; exec sleep 600"))).handle
    running(provider, handle)

    until(lambda: run(provider, handle, "ls -d /proc/[0-9]* | wc -l")[1] == "5\n", "init, sleep and our three are left")
    assert "Z" not in run(provider, handle, "cat /proc/[0-9]*/stat | cut -d' ' -f3")[1]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a script must say in a container with these mounts."""

    script: str
    says: str
    mounts: tuple[Mount, ...] = ()


MOUNTS = {
    "a mount point that the host lacks": Seen("cat /airflow/a/f", "one\n", (Mount("v", "/airflow/a"),)),
    "one in a directory of the host's, which stays": Seen(
        "cat /etc/none/f; test -e /etc/passwd && echo still", "one\nstill\n", (Mount("v", "/etc/none"),)
    ),
    "one behind a link of the host's": Seen("cat /run/none/f", "one\n", (Mount("v", "/var/run/none"),)),
    "a volume within a volume": Seen(
        "cat /data/f /data/sub/f; ls /data", "one\ntwo\nf\nsub\n", (Mount("v", "/data"), Mount("w", "/data/sub"))
    ),
    "a volume above another's mount point": Seen(
        "cat /data/sub/f", "one\n", (Mount("w", "/data/sub"), Mount("v", "/data/sub"))
    ),
    "a single file": Seen("cat /etc/hostname", "one\n", (Mount("v", "/etc/hostname", sub_path="f"),)),
    "a part of a volume": Seen("ls /data", "", (Mount("s", "/data", sub_path="a/b"),)),
    "a path put together": Seen("d=/da; cat ${d}ta/f", "one\n", (Mount("v", "/data"),)),
    "another file system's URL": Seen("echo hdfs:///data/f file:///data/f", "hdfs:///data/f file:///data/f\n"),
    "files can't be written": Seen(
        "echo x 2>&1 > /data/f || echo no; cat /data/f", "no\none\n", (Mount("v", "/data"),)
    ),
    "a read-only mount": Seen(
        "exec 2> /dev/null; touch /s/x; touch /r/y || echo no; ls /r",
        "no\nx\n",
        (Mount("s", "/s"), Mount("s", "/r", read_only=True)),
    ),
    "a volume that covers those that come from there": Seen(
        "cat /tmp/v/f; ls /tmp; test -w $TMPDIR && echo temporary",
        "one\nv\ntemporary\n",
        (Mount("s", "/tmp"), Mount("v", "/tmp/v")),
    ),
    "memory for processes to share": Seen("touch /dev/shm/x; ls /dev/shm", "x\n", (Mount("s", "/dev/shm"),)),
}
VOLUMES = (
    Volume("v", "files", files=(File("f", b"one\n"),)),
    Volume("w", "files", files=(File("f", b"two\n"),)),
    Volume("s", "scratch"),
)


@pytest.mark.parametrize("seen", MOUNTS.values(), ids=MOUNTS.keys())
def test_volumes_are_mounted(provider: ProcessProvider, seen: Seen) -> None:
    top = set(os.listdir("/"))

    said = said_by(provider, task(container(seen.script, mounts=seen.mounts), volumes=VOLUMES))

    assert "\n".join(line for line in said.splitlines() if "Read-only" not in line) == seen.says.rstrip("\n")
    assert set(os.listdir("/")) == top
    assert not Path("/etc/none").exists()


def test_a_command_runs_among_the_containers_mounts(provider: ProcessProvider) -> None:
    mounts = (Mount("v", "/data"),)
    handle = provider.run(task(container("exec sleep 600", mounts=mounts), volumes=VOLUMES)).handle
    running(provider, handle)

    assert run(provider, handle, "cat /data/f") == (0, "one\n")
    with pytest.raises(CannotRun, match="not found"):
        provider.exec(handle, "main", ["/data/none"], Streams())
    with pytest.raises(CannotRun, match="Permission denied"):
        provider.exec(handle, "main", ["/data/f"], Streams())


def test_the_stop_command_runs_among_them_too(provider: ProcessProvider) -> None:
    stop = ("sh", "-c", "echo $SPARKANYWHERE_PID > /s/main; pgrep -c . > /s/seen; kill $SPARKANYWHERE_PID")
    one = container("exec sleep 600", mounts=(Mount("s", "/s"),), stop_command=stop)
    handle = provider.run(task(one, volumes=VOLUMES)).handle
    running(provider, handle)
    volume = Path(provider._directory(handle).volume("s"))

    provider.stop(handle, grace_seconds=20)

    assert ended(provider, handle).containers[0].exit_code == 128 + signal.SIGTERM
    assert (volume / "main").read_text() == "1\n"


def test_a_directory_that_a_container_is_to_start_in_is_made(provider: ProcessProvider) -> None:
    one = container("pwd; ls -d /s/deep/er", mounts=(Mount("s", "/s"),), working_dir="/s/deep/er")

    assert said_by(provider, task(one, volumes=VOLUMES)) == "/s/deep/er\n/s/deep/er\n"


def test_a_killed_init_takes_all_of_its_container_along(provider: ProcessProvider) -> None:
    handle = provider.run(task(container("setsid sleep 600 & sleep 600", restart="on-failure"))).handle
    running(provider, handle)
    (init,) = psutil.Process(supervisor_of(handle)).children()

    init.kill()

    until(lambda: state_of(provider, handle).containers[0].restarts == 1, "it is started again")
    assert {one.ppid() for one in processes_of(handle)}.isdisjoint({1, init.pid})


UNPRIVILEGED = """
import ctypes, os, sys
from pathlib import Path
from chalicelib.providers.base import Mount, Volume
from tests.contract.provider_backends import container, ended, task
from tests.functional.test_process_provider import log_of, open_provider
PR_CAPBSET_DROP, CAP_SYS_ADMIN = 24, 21
ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0)  # of root's rights; others have none of them
provider = open_provider(Path(sys.argv[1]))
one = container(sys.argv[2], mounts=(Mount("s", "/none/s"),))
handle = provider.run(task(one, volumes=(Volume("s", "scratch"),))).handle
ended(provider, handle)
print(log_of(provider, handle), end="")
provider.remove(handle)
"""


def test_a_user_without_rights_gets_namespaces_too_and_no_rights(tmp_path: Path) -> None:
    script = (
        "id -u; touch /none/s/x && ls /none/s; readlink /proc/self/ns/user; echo $$; mount -t tmpfs t /mnt || echo no"
    )
    command = [sys.executable, "-c", UNPRIVILEGED, str(tmp_path), script]

    said = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": os.getcwd()}, capture_output=True, text=True, check=True
    )

    user, file, namespace, process, *_ = said.stdout.splitlines()
    assert (user, file, process) == (str(os.geteuid()), "x", "2")
    assert namespace != os.readlink("/proc/self/ns/user")


def test_this_machine_has_what_namespaces_take() -> None:
    assert isolation.obstacle() == ""


KILLERS = [
    "pkill java",
    "pgrep -f sh",
    "killall -9 python3",
    "kill -2 $(pgrep -u $(id -u) -f 'sh')",
    "kill 1",
    "kill -9 1; true",
    "kill -s TERM 1",
    "kill -TERM -- -1",
    "kill -9 -1",
    "echo x && kill '-1'",
]


@pytest.mark.parametrize("command", KILLERS)
def test_without_namespaces_what_reaches_out_of_the_pod_is_refused(
    on_host: ProcessProvider, command: str, bystander: subprocess.Popen[bytes]
) -> None:
    handle = on_host.run(task(container("exec sleep 600"))).handle
    running(on_host, handle)

    with pytest.raises(CannotRun, match="not the pod's"):
        on_host.exec(handle, "main", ["sh", "-n", "-c", command], Streams())  # -n: should it run, it kills nobody
    assert bystander.poll() is None


@pytest.mark.parametrize("command", ["kill -TERM $$", "kill -0 $$ && exit 143", "kill -1 $$", "echo skilled kill"])
def test_without_namespaces_other_commands_run(on_host: ProcessProvider, command: str) -> None:
    handle = on_host.run(task(container("exec sleep 600"))).handle
    running(on_host, handle)

    assert run(on_host, handle, command)[0] in (0, 128 + 1, 128 + 15)
