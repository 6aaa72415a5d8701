"""`sparkanywhere connect` as people use it: the command, and clients of the URL in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.spark_cluster import JOB_SECONDS, JOBS
from tests.functional.local_server import PROJECT

SMALL = ("--executors", "1", "--executor-memory", "512m", "--driver-memory", "512m")
ENGINES = {"spark": SMALL, "sail": ("--engine", "sail", "--driver-memory", "512m")}


def sparkanywhere(*arguments: str, **more: str) -> str:
    """Run a command to its end, with further variables; return what it printed."""
    environ = {**os.environ, "PYTHONPATH": str(PROJECT), **more}
    command = [sys.executable, "-m", "sparkanywhere", *arguments]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=JOB_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout.strip()


@dataclass
class Client:
    """A Spark Connect client in a process of its own, which has imported all it needs when it is given a URL."""

    process: subprocess.Popen[str]

    def connect(self, url: str) -> None:
        self.say(url)

    def use(self, url: str) -> None:
        """Have a query and a Python function answered by a URL's server, and take leave."""
        self.connect(url)
        assert self.ask("sum") == "the sum is 499500"
        assert self.ask("python") == "[0, 2, 4]"
        self.last_words()

    def ask(self, what: str) -> str:
        """Return the answer, a line."""
        self.say(what)
        return self.answer()

    def answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def last_words(self, *lines: str) -> str:
        """Return all that it still says, once it has been told these lines and has ended."""
        return self.process.communicate("".join(f"{line}\n" for line in lines), timeout=JOB_SECONDS)[0]

    def say(self, line: str) -> None:
        assert self.process.stdin
        print(line, file=self.process.stdin, flush=True)


@dataclass
class Connect:
    """`connect` for one control plane, with state of its own; clients have the Python packages of a Spark."""

    home: Path
    state: Path
    environ: Mapping[str, str] = field(repr=False)

    def __call__(self, *arguments: str) -> str:
        """Run `connect`; return the URL."""
        return sparkanywhere("connect", *arguments, **self.environ, SPARKANYWHERE_STATE=str(self.state))

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Start a client that trusts our gateways."""
        (py4j,) = self.home.glob("python/lib/py4j-*.zip")
        roots = self.state / ".connect" / "tls" / "roots.pem"
        ours = {"PYTHONPATH": f"{self.home / 'python'}:{py4j}", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots)}
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", str(JOBS / "connect_client.py")],
            env={**os.environ, **ours},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield Client(process)
            finally:
                process.kill()  # it would try for minutes to take leave of a server that is not there


@contextmanager
def connecting(home: Path, state: Path, environ: Mapping[str, str]) -> Iterator[Connect]:
    """Yield what runs `connect`; its gateway and server end with this."""
    connect = Connect(home, state, environ)
    try:
        yield connect
    finally:
        connect("--stop")
