"""A Podman of the test's own: API, containers and images below one folder, networks beside the machine's."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import psutil

from tests.own_engine import mounts_below
from tests.waiting import until

PROGRAMS = ("podman", "runc", "/usr/lib/podman/netavark", "catatonit")
START_SECONDS = 60.0  # 0.3 s on an idle machine
STOP_SECONDS = 30.0
# A machine without CAP_SYS_RESOURCE, as a container often is, cannot give containers the limits that Podman asks for
RUNTIME = """#!/usr/bin/python3 -IS
import json, os, sys
words = sys.argv[1:]
for option, name in (("--bundle", "/config.json"), ("--process", "")):
    if option in words:
        path = words[words.index(option) + 1] + name
        with open(path) as file:
            asked = json.load(file)
        asked.get("process", asked).pop("rlimits", None)
        with open(path, "w") as file:
            json.dump(asked, file)
os.execvp("runc", ["runc", *words])
"""


def problem() -> str:
    """Return why there can be none, in one sentence; empty if it can."""
    lacking = [program for program in PROGRAMS if not shutil.which(program)]
    if lacking or os.geteuid() != 0:
        return f"a Podman of one's own takes root, podman, runc, netavark and catatonit; missing: {lacking or 'root'}"
    return ""


@contextlib.contextmanager
def own_podman() -> Iterator[str]:
    """Yield where a Podman answers, as in DOCKER_HOST; nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="podman-", dir="/tmp"))  # short, for sockets
    runtime = folder / "runtime"
    runtime.write_text(RUNTIME)
    runtime.chmod(0o700)
    options = {
        "root": folder / "root",
        "runroot": folder / "run",
        "tmpdir": folder / "tmp",
        "network-config-dir": folder / "networks",
        "network-backend": "netavark",
        "cgroup-manager": "cgroupfs",
        "events-backend": "file",
        "runtime": runtime,
    }
    url = f"unix://{folder}/podman.sock"
    command = ["podman", *(f"--{name}={value}" for name, value in options.items()), "system", "service", "-t0", url]
    environ = os.environ | {"TMPDIR": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, cwd=folder)
    try:
        until(lambda: _answers(url, folder / "podman.sock"), "Podman to answer", seconds=START_SECONDS)
        yield url
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        until(lambda: not _has_programs(folder), "the last `podman container cleanup`", seconds=STOP_SECONDS)
        for mount in sorted(mounts_below(folder), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _has_programs(folder: Path) -> bool:
    """Return whether a program still names the folder, which it would make anew."""
    lines = (" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))
    return any(str(folder) in line for line in lines)


def _answers(url: str, path: Path) -> bool:
    if not path.exists():
        return False
    with contextlib.closing(docker.APIClient(base_url=url, version="1.41")) as client, contextlib.suppress(Exception):
        return bool(client.ping())
    return False
