"""Sessions within a task that runs: a further process in a container's environment, or the container's output.

A command is found, started, fed and read here, and killed if its container ends before it does.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO

import psutil

from chalicelib import system
from chalicelib.providers.base import TaskNotFound
from chalicelib.providers.extensions import ContainerUsage
from chalicelib.providers.interactive import CannotRun, Channel, Streams
from chalicelib.providers.process.command_session import CommandSession
from chalicelib.providers.process.supervision import runs
from chalicelib.providers.supervised import isolation, within
from chalicelib.providers.supervised.own_program import own_program
from chalicelib.providers.supervised.plan import PathMap
from chalicelib.providers.supervised.records import MARKER, Record
from chalicelib.providers.supervised.supervisor import namespaces
from chalicelib.system import Feature

EXEC_SECONDS = 1.0  # a busy machine's longest time to load a program
EXEC_PAUSE_SECONDS = 0.005
CONNECT_SECONDS = 5.0  # to a port of this machine, which answers at once or not at all

_NOT_FOUND = 'exec: "{}": executable file not found in $PATH'
# Only a session's first process can make a terminal the session's own.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


def main_process(record: Record, container: str) -> psutil.Process:
    """Return the main process of a container that runs. Raises TaskNotFound."""
    for each in record["containers"]:
        if each["name"] == container and each["phase"] == "running":
            with contextlib.suppress(psutil.Error, OSError):
                process = psutil.Process(each["process"])
                if not system.has(Feature.ENVIRONMENTS):
                    is_main = runs(each)
                else:
                    is_main = _environment(process).get(MARKER) == f"{record['handle']}/{container}"
                if is_main:
                    return process
    raise TaskNotFound(f"{record['handle']}: container {container} does not run")


def usages(record: Record) -> list[ContainerUsage]:
    """Return what the processes of each container that runs use together."""
    found = []
    for name in [each["name"] for each in record["containers"]]:
        cpu_seconds, memory_bytes = 0.0, 0
        with contextlib.suppress(TaskNotFound, psutil.Error):
            main = main_process(record, name)
            for process in [main, *main.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    cpu_seconds += sum(process.cpu_times()[:4])  # its own, and that of children that have ended
                    memory_bytes += _held_bytes(process)
            found.append(ContainerUsage(name, cpu_seconds, memory_bytes))
    return found


def _held_bytes(process: psutil.Process) -> int:
    """Return a process's memory, what it shares with others counted in parts where the system tells."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        return int(process.memory_info().rss)


def _environment(process: psutil.Process) -> dict[str, str]:
    """Return a process's variables; there are none for a moment while it becomes another program."""
    deadline = time.monotonic() + EXEC_SECONDS
    while not (found := process.environ()) and time.monotonic() < deadline:
        time.sleep(EXEC_PAUSE_SECONDS)
    return found


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start on the host, with which descriptors, and whether the container still runs."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    container_runs: Callable[[], bool]
    descriptors: tuple[int, ...] = ()


def start_command(
    record: Record, container: str, command: Sequence[str], streams: Streams, *, variables: Callable[[], dict[str, str]]
) -> CommandSession:
    """Start a command beside the container's main process, in its namespaces. Raises CannotRun, TaskNotFound.

    `variables` returns the container's, for systems that hide those of a process. It may raise OSError.
    """
    main = main_process(record, container)
    try:
        env, cwd = _environment(main) if system.has(Feature.ENVIRONMENTS) else variables(), main.cwd()
        is_on_host = namespaces.are_shared_with(main.pid)
    except (psutil.Error, OSError) as error:
        raise TaskNotFound(f"its main process has ended: {error}") from error
    env = {"TERM": "xterm", **env} if streams.tty else env
    launch = Launch(command, env, cwd, main.is_running)
    try:
        if is_on_host:
            (places,) = [each.get("places", []) for each in record["containers"] if each["name"] == container]
            return _start_on_host(launch, PathMap(places), streams)
        return _start_within(launch, main.pid, streams)
    except (OSError, ValueError) as error:
        raise CannotRun(f'exec: "{command[0]}": {error}') from error


def _start_on_host(wanted: Launch, paths: PathMap, streams: Streams) -> CommandSession:
    command, env = wanted.argv, wanted.env
    if isolation.reaches_out(command):
        raise CannotRun(
            f'exec: "{command[0]}": refused: pods have no process namespaces of their own here, '
            "so it would reach processes of this machine that are not the pod's"
        )
    argv = paths.rewrite_command(command)
    program = argv[0] if "/" not in argv[0] else os.path.join(wanted.cwd, argv[0])
    if shutil.which(program, path=env.get("PATH")) is None:
        raise CannotRun(_NOT_FOUND.format(command[0]))
    if streams.tty:
        argv = [sys.executable, "-I", "-S", "-c", _TAKE_TERMINAL, *argv]
    return _start(replace(wanted, argv=argv), streams)


def _start_within(wanted: Launch, main: int, streams: Streams) -> CommandSession:
    """Have the program `within` start the command, and wait until it runs."""
    order: within.Order = {
        "argv": list(wanted.argv),
        "env": dict(wanted.env),
        "cwd": wanted.cwd,
        "neighbour": main,
        "takes_terminal": streams.tty,
    }
    orders, sender = os.pipe()
    report, reporter = os.pipe()
    with os.fdopen(sender, "wb") as sending, os.fdopen(report, "rb") as reports:
        argv = [
            *own_program(sys.executable, "within", "main(int(sys.argv[2]), int(sys.argv[3]))"),
            str(orders),
            str(reporter),
        ]
        helper = Launch(argv, {"PATH": os.defpath}, "/", wanted.container_runs, (orders, reporter))
        try:
            session = _start(helper, streams)
        finally:
            os.close(orders)
            os.close(reporter)
        with contextlib.suppress(BrokenPipeError):
            sending.write(json.dumps(order).encode())
            sending.close()
        failure = reports.read().decode(errors="replace")
    if failure:
        session.close()
        number, _, what = failure.partition(" ")
        is_missing = number == str(errno.ENOENT)
        raise CannotRun((_NOT_FOUND if is_missing else f'exec: "{{}}": {what}').format(wanted.argv[0]))
    return session


def _start(launch: Launch, streams: Streams) -> CommandSession:
    return _on_terminal(launch) if streams.tty else _on_pipes(launch, streams)


def _on_terminal(launch: Launch) -> CommandSession:
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            launch.argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=launch.env,
            cwd=launch.cwd,
            start_new_session=True,
            pass_fds=launch.descriptors,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return CommandSession(
        process, sink=ours, outputs={ours: "stdout"}, is_terminal=True, container_runs=launch.container_runs
    )


def _on_pipes(launch: Launch, streams: Streams) -> CommandSession:
    process = subprocess.Popen(
        launch.argv,
        stdin=subprocess.PIPE if streams.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE if streams.stdout else subprocess.DEVNULL,
        stderr=subprocess.PIPE if streams.stderr else subprocess.DEVNULL,
        env=launch.env,
        cwd=launch.cwd,
        start_new_session=True,
        pass_fds=launch.descriptors,
        bufsize=0,
    )
    outputs: dict[int, Channel] = {}
    if process.stdout is not None:
        outputs[_taken(process.stdout)] = "stdout"
    if process.stderr is not None:
        outputs[_taken(process.stderr)] = "stderr"
    sink = None if process.stdin is None else _taken(process.stdin)
    return CommandSession(process, sink=sink, outputs=outputs, is_terminal=False, container_runs=launch.container_runs)


def _taken(pipe: IO[bytes]) -> int:
    """Return a descriptor of our own for a pipe of Popen's, which is closed."""
    with pipe:
        return os.dup(pipe.fileno())


def connect(record: Record, port: int) -> socket.socket:
    """Return a connection to a port of a task that runs. Raises TaskNotFound, OSError."""
    if record["phase"] != "running":
        raise TaskNotFound(f"{record['handle']} does not run")
    return socket.create_connection((record["address"], port), timeout=CONNECT_SECONDS)
