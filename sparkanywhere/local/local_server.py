"""Start a control plane of its own for one job or one test, as a process, and end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from chalicelib.config import Settings
from chalicelib.private_folder import make_private
from chalicelib.providers import registry
from chalicelib.providers.base import ProviderUnavailable
from sparkanywhere.client.access import find_target
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.kube_client import Access
from sparkanywhere.local.kubeconfig import CONTEXT
from sparkanywhere.local.stop_signals import uninterrupted
from sparkanywhere.local.temporary import clear_away
from sparkanywhere.project import PROJECT

START_SECONDS = 60.0  # one second on an idle machine; a loaded one gets patience
STOP_SECONDS = 10.0  # the server itself takes 2 at most
LOOK_SECONDS = 0.02  # between two looks for the kubeconfig, which the server writes when it is up


class ServerFailed(Failure):
    """The control plane did not start; str() is one sentence with its own last message."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What to serve: an instance of its own below `state`, on a free port where `port` is 0."""

    state: Path
    instance: str
    provider: str = registry.DEFAULT
    port: int = 0
    settings: Mapping[str, str] | None = None  # further SPARKANYWHERE_* variables
    is_temporary: bool = False  # it ends with us: `run` takes no job of others there
    is_discarded: bool = False  # its state goes with it, also where we are killed
    hands_over_to: str = ""  # the instance that gets the records of its pods then
    look: str = ""  # the name of its kubeconfig, if it only shows what is stored

    def words(self, port: int) -> list[str]:
        """Return them as arguments of `sparkanywhere serve`."""
        words = ["--port", str(port), "--provider", self.provider, "--instance", self.instance]
        words += ["--temporary"] if self.is_temporary else []
        words += ["--discard"] if self.is_discarded else []
        words += ["--hand-over-to", self.hands_over_to] if self.hands_over_to else []
        return words + (["--look", self.look] if self.look else [])


class LocalServer:
    """One `sparkanywhere serve` in a process group of its own. Its pods outlive it: delete them first."""

    def __init__(self, options: ServerOptions, environ: Mapping[str, str]) -> None:
        self._options = options
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._is_awaited = False  # it has been launched, and nobody has waited for it
        self.folder = options.state / options.instance
        self.kubeconfig = self.folder / (options.look or "kubeconfig")
        self.log = self.folder / "server.log"
        self.access = Access("")

    @property
    def pid(self) -> int:
        """Return the id of the server's process; 0 before it was started."""
        return self._process.pid if self._process else 0

    def is_alive(self) -> bool:
        """Return whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the server's process, for a start() that comes later. Raises ServerFailed."""
        try:
            make_private(self.folder)
            self.kubeconfig.unlink(missing_ok=True)
            self.log.touch()
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise ServerFailed(f"The control plane has no place for its state: {error.filename}: {why}.") from error
        port = self._options.port or urlsplit(self.access.url).port or 0
        # its own folder is no folder of the user's, which `serve` would share
        environ = {"SPARKANYWHERE_HOST_PATHS": "", **self._environ, **(self._options.settings or {})}
        environ["SPARKANYWHERE_STATE"] = str(self._options.state)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sparkanywhere", "serve", *self._options.words(port)],
                cwd=PROJECT,
                env=environ,
                stdin=subprocess.PIPE if self._options.is_temporary else subprocess.DEVNULL,  # its end is ours
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to handle: pods go first, then the server
            )
        self._is_awaited = True

    def start(self) -> Access:
        """Wait until the server serves, which is launched if need be; return how to reach it.

        May be called again after kill() or stop(): the state is the same. Raises ServerFailed.
        """
        if not self._is_awaited:
            self.launch()
        self._is_awaited = False
        deadline = time.monotonic() + START_SECONDS
        while not self.kubeconfig.exists():
            if not self.is_alive():
                raise ServerFailed(f"The control plane did not start: {self.last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(f"The control plane was not up within {START_SECONDS:.0f} s.")
            time.sleep(LOOK_SECONDS)
        self.access = find_target({"KUBECONFIG": str(self.kubeconfig)}, context=CONTEXT).access
        return self.access

    def stop(self) -> None:
        """Ask the server to end, and make it. May be repeated."""
        if self._process is not None and self.is_alive():
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Kill the server, as a crash would. May be repeated."""
        self._is_awaited = False
        if self._process is None:
            return
        if self.is_alive():
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
        if self._process.stdin:
            self._process.stdin.close()

    def last_words(self) -> str:
        """Return the last line the server printed."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1] if lines else "it printed nothing: the disk may be full, or it was killed"


@contextmanager
def temporary_server(
    environ: Mapping[str, str],
    *,
    prefix: str,
    provider: str,
    port: int = 0,
    settings: Mapping[str, str] | None = None,
    hands_over: bool = False,
) -> Iterator[LocalServer]:
    """Yield a server, not started yet, with a state folder of its own; then remove all that is left of it.

    If it `hands_over`, the records of its pods go to the instance that the environment names.
    """
    shared = Settings.from_env(environ)
    instance = f"{prefix}-{uuid.uuid4().hex[:8]}"
    state = shared.state_dir().parent
    heir = shared.instance if hands_over else ""
    options = ServerOptions(
        state, instance, provider, port, settings, is_temporary=True, is_discarded=True, hands_over_to=heir
    )
    server = LocalServer(options, environ)
    try:
        yield server
    finally:
        with uninterrupted():
            server.stop()
            own = replace(shared, state=str(state), instance=instance)
            was_up = bool(server.access.url)  # one that never was has no records
            clear_away(own, provider=provider, hand_over_to=heir if was_up else "")


@contextmanager
def looking_server(environ: Mapping[str, str]) -> Iterator[Access | None]:
    """Yield a way to what the environment's instance knows of applications, where no server runs; None if nothing.

    It starts no pods and ends with the `with`; what is stored stays.
    """
    from sparkanywhere.local.left_records import has_applications, keep_logs  # as above

    shared = Settings.from_env(environ)
    if not has_applications(shared):
        yield None
        return
    with suppress(ProviderUnavailable):  # then the logs of what still runs are not to be had
        keep_logs(shared)
    state, look = shared.state_dir().parent, f"kubeconfig-look-{os.getpid()}"
    options = ServerOptions(state, shared.instance, "none", is_temporary=True, look=look)
    server = LocalServer(options, environ)
    try:
        yield server.start()
    finally:
        server.stop()
