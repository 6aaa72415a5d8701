"""How long a cold Lambda takes: the packaged archive under AWS's own runtime client, on this machine.

Import: `import app` alone. First answer: from the start of the process to the answer of its first request, a list of
pods. Peak: the most memory the process has held. Processor seconds are what a busy machine cannot change.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.aws_box.deployment import TOKEN, Deployment
from tests.aws_box.execution_environment import ExecutionEnvironment, runtime_folder
from tests.aws_box.package import Package, make_package

RUNS = 7
TIMEOUT_SECONDS = 29.0
IMPORT = "import resource, app; used = resource.getrusage(resource.RUSAGE_SELF); print(used.ru_utime + used.ru_stime)"


@dataclass(frozen=True, slots=True)
class Cold:
    """One cold start."""

    seconds: float
    cpu_seconds: float
    warm_milliseconds: float
    peak_mib: float


def run() -> str:
    """Return the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = make_package(folder)
        deployment = Deployment(package, folder)
        try:
            deployment.api.invoke(_request())  # a new table's first request writes its defaults
            imports = [_import_seconds(package, deployment) for _ in range(RUNS)]
            colds = [_cold_start(package, deployment) for _ in range(RUNS)]
        finally:
            deployment.close()
        size = package.archive.stat().st_size / 2**20
    rows = [
        ("import, s", [wall for wall, _ in imports], "0.5"),
        ("import, processor s", [cpu for _, cpu in imports], ""),
        ("cold first answer, s", [cold.seconds for cold in colds], "1.0"),
        ("cold first answer, processor s", [cold.cpu_seconds for cold in colds], ""),
        ("warm answer, ms", [cold.warm_milliseconds for cold in colds], ""),
        ("peak memory, MiB", [cold.peak_mib for cold in colds], "128"),
    ]
    lines = [f"| of {RUNS} runs, archive of {size:.1f} MiB | best | median | goal |", "|---|--:|--:|--:|"]
    lines += [f"| {what} | {min(values):.2f} | {statistics.median(values):.2f} | {aim} |" for what, values, aim in rows]
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


def _import_seconds(package: Package, deployment: Deployment) -> tuple[float, float]:
    """Return wall and processor seconds of a Python that imports the app and ends."""
    runtime = runtime_folder(package.task_root.parent / "runtime")
    environ = {**deployment.api.environ, "PYTHONPATH": f"{package.task_root}:{runtime}", "PATH": os.defpath}
    environ["PYTHONDONTWRITEBYTECODE"] = "1"  # as on Lambda
    started = time.monotonic()
    command = [sys.executable, "-S", "-c", IMPORT]
    done = subprocess.run(command, cwd=package.task_root, env=environ, check=True, capture_output=True, text=True)
    return time.monotonic() - started, float(done.stdout)


def _cold_start(package: Package, deployment: Deployment) -> Cold:
    runtime = runtime_folder(package.task_root.parent / "runtime")
    started = time.monotonic()
    environment = ExecutionEnvironment(
        task_root=package.task_root,
        runtime=runtime,
        handler="app.app",
        environ=deployment.api.environ,
        log=deployment.log,
    )
    try:
        environment.invoke(_request(), timeout_seconds=TIMEOUT_SECONDS)
        seconds = time.monotonic() - started
        cpu_seconds = _cpu_seconds(environment.pid)
        warm = time.monotonic()
        environment.invoke(_request(), timeout_seconds=TIMEOUT_SECONDS)
        return Cold(seconds, cpu_seconds, (time.monotonic() - warm) * 1000, _peak_mib(environment.pid))
    finally:
        environment.close()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
