"""One container's life: start, output, exit, back-off and restart. Knows nothing of its siblings."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time

from chalicelib import system
from chalicelib.providers.supervised.records import (
    INPUT_FIFO,
    INPUT_LEFT,
    MARKER,
    VARIABLES_FIFO,
    ContainerPlan,
    ContainerRecord,
)
from chalicelib.providers.supervised.supervisor import processes, spawning
from chalicelib.providers.supervised.supervisor.output import STDERR, STDOUT, LogWriter
from chalicelib.system import Feature

READ_BYTES = 64 * 1024  # a pipe's capacity on Linux
BACKOFF_LIMIT_SECONDS = 300.0  # Kubernetes' longest wait before a restart
BACKOFF_RESET_SECONDS = 600.0  # after running this long, the next failure counts as the first
KILLED = 128 + signal.SIGKILL
START_FAILED = 128  # the exit code that containerd gives when a program can't be started


class Container:
    """A container of the task. `record` is what the world is told about it; `changed` that it should be."""

    def __init__(
        self, plan: ContainerPlan, record: ContainerRecord, *, handle: str, logs: tuple[int, int], backoff: float
    ) -> None:
        self.plan = plan
        self.record = record
        self.pid = 0  # of its init, if it has namespaces of its own, else of its main process; 0: not running
        self.stop_pid = 0  # of the stop command while that runs
        self.outputs: dict[int, bytes] = {}  # the reading ends of its pipes, and the streams that come there
        self._input = -1  # an end to write to of its own, which keeps its input open; -1: none
        self.restart_at: float | None = None  # monotonic; None: no restart is due
        self.kill_at: float | None = None  # monotonic; None: it was not asked to end for another run
        self.sessions: set[int] = set()  # of what had come of it when it was asked to end, as far as that is needed
        self.changed = False
        self._marker = f"{handle}/{plan['name']}"
        self._log_bytes, self._log_files = logs
        self._first_backoff = backoff
        self._backoff = 0.0  # the first restart comes at once
        self._running_since = 0.0
        self._log: LogWriter | None = None
        self._overran = ""  # how it took more memory than it may, if it did
        self._nothing = os.open(os.devnull, os.O_RDWR)

    @property
    def has_namespaces(self) -> bool:
        """Whether it runs in namespaces of its own; the kernel then ends its kin with its init."""
        return self.plan["mounts"] is not None

    @property
    def done(self) -> bool:
        """Whether it has ended and will not be started again."""
        return self.record["phase"] == "stopped"

    @property
    def succeeded(self) -> bool:
        """Whether it has ended with exit code 0."""
        return self.done and self.record["exit_code"] == 0

    def start(self) -> None:
        """Start its main process; a program that can't be started counts as one that ended."""
        restarts = self.record["restarts"]
        self.restart_at = None
        # of a run that nobody can ask for any more: `previous` reaches back one run
        for suffix in ["", *(f".{part}" for part in range(1, self._log_files))]:
            with contextlib.suppress(OSError):
                os.unlink(self._log_path(restarts - 2) + suffix)
        self._log = LogWriter(self._log_path(restarts), limit=self._log_bytes, files=self._log_files)
        (out, out_writer), (errors, errors_writer) = os.pipe(), os.pipe()
        self.outputs = {out: STDOUT, errors: STDERR}
        for output in self.outputs:
            os.set_blocking(output, False)
        self.record["started_at"] = time.time_ns()
        self._running_since = time.monotonic()
        source = self._nothing if self.plan["input"] == "none" else self._open_input()
        program, mounts = self._program(self.plan["argv"], (source, out_writer, errors_writer), {}), self.plan["mounts"]
        try:
            started = spawning.spawn(program) if mounts is None else spawning.spawn_isolated(program, mounts)
        except OSError as error:
            self._log.write(f"{error.strerror}\n".encode(), STDERR)
            self._ended(START_FAILED, "StartError", error.strerror or "")
        else:
            self.pid, self.sessions = started.child, {started.child}
            self.record.update({"phase": "running", "process": started.main, "reason": "", "message": ""})
            self.record.update({"exit_code": None, "finished_at": None})
            self.changed = True
        finally:
            for writer in (out_writer, errors_writer):
                os.close(writer)
            if source != self._nothing:
                os.close(source)

    def _open_input(self) -> int:
        """Make the FIFO that its input comes from; return the end to read. Without writers it would end at once."""
        path = self._path(INPUT_FIFO)
        for old in (path, self._path(INPUT_LEFT)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(old)
        os.mkfifo(path, 0o600)
        source = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._input = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.set_blocking(source, True)
        return source

    def hear_leaving(self) -> None:
        """End its input if somebody who was attached has left, and that is when it ends."""
        if self._input >= 0 and self.plan["input"] == "once" and os.path.exists(self._path(INPUT_LEFT)):
            self._close_input()

    def tell_variables(self) -> None:
        """Write its variables to whoever asked for them, by a child: it may be read slowly."""
        if os.fork():
            return
        try:
            descriptor = os.open(VARIABLES_FIFO, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(descriptor, True)
            with os.fdopen(descriptor, "wb") as answer:
                answer.write(json.dumps(self.plan["env"]).encode() + b"\n")
        finally:
            os._exit(0)

    def _close_input(self) -> None:
        if self._input >= 0:
            os.close(self._input)
            self._input = -1

    def _path(self, name: str) -> str:
        return os.path.join("containers", self.plan["name"], name)

    def _program(self, argv: list[str], streams: tuple[int, int, int], more: dict[str, str]) -> spawning.Program:
        env = {**self.plan["env"], MARKER: self._marker, **more}
        locked = self.plan["no_new_privileges"]
        return spawning.Program(argv, env, self.plan["cwd"], streams, no_new_privileges=locked)

    def _log_path(self, number: int) -> str:
        return os.path.join("logs", self.plan["name"], f"{number}.log")

    def read_output(self, output: int) -> bool:
        """Store what a pipe holds; return False at its end. Raises BlockingIOError if it holds nothing."""
        chunk = os.read(output, READ_BYTES)
        if chunk and self._log:
            self._log.write(chunk, self.outputs[output])
        return bool(chunk)

    def close_output(self) -> None:
        """Store the rest of the output and let go of pipes and file. May be repeated."""
        for output in self.outputs:
            with contextlib.suppress(BlockingIOError):
                while self.read_output(output):
                    pass
            os.close(output)
        self.outputs.clear()
        if self._log:
            self._log.close()
            self._log = None

    def exited(self, status: int, *, stopping: bool) -> None:
        """Take note of the main process's end; `status` as waitpid gives it. Its kin must be gone by now."""
        self.pid = 0
        code = os.waitstatus_to_exitcode(status)
        code = 128 - code if code < 0 else code
        reason = "Error" if code else "Completed"
        if self._overran and code == KILLED:
            reason = "OOMKilled"
        self._ended(code, reason, self._overran, stopping=stopping)
        self._overran = ""

    def _ended(self, code: int, reason: str, message: str, *, stopping: bool = False) -> None:
        self.close_output()
        self._close_input()
        self.changed = True
        self.record["finished_at"] = time.time_ns()
        self.record.update({"phase": "stopped", "exit_code": code, "reason": reason, "message": message})
        restart = self.plan["restart"]
        is_for_ever = (restart == "always" and not self.plan["init"]) or (
            restart != "never" and self.kill_at is not None
        )
        self.kill_at = None
        if stopping or not (is_for_ever or (restart != "never" and code != 0)):
            return
        now = time.monotonic()
        if now - self._running_since >= BACKOFF_RESET_SECONDS:
            self._backoff = 0.0
        self.restart_at = now + self._backoff
        minutes, seconds = divmod(self._backoff, 60)
        wait = f"{minutes:g}m{seconds:g}s" if minutes else f"{seconds:g}s"
        why = f"back-off {wait} restarting failed container={self.plan['name']}"
        self.record["last"] = {**self.record, "last": None}
        self.record.update({"phase": "waiting", "reason": "CrashLoopBackOff", "message": why})
        self._backoff = min(max(self._first_backoff, self._backoff * 2), BACKOFF_LIMIT_SECONDS)

    def end_run(self, grace_seconds: float) -> None:
        """Ask it to end for another run to follow; without one where it is never started again."""
        self.kill_at = time.monotonic() + grace_seconds
        self.request_stop()

    def restart(self) -> None:
        """Start it once more."""
        self.record["restarts"] += 1
        self.start()

    def cancel_restart(self) -> None:
        """Let its last end be the final one."""
        if self.restart_at is not None:
            self.restart_at = None
            code = self.record["exit_code"]
            reason = "Error" if code else "Completed"
            self.record.update({"phase": "stopped", "reason": reason, "message": ""})
            self.changed = True

    def request_stop(self) -> None:
        """Run its stop command if it has one, else send SIGTERM to its main process."""
        if not self.pid:
            return
        if self.plan["stop_argv"] and not self.stop_pid:
            main = spawning.INIT if self.has_namespaces else self.pid
            program = self._program(self.plan["stop_argv"], (self._nothing,) * 3, {"SPARKANYWHERE_PID": str(main)})
            self._remember_sessions()  # it may end of the command
            with contextlib.suppress(OSError):
                within = spawning.spawn_within(program, self.pid) if self.has_namespaces else spawning.spawn(program)
                self.stop_pid = within.child
        if not self.stop_pid:
            self.terminate()

    def _remember_sessions(self) -> None:
        if not system.has(Feature.PRCTL):
            self.sessions.update(one.session for one in processes.descendants(self.pid))

    def terminate(self) -> None:
        """Send SIGTERM to the main process, and to it alone, as a container runtime does; an init hands it on."""
        if self.pid:
            self._remember_sessions()
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the main process; what is left of its kin ends when its end is noticed."""
        if self.pid:
            self._remember_sessions()
            os.kill(self.pid, signal.SIGKILL)

    def check_memory(self, family: list[processes.Process]) -> None:
        """Kill it if its processes, of those given, hold more than it may."""
        limit = self.plan["memory_mib"]
        if not self.pid or limit is None or self._overran:
            return
        if self.has_namespaces:
            own = {one.pid for one in processes.descendants(self.pid, family)}
        else:
            own = {self.pid, *(one.pid for one in family if self.owns(one))}
        held = processes.held_mib(own, limit_mib=limit)
        if held > limit:
            self._overran = f"held {held} MiB of memory, {limit} MiB allowed"
            self.kill()

    def owns(self, process: processes.Process) -> bool:
        """Return whether a process came of this container, of those that may have."""
        return process.session in self.sessions or processes.has_marker(process.pid, f"{MARKER}={self._marker}")
