"""One execution environment of a Lambda function: a process of AWS's own runtime client, and the Runtime API.

Lambda Developer Guide, "Using the Lambda runtime API". One invocation at a time, as on Lambda. The process sees
the unpacked archive and what the managed runtime brings (the runtime client, boto3), nothing else.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.aws_box.wire import Answer, HttpServer, Request

VERSION = "/2018-06-01/runtime"
STOP_SECONDS = 5.0
TASK_ROOT = "/var/task"
WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
BOOTSTRAP = """import os, sys
from awslambdaric.__main__ import main
main(["awslambdaric", os.environ["_HANDLER"]])
"""
# What python3.11's managed runtime holds, as names in this environment's site-packages.
RUNTIME_PACKAGES = (
    "awslambdaric",
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "runtime_client*.so",
    "s3transfer",
    "simplejson",
    "six.py",
    "snapshot_restore_py",
    "urllib3",
)


class FunctionError(Exception):
    """The function raised, died, or took too long; `kind` is Lambda's name for it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


@dataclass(slots=True)
class _Invocation:
    payload: bytes
    deadline: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    done: threading.Event = field(default_factory=threading.Event)
    result: bytes = b""
    pieces: queue.Queue[bytes | None] = field(
        default_factory=queue.Queue
    )  # of an answer that is streamed; None ends it
    error: FunctionError | None = None


def runtime_folder(folder: Path) -> Path:
    """Make a folder like the managed runtime's own packages; return it."""
    import boto3

    site = Path(boto3.__file__).parents[1]
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in RUNTIME_PACKAGES:
        for found in site.glob(pattern):
            link = folder / found.name
            if not link.exists():
                link.symlink_to(found)
    # What Lambda starts the managed runtime's client by; a wrapper gets this command.
    (folder / "bootstrap.py").write_text(BOOTSTRAP)
    return folder


class ExecutionEnvironment:
    """A process that answers one invocation after the other."""

    def __init__(self, *, task_root: Path, runtime: Path, handler: str, environ: Mapping[str, str], log: Path) -> None:
        self._invocations: queue.Queue[_Invocation] = queue.Queue()
        self._current: _Invocation | None = None
        self._init_error = ""
        self.ready = threading.Event()  # it has initialised, and waits for its first invocation
        self._server = HttpServer(self._serve)
        self._log = log.open("ab")
        wrapper = [environ[WRAPPER].replace(TASK_ROOT, str(task_root))] if WRAPPER in environ else []
        self._process = subprocess.Popen(
            [*wrapper, sys.executable, "-S", str(runtime / "bootstrap.py")],
            cwd=task_root,
            env={
                "PATH": "/usr/bin:/bin",
                "LANG": "C.UTF-8",
                "PYTHONDONTWRITEBYTECODE": "1",  # the folder of a deployed function can not be written to
                "PYTHONPATH": f"{task_root}:{runtime}",
                "LAMBDA_TASK_ROOT": str(task_root),
                "AWS_LAMBDA_RUNTIME_API": f"{self._server.host}:{self._server.port}",
                "_HANDLER": handler,
                **environ,
            },
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
        )

    @property
    def pid(self) -> int:
        """Return the id of its process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Return whether its process runs."""
        return self._process.poll() is None

    def invoke(self, event: Any, *, timeout_seconds: float) -> bytes:
        """Return what the handler returns, as JSON text. Raises FunctionError, also after the timeout."""
        invocation = _Invocation(json.dumps(event).encode(), time.time() + timeout_seconds)
        self._invocations.put(invocation)
        deadline = time.monotonic() + timeout_seconds
        while not invocation.done.wait(0.05 if time.monotonic() < deadline else 0):
            if time.monotonic() >= deadline:
                self.kill()
                raise FunctionError("Sandbox.Timedout", f"Task timed out after {timeout_seconds:.2f} seconds")
            if not self.is_alive:
                raise FunctionError("Runtime.ExitError", self._init_error or "the process has ended")
        if invocation.error is not None:
            raise invocation.error
        return invocation.result

    def stream(self, event: Any, *, timeout_seconds: float) -> Iterator[bytes]:
        """Yield what the handler answers as it comes. Raises FunctionError, also after the timeout.

        It goes on to its end whether or not somebody reads: "Response streaming for Lambda functions".
        """
        invocation = _Invocation(json.dumps(event).encode(), time.time() + timeout_seconds)
        self._invocations.put(invocation)
        while True:
            try:
                piece = invocation.pieces.get(timeout=0.05)
            except queue.Empty:
                if not self.is_alive:
                    raise FunctionError("Runtime.ExitError", self._init_error or "the process has ended") from None
                if time.time() >= invocation.deadline:
                    self.kill()
                continue
            if piece is None:
                break
            yield piece
        if invocation.error is not None:
            raise invocation.error

    def kill(self) -> None:
        """Kill the process, whatever it does."""
        self._process.kill()
        self._process.wait(timeout=STOP_SECONDS)

    def close(self) -> None:
        """End the process and the Runtime API."""
        self.kill()
        self._server.close()
        self._log.close()

    def _serve(self, request: Request) -> Answer:
        path = request.target.removeprefix(VERSION)
        if path == "/invocation/next":
            self.ready.set()
            return self._next()
        if path == "/init/error":
            self._init_error = request.body.decode(errors="replace")
            return Answer(202)
        invocation = self._current
        if invocation is None or invocation.id not in path:
            return Answer(400)
        if path.endswith("/error"):
            told = json.loads(request.body or b"{}")
            invocation.error = FunctionError(told.get("errorType", "Unhandled"), told.get("errorMessage", ""))
        invocation.result = request.body
        for piece in request.pieces or ():
            invocation.pieces.put(piece)
        if invocation.result and invocation.error is None:
            invocation.pieces.put(invocation.result)  # of a function that does not stream
        invocation.pieces.put(None)
        invocation.done.set()
        return Answer(202)

    def _next(self) -> Answer:
        while True:
            try:
                invocation = self._invocations.get(timeout=0.5)
                break
            except queue.Empty:
                if not self.is_alive:
                    return Answer(500)
        self._current = invocation
        headers = [
            ("Lambda-Runtime-Aws-Request-Id", invocation.id),
            ("Lambda-Runtime-Deadline-Ms", str(int(invocation.deadline * 1000))),
            ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:box"),
            ("Lambda-Runtime-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793"),
            ("Content-Type", "application/json"),
        ]
        return Answer(200, invocation.payload, headers)
