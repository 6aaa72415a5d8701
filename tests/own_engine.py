"""A Docker engine of the test's own, which may be killed and started again without harm to the machine's.

It lives in network and mount namespaces of its own: an engine's start rewrites the firewall rules of whatever
network it finds itself in, those of another engine too.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import psutil

from tests.docker_images import ensure_busybox
from tests.waiting import until

START_SECONDS = 60.0  # 0.6 s on an idle machine
STOP_SECONDS = 30.0
SOCKET_PATH_BYTES = 107  # unix(7): what a socket's path may have; with more, containerd waits for itself for ever


ALONE = ("unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")


class OwnEngine:
    """An engine whose data, socket and processes are below one folder.

    With `live_restore` its containers outlive it. `alone` starts it in namespaces of its own; they go with it, so
    whoever wants containers back after its end starts this whole program behind ALONE and says False. `disk_mib`
    is all the disk it has, which goes with the namespaces too.
    """

    def __init__(
        self, folder: Path, *, live_restore: bool = False, alone: bool = True, disk_mib: int | None = None
    ) -> None:
        longest = len(bytes(folder / "exec/containerd/containerd-debug.sock"))
        if longest > SOCKET_PATH_BYTES:
            raise ValueError(f"{folder} is too long by {longest - SOCKET_PATH_BYTES} for an engine's sockets")
        self._folder = folder
        self._options = ["--live-restore"] if live_restore else []
        self._before = ALONE if alone else ()
        if disk_mib is not None:
            data = shlex.quote(f"{folder}/data")
            mounts = f'mkdir -p {data}; mount -t tmpfs -o size={disk_mib}m tmpfs {data}; exec "$@"'
            self._before = (*self._before, "sh", "-c", mounts, "sh")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return where clients find it, as in DOCKER_HOST."""
        return f"unix://{self._folder}/docker.sock"

    def start(self) -> None:
        """Start it, on what an earlier one has left, and wait until it answers."""
        dockerd = [
            "dockerd",
            f"--host={self.url}",
            f"--data-root={self._folder}/data",
            f"--exec-root={self._folder}/exec",
            f"--pidfile={self._folder}/pid",
            f"--cgroup-parent=/sparkanywhere-test-{os.getpid()}",
            *self._options,
        ]
        # a killed daemon may stay a zombie for want of a parent that reaps: its number would pass for alive
        for left in ("pid", "docker.sock", "exec/containerd/containerd.pid"):
            (self._folder / left).unlink(missing_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._before, *dockerd], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until(self._answers, "the engine to answer", seconds=START_SECONDS)

    def client(self) -> Any:  # a docker.APIClient, whose stubs know half of it
        """Return a connection to it."""
        return docker.APIClient(base_url=self.url, version="1.41")

    def _answers(self) -> bool:
        if not (self._folder / "docker.sock").exists():
            return False
        with contextlib.closing(self.client()) as client, contextlib.suppress(Exception):
            return bool(client.ping())
        return False

    def stop(self) -> None:
        """End it as a machine that shuts down does: it stops its containers first."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End it as a crash does, its own containerd too; containers run on."""
        for process in self._daemons():
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self._process is not None:
            self._process.wait(STOP_SECONDS)

    def _daemons(self) -> list[psutil.Process]:
        return [each for each in self._mine() if each.name() in ("dockerd", "containerd")]

    def _mine(self) -> list[psutil.Process]:
        """Return all processes that name the folder on their command line."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and any(str(self._folder) in word for word in process.cmdline()):
                    found.append(process)
        return found

    def remove(self) -> None:
        """End all of it and leave nothing."""
        deadline = time.monotonic() + STOP_SECONDS
        while (left := self._mine()) and time.monotonic() < deadline:
            for process in left:
                with contextlib.suppress(psutil.Error):
                    for child in process.children(recursive=True):
                        child.kill()
                    process.kill()
            time.sleep(0.05)
        if self._process is not None:
            self._process.wait(STOP_SECONDS)
        for mount in sorted(mounts_below(self._folder), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def engine_with_busybox(folder: Path, *, disk_mib: int | None = None) -> Iterator[OwnEngine]:
    """Yield a started engine with an image, and remove it afterwards."""
    engine = OwnEngine(folder, disk_mib=disk_mib)
    try:
        engine.start()
        with contextlib.closing(engine.client()) as client:
            ensure_busybox(client)
        yield engine
    finally:
        engine.remove()


def mounts_below(folder: Path) -> list[str]:
    """Return what is mounted below a folder."""
    places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return [place for place in places if place.startswith(f"{folder}/")]
