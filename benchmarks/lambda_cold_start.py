"""How long a cold Lambda takes: the packaged archive under AWS's own runtime client, on this machine.

Processor seconds, which a busy machine changes little: from the start of the process until it waits for its first
request, and of that request, a list of pods. Lambda gives a whole processor while a function initialises, and then what
its memory brings; so a cold answer on AWS takes the former and the latter by 0.29, beside what Lambda itself needs and
what the function waits for. Peak: the most memory that the process has held.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cpu_share import FULL_MB
from tests.aws_box.deployment import TOKEN, Deployment
from tests.aws_box.execution_environment import ExecutionEnvironment, runtime_folder
from tests.aws_box.package import Package, make_package

RUNS = 7
TIMEOUT_SECONDS = 29.0
MEMORY_MB = 512


@dataclass(frozen=True, slots=True)
class Cold:
    """One cold start: processor seconds, then what the second request takes and the most memory."""

    initialising: float
    first_answer: float
    warm_milliseconds: float
    peak_mib: float

    @property
    def together(self) -> float:
        """Return the processor seconds until the first answer."""
        return self.initialising + self.first_answer

    @property
    def on_aws(self) -> float:
        """Return how long that takes with the processor that Lambda gives."""
        return self.initialising + self.first_answer * FULL_MB / MEMORY_MB


def run() -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = make_package(folder)
        deployment = Deployment(package, folder)
        try:
            deployment.api.invoke(_request())  # a new table's first request writes its defaults
            colds = [_cold_start(package, deployment) for _ in range(RUNS)]
        finally:
            deployment.close()
        size = package.archive.stat().st_size / 2**20
    rows = [
        ("initialising, processor s", [cold.initialising for cold in colds], ""),
        ("first request in its handler, processor s", [cold.first_answer for cold in colds], "0.05"),
        ("together", [cold.together for cold in colds], "0.25"),
        (f"a cold answer with the processor of a function of {MEMORY_MB} MB, s", [cold.on_aws for cold in colds], ""),
        ("warm answer, ms", [cold.warm_milliseconds for cold in colds], ""),
        ("peak memory, MiB", [cold.peak_mib for cold in colds], "128"),
    ]
    lines = [f"| of {RUNS} runs, archive of {size:.1f} MiB | best | median | goal |", "|---|--:|--:|--:|"]
    for what, values, goal in rows:
        lines.append(f"| {what} | {min(values):.3f} | {statistics.median(values):.3f} | {goal} |")
    return "\n".join(lines)


def _request() -> dict[str, object]:
    path = "/api/v1/namespaces/default/pods"
    parts = path.strip("/").split("/")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return {
        "resource": "/" + "/".join(f"{{p{number}}}" for number in range(1, len(parts) + 1)),
        "path": path,
        "httpMethod": "GET",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {f"p{number}": part for number, part in enumerate(parts, 1)},
        "stageVariables": None,
        "requestContext": {
            "httpMethod": "GET",
            "path": f"/api{path}",
            "stage": "api",
            "resourcePath": "/" + "/".join(f"{{p{number}}}" for number in range(1, len(parts) + 1)),
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": None,
        "isBase64Encoded": False,
    }


def _cold_start(package: Package, deployment: Deployment) -> Cold:
    runtime = runtime_folder(package.task_root.parent / "runtime")
    environment = ExecutionEnvironment(
        task_root=package.task_root,
        runtime=runtime,
        handler="app.app",
        environ=deployment.api.environ,
        log=deployment.log,
    )
    try:
        if not environment.ready.wait(TIMEOUT_SECONDS):
            raise TimeoutError("the function did not initialise")
        initialising = _cpu_seconds(environment.pid)
        environment.invoke(_request(), timeout_seconds=TIMEOUT_SECONDS)
        first_answer = _cpu_seconds(environment.pid) - initialising
        warm = time.monotonic()
        environment.invoke(_request(), timeout_seconds=TIMEOUT_SECONDS)
        warm = (time.monotonic() - warm) * 1000
        return Cold(initialising, first_answer, warm, _peak_mib(environment.pid))
    finally:
        environment.close()


def _cpu_seconds(pid: int) -> float:
    """Return what the threads of a process have used, to the nanosecond (a process' own times have 10 ms)."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _peak_mib(pid: int) -> float:
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
