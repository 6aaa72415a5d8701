"""`chalice local` as a process of its own, with our options, as a person would start it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.waiting import until

PROJECT = Path(__file__).resolve().parents[2]
# What the `chalice` script does that `make` writes.
CHALICE = "import sys; from sparkanywhere.local.chalice_command import main; sys.exit(main())"
READY = "Type next:"
STOP_SECONDS = 20.0  # far beyond the two seconds promised: machines are busy


class LocalServer:
    """A running `chalice local` and what it has printed."""

    def __init__(self, process: subprocess.Popen[str], state: Path) -> None:
        self.process = process
        self.state = state
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        """Return what has been printed so far."""
        return "\n".join(self.lines)

    @property
    def url(self) -> str:
        """Return the URL that it says it serves."""
        found = re.search(r"the Kubernetes API on (\S+)", self.output)
        assert found is not None, self.output
        return found[1]

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self.url.rpartition(":")[2])

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig it has written."""
        return self.state / "sparkanywhere" / "default" / "kubeconfig"

    def wait_until_ready(self, *, times: int = 1) -> None:
        """Wait until it has said that it serves, so many times since the first start."""

        def is_ready() -> bool:
            return self.output.count(READY) >= times or self.process.poll() is not None

        until(is_ready, "the server to start")
        assert self.process.poll() is None, self.output

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end; return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        code = self.process.wait(timeout=STOP_SECONDS)
        self._reader.join(timeout=STOP_SECONDS)
        return code


@contextlib.contextmanager
def chalice_local(
    state: Path,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    command: tuple[str, ...] = (),
    verb: tuple[str, ...] = ("local",),
    project: Path = PROJECT,
) -> Iterator[LocalServer]:
    """Start `chalice local` with its state under `state`; kill it at the end if it still runs.

    Nothing of the tester's own SPARKANYWHERE_ settings is passed on. `command` is another chalice, which then
    finds the packages of its own environment, or, with another `verb`, something else that serves; `project`
    is the folder to start it in.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SPARKANYWHERE_")}
    env = {**kept, "XDG_STATE_HOME": str(state), **(environ or {})}
    env["PYTHONPATH"] = "" if command else str(PROJECT)
    chalice = list(command) or [sys.executable, "-c", CHALICE]
    process = subprocess.Popen(
        [*chalice, *verb, *arguments],
        cwd=project,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    server = LocalServer(process, state)
    try:
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        server.wait()
        assert process.stdout is not None
        process.stdout.close()
