"""The gateway of a namespace that stays when its command has ended, and what is kept of it: its port above all.

It is a process of its own, which a command starts and the next one finds. It lives as long as a token that was handed
out, and holds a lock for so long. Its URL stays the same when it is started again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from chalicelib.private_folder import make_private, write_private
from sparkanywhere.client.failure import Failure
from sparkanywhere.client.server_records import state_root
from sparkanywhere.local.certificates import CertificateFiles, ensure_certificates

FOLDER = ".connect"  # beside the folders of instances, none of which has a dot first
PROGRAM = "sparkanywhere.cli.connect_gateway"
START_SECONDS, END_SECONDS = 30.0, 15.0
LOOK_SECONDS = 0.1
LAST_LINES = 5
ROOTS_VARIABLE = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"  # of gRPC's C core, and so of PySpark
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1"})


class GatewayFailed(Failure):
    """The gateway does not start; str() has its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPlan:
    """What a gateway is and serves. `options` and `typed` are the command line by which it starts a server."""

    context: str
    namespace: str
    bind: str
    host: str  # in its URL
    port: int
    options: dict[str, Any] = field(repr=False)  # Any: click's values, as JSON has them
    typed: list[str]
    is_direct: bool = False  # pods' own addresses answer here
    expires_at: float = 0.0  # seconds since 1970: no token is good for longer
    pid: int = 0


def connect_folder(environ: Mapping[str, str]) -> Path:
    """Return where all of a user's gateways keep what they need."""
    return state_root(environ) / FOLDER


def certificate_files(environ: Mapping[str, str], names: frozenset[str]) -> CertificateFiles:
    """Return the files of this user's authority, whose certificate has these names: all gateways share them."""
    files = CertificateFiles(connect_folder(environ) / "tls")
    ensure_certificates(files, LOCAL_NAMES | names, datetime.now(UTC))
    return files


def roots_file(files: CertificateFiles) -> Path:
    """Return a file for the variable of gRPC: our authority, and those that gRPC's own package trusts.

    The variable replaces these, and other programs of the same shell may use gRPC as well.
    """
    import grpc  # lazy: an extra

    usual = Path(grpc.__file__).parent / "_cython" / "_credentials" / "roots.pem"
    path = files.folder / "roots.pem"
    write_private(path, files.ca.read_bytes() + (usual.read_bytes() if usual.exists() else b""))
    return path


class KeptGateway:
    """The place of one namespace's gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None  # that this very object has started

    @classmethod
    def of(cls, environ: Mapping[str, str], context: str, namespace: str) -> KeptGateway:
        """Return the place of a namespace of a control plane."""
        return cls(connect_folder(environ) / f"{quote(context, safe='')}.{namespace}")

    def read(self) -> GatewayPlan | None:
        """Return the last gateway there was, None if there was none."""
        with contextlib.suppress(OSError, ValueError, TypeError):  # also of another version of ours
            return GatewayPlan(**json.loads(self._plan.read_bytes()))
        return None

    def write(self, plan: GatewayPlan) -> None:
        """Keep a plan, which may hold secrets of a job. Raises OSError."""
        write_private(self._plan, json.dumps(asdict(plan)).encode())

    def find(self) -> GatewayPlan | None:
        """Return the gateway that lives, None if there is none."""
        with self._open() as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None  # nobody holds it
        plan = self.read()
        return plan if plan and plan.pid else None  # it may have no port yet

    def start(self, plan: GatewayPlan) -> GatewayPlan:
        """Start a gateway; return it as it listens. Raises GatewayFailed, OSError."""
        self.write(plan)
        log = self.folder / "gateway.log"
        with log.open("w") as output:
            self._process = process = subprocess.Popen(
                [sys.executable, "-P", "-m", PROGRAM, str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # it stays when the terminal goes
            )
        deadline = time.monotonic() + START_SECONDS
        while not ((found := self.find()) and found.pid == process.pid):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                self._forget_options()
                words = "\n  ".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
                raise GatewayFailed(f"The gateway did not start.\n  {words}".rstrip())
            time.sleep(LOOK_SECONDS)
        return found

    def stop(self) -> bool:
        """End the gateway and wait for it; return whether there was one. What is kept of it stays. Repeatable."""
        found = self.find()
        if found is None:
            if (left := self.read()) and left.pid:  # of one that was killed, and none that is being started
                self._forget_options()
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        while self.find() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        if self._process:
            self._process.wait()
        if not self.find():
            self._forget_options()
        return True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be the gateway within; wait for another one to end."""
        with self._open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                self._forget_options()

    def _forget_options(self) -> None:
        """Keep of a gateway that has ended where it listened: its options may hold secrets of a job."""
        if plan := self.read():
            self.write(replace(plan, options={}, typed=[], pid=0))

    @property
    def _plan(self) -> Path:
        return self.folder / "plan.json"

    def _open(self) -> IO[bytes]:
        make_private(self.folder)
        return (self.folder / "lock").open("ab")
