"""The supervisor's loop: init containers in order, then the rest; restarts, stop requests, the end.

One thread, woken by signals, by its containers' output and by a byte in the control FIFO; it
sleeps otherwise. Every change is written to the state file before anybody is told.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
import time

from chalicelib.providers.supervised.records import (
    CONTROL_FIFO,
    RESTART_FILE,
    STATE_FILE,
    STOP_FILE,
    VARIABLES_FILE,
    Plan,
    RestartRequest,
    StopRequest,
    VariablesRequest,
    read_json,
    tell_listeners,
    write_json,
)
from chalicelib.providers.supervised.supervisor import namespaces, processes
from chalicelib.providers.supervised.supervisor.container import Container

STOP_COMMAND_EXTENSION_SECONDS = 2.0  # Kubernetes' addition, once, where a stop command took the whole grace
STOP_HEARD, RESTART_HEARD, VARIABLES_HEARD = "stop-heard.json", "restart-heard.json", "variables-heard.json"
WAKE_BYTES = 4096  # of signal numbers and pokes at once: their number says nothing
WRITE_PAUSE_SECONDS = 1.0  # between attempts to write the state while the disk is full
WRITE_ATTEMPTS = 60  # for the last state; without it the provider calls the task lost


class Supervisor:
    """Runs one task to its end. The working directory is the task's."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._record = plan["record"]
        self._handle = self._record["handle"]
        records = {record["name"]: record for record in self._record["containers"]}
        logs = (plan["log_bytes"], plan["log_files"])
        backoff = plan["backoff_seconds"]
        self._containers = [
            Container(one, records[one["name"]], handle=self._handle, logs=logs, backoff=backoff)
            for one in plan["containers"]
        ]
        self._selector = selectors.DefaultSelector()
        self._kill_at: float | None = None  # monotonic; None: nobody has asked for an end
        self._extended = False
        self._all_started = False
        self._unwritten = False
        self._terminated = False
        self._memory_at = 0.0  # monotonic: when to look at it again
        self._family: list[processes.Process] = []
        self._family_until = 0.0

    def prepare(self) -> None:
        """Open the control FIFO, hear signals, and write the first state. Raises OSError."""

        def hear_sigterm(*_: object) -> None:
            self._terminated = True

        with contextlib.suppress(FileExistsError):
            os.mkfifo(CONTROL_FIFO, 0o600)
        control = os.open(CONTROL_FIFO, os.O_RDWR | os.O_NONBLOCK)
        self._selector.register(control, selectors.EVENT_READ, None)
        alarm, ringer = os.pipe()
        os.set_blocking(alarm, False)
        os.set_blocking(ringer, False)
        self._selector.register(alarm, selectors.EVENT_READ, None)
        signal.set_wakeup_fd(ringer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, hear_sigterm)
        for ignored in (signal.SIGHUP, signal.SIGINT):
            signal.signal(ignored, signal.SIG_IGN)
        processes.adopt_orphans()
        if any(one.has_namespaces for one in self._containers):
            namespaces.acquire()
        self._write()

    def run(self) -> None:
        """Run the task until all its containers have ended and nothing of them is left."""
        self._hear()
        while self._advance():
            moments = [at for one in self._containers for at in (one.restart_at, one.kill_at) if at is not None]
            if self._kill_at is not None:
                moments.append(self._kill_at)
            if self._limited():
                moments.append(self._memory_at)
            if self._unwritten:
                moments.append(time.monotonic() + WRITE_PAUSE_SECONDS)
            timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
            for key, _ in self._selector.select(timeout):
                container = key.data
                with contextlib.suppress(BlockingIOError):
                    if container is None:
                        os.read(key.fd, WAKE_BYTES)
                    elif not container.read_output(key.fd):
                        self._selector.unregister(key.fd)  # end of file, though the process may live on
            self._reap()
            self._hear()
        self._finish()

    def _advance(self) -> bool:
        """Start what may start and kill what must end; return whether there is more to come."""
        if self._kill_at is None:
            self._kill_due()
            self._start_due()
        elif time.monotonic() >= self._kill_at:
            self._grace_over()
        self._check_memory()
        more = not self._over()
        if more and (self._unwritten or any(one.changed for one in self._containers)):
            self._write()
        return more

    def _limited(self) -> list[Container]:
        """Return the running containers that have a memory limit which can be held."""
        if not processes.enforces_memory():
            return []
        return [one for one in self._containers if one.pid and one.plan["memory_mib"] is not None]

    def _check_memory(self) -> None:
        """Kill what holds more memory than it may. The processes are searched for less often than looked at."""
        now, limited = time.monotonic(), self._limited()
        if not limited or now < self._memory_at:
            return
        self._memory_at = now + processes.LOOK_SECONDS
        if now >= self._family_until:
            self._family = processes.descendants(os.getpid())
            self._family_until = now + processes.FAMILY_SECONDS
        for one in limited:
            one.check_memory(self._family)

    def _kill_due(self) -> None:
        """Kill what was to end for another run and took longer than its grace."""
        now = time.monotonic()
        for one in self._containers:
            if one.kill_at is not None and one.kill_at <= now:
                one.kill_at = now + processes.KILL_SECONDS
                one.kill()

    def _start_due(self) -> None:
        now = time.monotonic()
        for one in self._containers:
            if one.restart_at is not None and one.restart_at <= now:
                one.restart()
                self._watch(one)
        for one in self._containers:
            if not one.plan["init"]:
                continue
            if one.record["started_at"] is None:
                self._start(one)
            if not one.succeeded:
                return
        if not self._all_started:
            self._all_started = True
            for one in self._containers:
                if not one.plan["init"]:
                    self._start(one)

    def _start(self, container: Container) -> None:
        container.start()
        self._watch(container)

    def _watch(self, container: Container) -> None:
        for output in container.outputs:
            self._selector.register(output, selectors.EVENT_READ, container)

    def _over(self) -> bool:
        if any(one.pid or one.restart_at is not None for one in self._containers):
            return False
        if self._kill_at is not None:
            return True
        failed_init = any(one.plan["init"] and one.done and not one.succeeded for one in self._containers)
        return failed_init or (self._all_started and all(one.done for one in self._containers))

    def _reap(self) -> None:
        """Take note of every process that ended. A container's kin die with its main process."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for one in self._containers:
                if pid == one.pid:
                    one.pid = 0
                    if not one.has_namespaces:
                        self._kill_kin(one, pid)
                    for output in one.outputs:
                        with contextlib.suppress(KeyError, ValueError):  # its end of file came before its end
                            self._selector.unregister(output)
                    one.exited(status, stopping=self._kill_at is not None)
                elif pid == one.stop_pid:
                    one.stop_pid = 0
                    one.terminate()

    def _kill_kin(self, container: Container, session: int) -> None:
        processes.kill_group(session)

        def kin() -> list[int]:
            mains = {one.pid for one in self._containers}
            family = processes.family(os.getpid(), container.sessions)
            return [one.pid for one in family if one.pid not in mains and container.owns(one)]

        processes.kill_each(kin, lambda: None)

    def _hear(self) -> None:
        if self._terminated:  # the machine is shutting down
            self._terminated = False
            self._stop(self._plan["stop_grace_seconds"], "Terminated")
        with contextlib.suppress(FileNotFoundError):
            os.replace(STOP_FILE, STOP_HEARD)  # first, so that a request written meanwhile is not lost
            request: StopRequest = read_json(STOP_HEARD)
            self._stop(request["grace_seconds"], request["reason"])
        for one in self._containers:
            with contextlib.suppress(FileNotFoundError):
                os.replace(RESTART_FILE.format(one.plan["name"]), RESTART_HEARD)
                wish: RestartRequest = read_json(RESTART_HEARD)
                if self._kill_at is None and one.pid and wish["restarts"] == one.record["restarts"]:
                    one.end_run(wish["grace_seconds"])
            one.hear_leaving()
        with contextlib.suppress(FileNotFoundError):
            os.replace(VARIABLES_FILE, VARIABLES_HEARD)
            asked: VariablesRequest = read_json(VARIABLES_HEARD)
            for one in self._containers:
                if one.plan["name"] == asked["container"]:
                    one.tell_variables()

    def _stop(self, grace_seconds: float, reason: str) -> None:
        kill_at = time.monotonic() + grace_seconds
        if self._kill_at is not None:
            self._kill_at = min(self._kill_at, kill_at)
            return
        self._kill_at = kill_at
        self._record["reason"] = reason
        for one in self._containers:
            one.cancel_restart()
            if grace_seconds > 0:
                one.request_stop()
            else:
                one.terminate()

    def _grace_over(self) -> None:
        waited = [one for one in self._containers if one.pid and one.stop_pid]
        if waited and not self._extended:
            self._extended = True
            self._kill_at = time.monotonic() + STOP_COMMAND_EXTENSION_SECONDS
            for one in waited:
                os.kill(one.stop_pid, signal.SIGKILL)
            return
        self._kill_at = time.monotonic() + processes.KILL_SECONDS
        for one in self._containers:
            one.kill()

    def _finish(self) -> None:
        """Kill whatever is left below us, then write the last state."""
        processes.kill_each(lambda: [one.pid for one in processes.descendants(os.getpid())], self._reap)
        self._record["phase"] = "stopped"
        self._record["stopped_at"] = time.time_ns()
        for _ in range(WRITE_ATTEMPTS):
            if self._write():
                return
            time.sleep(WRITE_PAUSE_SECONDS)

    def _write(self) -> bool:
        """Write the state and tell all who listen; return False where the disk is full."""
        mains = [one.record for one in self._containers if not one.plan["init"]]
        starts = [one["started_at"] for one in mains if one["started_at"] is not None]
        if self._record["phase"] == "pending" and starts:
            self._record.update({"phase": "running", "started_at": min(starts)})
        self._record["version"] += 1
        try:
            write_json(STATE_FILE, self._record)
        except OSError as error:
            print(f"state not written: {error}", file=sys.stderr, flush=True)
            self._unwritten = True
            return False
        self._unwritten = False
        for one in self._containers:
            one.changed = False
        tell_listeners(self._plan["listeners"], self._handle)
        return True
