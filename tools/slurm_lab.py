"""A real Slurm of two nodes on this machine, each in a network namespace, for as long as a command or a test takes.

    python -m tools.slurm_lab -m sparkanywhere pi --provider slurm

runs `python -m sparkanywhere ...` with SLURM_CONF set to such a cluster, or with the Slurm that is there already. The
nodes share this machine's file system, and have addresses of their own behind a bridge in a third namespace, where no
firewall of this machine's filters what they say to one another. Takes root and Debian's packages (slurm-wlm 22.05).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "ip", "nsenter", "setpriv")
INSTALL = "apt-get install slurmctld slurmd slurm-client munge iproute2"
NODES = ("n1", "n2")
NETWORKS = range(64)  # 10.177.N.0/24
START_SECONDS = 30.0  # three on an idle machine
ASK_SECONDS = 10.0
STOP_SECONDS = 5.0
PAUSE_SECONDS = 0.1
FOLDER_PREFIX, OWNER_FILE = "slurm-lab-", "owner.pid"
CONF = """
ClusterName=lab
SlurmctldHost={host}({controller})
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=5
MinJobAge=300
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
{nodes}
PartitionName=spark Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""


class LabFailed(Exception):
    """The cluster does not come up; str() says why in one sentence."""


def missing() -> str:
    """Return in one sentence what a lab lacks here, "" if it can be had."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    if lacking := [name for name in PROGRAMS if not shutil.which(name, path=path)]:
        return f"Slurm is not installed ({', '.join(lacking)} not found): {INSTALL}"
    return "" if os.geteuid() == 0 else "A lab cluster of Slurm takes root, for its network namespaces."


def has_cluster(environ: Mapping[str, str]) -> bool:
    """Return whether a Slurm answers here that is not ours."""
    try:
        asked = subprocess.run(["sinfo"], env=dict(environ), capture_output=True, timeout=ASK_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return asked.returncode == 0


class Lab:
    """One cluster. `environ` is what its clients need besides PATH; all of it goes with close()."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX))
        (self.folder / OWNER_FILE).write_text(str(os.getpid()))
        self.environ = {"SLURM_CONF": str(self.folder / "slurm.conf")}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._name = self.address = ""

    def start(self) -> None:
        """Bring everything up. Raises LabFailed."""
        self._make_network()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self.folder.chmod(0o755)
        (self.folder / "state").mkdir()
        (self.folder / "slurm.conf").write_text(self._conf())
        munge = [f"--{name}={self.folder}/munge.{end}" for name, end in MUNGE_FILES.items()]
        self._launch("munged", ["munged", "-F", "-f", *munge])
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.until_idle()

    def _conf(self) -> str:
        nodes = [
            f"NodeName={node} NodeHostname={node} NodeAddr={self.address_of(node)} CPUs=4 RealMemory=8000 State=UNKNOWN"
            for node in NODES
        ]
        with socket.socket() as free:
            free.bind((self.address, 0))
            port = free.getsockname()[1]
        host = socket.gethostname().partition(".")[0]
        return CONF.format(
            host=host,
            controller=self.address,
            port=port,
            folder=self.folder,
            nodes="\n".join(nodes),
            names=",".join(NODES),
        )

    def start_controller(self, *, forgets: bool = False) -> None:
        """Start slurmctld, which goes on from what is stored, or forgets all jobs, as it does MinJobAge after each."""
        clear = ["-c"] if forgets else []
        if forgets:  # whose numbers nodes still know: a second job of one would be refused there
            with Path(self.environ["SLURM_CONF"]).open("a") as conf:
                conf.write(f"FirstJobId={secrets.randbelow(10**6) + 1000}\n")
        self._launch("slurmctld", ["slurmctld", "-D", *clear, "-f", self.environ["SLURM_CONF"]])

    def stop_controller(self) -> None:
        """Kill slurmctld, as a crash would."""
        self._kill("slurmctld")

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        within = ["nsenter", f"--net=/run/netns/{self._namespace(node)}"]  # `ip netns exec` would hide the cgroups
        self._launch(node, [*within, "slurmd", "-D", "-N", node, "-f", self.environ["SLURM_CONF"]])

    def kill_node(self, node: str) -> None:
        """Kill all that runs on a node, its slurmd too, as a power failure would."""
        self._kill(node)
        self._kill_within(node)

    def address_of(self, node: str) -> str:
        """Return a node's address."""
        return f"{self.address.rpartition('.')[0]}.{11 + NODES.index(node)}"

    def ask(self, *command: str) -> str:
        """Return what a command of Slurm's prints. Raises subprocess.CalledProcessError."""
        environ = {**os.environ, **self.environ}
        asked = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=ASK_SECONDS, check=True)
        return asked.stdout

    def close(self) -> None:
        """End all that runs and remove all that was made. May be repeated."""
        for node in NODES:
            self.kill_node(node)
        for name in list(self._daemons):
            self._kill(name)
        if self._name:
            _remove_network(self._name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def until_idle(self) -> None:
        """Wait until all nodes are there and have no job. Raises LabFailed."""
        deadline = time.monotonic() + START_SECONDS
        states: list[str] = []
        while time.monotonic() < deadline:
            for name, daemon in self._daemons.items():
                if daemon.poll() is not None:
                    raise LabFailed(f"{name} of the lab ended: {self._last_words(name)}")
            with contextlib.suppress(subprocess.SubprocessError):
                states = self.ask("sinfo", "--noheader", "--Node", "--format=%T").split()
            if states == ["idle"] * len(NODES):
                return
            time.sleep(PAUSE_SECONDS)
        raise LabFailed(f"The lab's nodes are not idle within {START_SECONDS:.0f} s: {states}, see {self.folder}")

    def _launch(self, name: str, command: list[str]) -> None:
        environ = {**os.environ, "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is ours to handle
            )

    def _last_words(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _kill(self, name: str) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon is not None:
            daemon.kill()
            daemon.wait(STOP_SECONDS)

    def _kill_within(self, node: str) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while self._name and (pids := _pids(self._namespace(node))) and time.monotonic() < deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(PAUSE_SECONDS)

    def _namespace(self, node: str) -> str:
        return f"{self._name}-{node}"

    def _make_network(self) -> None:
        _remove_abandoned()
        for number in NETWORKS:
            name, switch = f"slurmlab{number}", f"slurmlab{number}-switch"
            if _ip("netns", "add", switch):  # who makes it has the network
                break
        else:
            raise LabFailed("No network is free for a lab of Slurm.")
        self._name, prefix = name, f"10.177.{number}"
        self.address = f"{prefix}.1"
        within = ("-n", switch)
        steps = [
            (*within, "link", "add", "br0", "type", "bridge"),
            (*within, "link", "set", "br0", "up"),
            ("link", "add", name, "type", "veth", "peer", "name", "host", "netns", switch),
            ("link", "set", name, "alias", f"lab of {os.getpid()}"),
            (*within, "link", "set", "host", "master", "br0", "up"),
            ("address", "add", f"{self.address}/24", "dev", name),
            ("link", "set", name, "up"),
        ]
        for node in NODES:
            own = self._namespace(node)
            steps += [
                ("netns", "add", own),
                ("link", "add", "eth0", "netns", own, "type", "veth", "peer", "name", node, "netns", switch),
                (*within, "link", "set", node, "master", "br0", "up"),
                ("-n", own, "address", "add", f"{self.address_of(node)}/24", "dev", "eth0"),
                ("-n", own, "link", "set", "eth0", "up"),
                ("-n", own, "link", "set", "lo", "up"),
            ]
        for step in steps:
            if not _ip(*step):
                raise LabFailed(f"The lab's network cannot be made: ip {' '.join(step)} fails.")


MUNGE_FILES = {"key-file": "key", "socket": "sock", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}


def _ip(*words: str) -> bool:
    return subprocess.run(["ip", *words], capture_output=True, timeout=ASK_SECONDS, check=False).returncode == 0


def _pids(namespace: str) -> list[int]:
    command = ["ip", "netns", "pids", namespace]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=False)
    return [int(word) for word in asked.stdout.split()]


def _remove_network(name: str) -> None:
    for end in ("switch", *NODES):
        _ip("netns", "delete", f"{name}-{end}")
    _ip("link", "delete", name)


def _remove_abandoned() -> None:
    """Remove the folders and networks, and what runs in them, of labs whose process was killed."""
    for owner in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*/{OWNER_FILE}"):
        if not Path("/proc", owner.read_text()).exists():
            shutil.rmtree(owner.parent, ignore_errors=True)
    for alias in Path("/sys/class/net").glob("slurmlab*/ifalias"):
        name, pid = alias.parent.name, alias.read_text().strip().removeprefix("lab of ")
        if pid.isdigit() and not Path("/proc", pid).exists():
            for node in NODES:
                for each in _pids(f"{name}-{node}"):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(each, signal.SIGKILL)
            _remove_network(name)


@contextlib.contextmanager
def lab() -> Iterator[Lab]:
    """Yield a cluster that is up. Raises LabFailed."""
    made = Lab()
    try:
        made.start()
        yield made
    finally:
        made.close()


def main(words: list[str]) -> int:
    """Run Python with these words on a cluster; return its exit code."""
    command = [sys.executable, *words]
    if has_cluster(os.environ):
        os.execv(command[0], command)
    if why := missing():
        print(why, file=sys.stderr)
        return 1

    def interrupt(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    try:
        with lab() as made:
            print(f"Slurm: a lab of {len(NODES)} nodes, SLURM_CONF={made.environ['SLURM_CONF']}", flush=True)
            return _run(command, {**os.environ, **made.environ})
    except LabFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(command: list[str], environ: Mapping[str, str]) -> int:
    """Run a command to its end, which may take a while after a signal: it clears its pods away."""
    with subprocess.Popen(command, env=dict(environ)) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue  # the terminal has sent it to the command, too
            except SystemExit:
                child.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
