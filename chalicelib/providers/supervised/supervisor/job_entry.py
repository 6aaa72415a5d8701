"""The supervisor's other beginning: as a job of a scheduler, on a machine that shares the task's folder with ours.

What only this machine knows is put into the plan and the task's files here: its address, and free ports of it for the
marks of ports (base.PORT). SIGUSR1 says that there are wishes in the folder; FIFOs do not reach across machines.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from chalicelib.providers.supervised.directory import TaskDirectory
from chalicelib.providers.supervised.records import Plan, read_json
from chalicelib.providers.supervised.supervisor.loop import Supervisor

JOB_FILE = "job-plan.json"
CLAIM_FILE = "claim"  # who makes it has the task: of two jobs for it one alone
PORTS = range(20_000, 32_000)  # below those that Linux hands out to outgoing connections


class JobPlan(TypedDict):
    """A plan without an address, what stands for one in it, and an address that the task's machine has a way to."""

    plan: Plan
    address_mark: str
    port_pattern: str  # of marks of ports; its first group is the port's number
    peer: str


def claim(folder: str) -> bool:
    """Take the task in a folder; return False where somebody has done so before. Raises OSError."""
    try:
        os.close(os.open(os.path.join(folder, CLAIM_FILE), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True


def main(folder: str) -> None:
    """Run the task in a folder to its end, unless another job has it."""
    os.chdir(folder)
    os.umask(0o077)
    if not claim("."):
        print("this task has been begun or ended before", file=sys.stderr)
        return
    job: JobPlan = read_json(JOB_FILE)
    directory = TaskDirectory(Path(folder).parent, Path(folder).name)
    with contextlib.ExitStack() as guards:
        supervisor = Supervisor(_localised(job, directory, guards))
        directory.make_scratch()
        signal.signal(signal.SIGUSR1, lambda *_: None)  # the wake-up alone counts
        supervisor.prepare()
        supervisor.run()
    shutil.rmtree(directory.scratch, ignore_errors=True)


def _localised(job: JobPlan, directory: TaskDirectory, guards: contextlib.ExitStack) -> Plan:
    """Return the plan as it is on this machine, and have the task's files so, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect((job["peer"], 9))  # sends nothing: it asks for the way there
        address = way.getsockname()[0]
    text, pattern = json.dumps(job["plan"]), re.compile(job["port_pattern"])
    files = [path for path in (directory.path / "volumes").rglob("*") if path.is_file() and not path.is_symlink()]
    free, ports = _free_ports(address, os.getpid(), guards), dict[str, int]()

    def port(match: re.Match[str]) -> str:
        if match[1] not in ports:
            ports[match[1]] = next(free)
        return str(ports[match[1]])

    def told(content: str) -> str:
        return pattern.sub(port, content.replace(job["address_mark"], address))

    for path in files:
        content = path.read_text("utf-8", errors="surrogateescape")
        if (changed := told(content)) != content:
            with path.open("r+", encoding="utf-8", errors="surrogateescape") as file:
                file.write(changed)
                file.truncate()
    plan: Plan = json.loads(told(text))
    plan["record"].update({"address": address, "ports": [(int(declared), own) for declared, own in ports.items()]})
    return plan


def _free_ports(address: str, seed: int, guards: contextlib.ExitStack) -> Iterator[int]:
    """Yield ports that nobody listens on, guarded from other tasks of this machine by a UDP socket while they live."""
    for step in range(len(PORTS)):
        number = PORTS[(seed * 7 + step) % len(PORTS)]
        guard = guards.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with contextlib.suppress(OSError), socket.socket() as tried:
            guard.bind((address, number))
            tried.bind((address, number))
            yield number
    raise OSError("no port is free")
