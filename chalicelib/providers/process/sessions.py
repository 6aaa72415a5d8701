"""Sessions within a task that runs: a further process in a container's environment, or the container's output.

A command is found, started, fed and read here, and killed if its container ends before it does.
"""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import psutil

from chalicelib.providers.base import TaskNotFound
from chalicelib.providers.interactive import CannotRun, Channel, Streams
from chalicelib.providers.process import spark
from chalicelib.providers.process.command_session import CommandSession
from chalicelib.providers.process.plan import PathMap
from chalicelib.providers.process.records import MARKER, Record

CONNECT_SECONDS = 5.0  # to a port of this machine, which answers at once or not at all

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
                if process.environ().get(MARKER) == f"{record['handle']}/{container}":
                    return process
    raise TaskNotFound(f"{record['handle']}: container {container} does not run")


def start_command(main: psutil.Process, command: Sequence[str], streams: Streams) -> CommandSession:
    """Start a command beside the container's main process. Raises CannotRun, TaskNotFound."""
    try:
        env, cwd = main.environ(), main.cwd()
    except (psutil.Error, OSError) as error:
        raise TaskNotFound(f"its main process has ended: {error}") from error
    argv = on_host(command, env, cwd)
    program = argv[0] if "/" not in argv[0] else os.path.join(cwd, argv[0])
    if shutil.which(program, path=env.get("PATH")) is None:
        raise CannotRun(f'exec: "{command[0]}": executable file not found in $PATH')
    start = _on_terminal if streams.tty else _on_pipes
    try:
        return start(argv, CommandContext(env, cwd, main.is_running), streams)
    except (OSError, ValueError) as error:
        raise CannotRun(f'exec: "{command[0]}": {error}') from error


def on_host(command: Sequence[str], env: Mapping[str, str], cwd: str) -> list[str]:
    """Return the command with the paths of Spark's image as they are on the host."""
    home = env.get("SPARK_HOME")
    paths = PathMap([(spark.IMAGE_HOME, home), (spark.IMAGE_WORK, cwd)] if home else [])
    return [paths.rewrite(word) for word in command]


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Where a command runs: the container's variables and directory, and whether that still runs."""

    env: Mapping[str, str]
    cwd: str
    container_runs: Callable[[], bool]


def _on_terminal(argv: Sequence[str], context: CommandContext, streams: Streams) -> CommandSession:
    del streams  # a terminal is always both
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _TAKE_TERMINAL, *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"TERM": "xterm", **context.env},
            cwd=context.cwd,
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return CommandSession(
        process, sink=ours, outputs={ours: "stdout"}, is_terminal=True, container_runs=context.container_runs
    )


def _on_pipes(argv: Sequence[str], context: CommandContext, streams: Streams) -> CommandSession:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if streams.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE if streams.stdout else subprocess.DEVNULL,
        stderr=subprocess.PIPE if streams.stderr else subprocess.DEVNULL,
        env=context.env,
        cwd=context.cwd,
        start_new_session=True,
        bufsize=0,
    )
    outputs: dict[int, Channel] = {}
    if process.stdout is not None:
        outputs[_taken(process.stdout)] = "stdout"
    if process.stderr is not None:
        outputs[_taken(process.stderr)] = "stderr"
    sink = None if process.stdin is None else _taken(process.stdin)
    return CommandSession(process, sink=sink, outputs=outputs, is_terminal=False, container_runs=context.container_runs)


def _taken(pipe: IO[bytes]) -> int:
    """Return a descriptor of our own for a pipe of Popen's, which is closed."""
    with pipe:
        return os.dup(pipe.fileno())


class OutputSession:
    """The hold of a container's output, from its log; its input is nowhere. See interactive.Session."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._closed = False

    def read(self) -> tuple[Channel, bytes] | None:
        """Wait for output; see Session.read. The log keeps both streams as one."""
        piece = None if self._closed else next(self._pieces, None)
        return None if piece is None or self._closed else ("stdout", piece)

    def write(self, data: bytes) -> None:
        """Refuse input: the container's own is empty from its start."""
        del data
        raise BrokenPipeError("the container takes no input")

    def end_input(self) -> None:
        """Do nothing."""

    def resize(self, *, columns: int, rows: int) -> None:
        """Do nothing: there is no terminal."""

    def exit_code(self) -> int | None:
        """Return None: what was attached to is no command of the session's."""
        return None

    def close(self) -> None:
        """Let go at the log's next sign of life."""
        self._closed = True


def connect(record: Record, port: int) -> socket.socket:
    """Return a connection to a port of a task that runs. Raises TaskNotFound, OSError."""
    if record["phase"] != "running":
        raise TaskNotFound(f"{record['handle']} does not run")
    return socket.create_connection((record["address"], port), timeout=CONNECT_SECONDS)
