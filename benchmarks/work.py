"""A job of real work on two executors, beside the same on Spark's own standalone cluster on the same machine.

`programs/sales.py`: Parquet, two joins, a shuffle, a Python UDF. Both clusters are up before; both take turns, on
processes and in containers of the same image. On processes the standalone cluster has the machine's own Java, as who
unpacks Spark has it; ours, and both in containers, have the image's or our wrapper's. `PARTS=process` or `docker` names
one of them, `ROUNDS=n` how often; all that a run writes lies in a folder that is removed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.start import Kind
from sparkanywhere.cli.spark_commands import built, installed
from sparkanywhere.jobs.job_fields import DEFAULT_SPARK
from sparkanywhere.local.kubeconfig import CONTEXT
from sparkanywhere.local.local_server import temporary_server
from sparkanywhere.project import PROJECT
from sparkanywhere.spark.java_wrapper import WrappedJava
from sparkanywhere.spark.spark_submit import IMAGE_HOME
from tests.waiting import until
from tools.kube_apiserver import free_ports

PROGRAM = Path(__file__).parent / "programs" / "sales.py"
ROUNDS = 3
EXECUTORS = 2
JOB_SECONDS = 900.0  # 30 on an idle machine; a hang gets an end
CONF = ("--conf", "spark.sql.shuffle.partitions=8")
SIZES = ("--executor-memory", "1g", "--driver-memory", "1g")
MASTER, WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"
WORKER_OPTIONS = ("--cores", "1", "--memory", "2g")
OURS, STANDALONE = "ours", "standalone"

Submit = Callable[[], str]  # runs the job and returns what it printed


def run() -> str:
    """Measure on what is asked for; return the table."""
    parts = (os.environ.get("PARTS") or "process,docker").split(",")
    lines = [f"| seconds: median [min..max] (n) | {STANDALONE} | {OURS} | ratio | goal |", "|---|---|---|---|---|"]
    for part in parts:
        lines += measured(part).rows([STANDALONE, OURS])
    return "\n".join(lines)


def measured(part: str) -> Kind:
    """Return what the rounds of a provider took; a first one of each, unmeasured, finds caches cold."""
    kind = Kind(f"the job on {part}", 0.0)
    rounds = int(os.environ.get("ROUNDS") or ROUNDS)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o777)  # pods in containers may be others
        sides = {STANDALONE: stack.enter_context(PARTS[part](folder)), OURS: stack.enter_context(ours(part, folder))}
        for number in range(rounds + 1):
            for side in (STANDALONE, OURS) if number % 2 else (OURS, STANDALONE):
                seconds = timed(sides[side])
                if number:
                    kind.add(side, seconds)
    return kind


def timed(submit: Submit) -> dict[str, float]:
    """Run the job once; return its wall seconds and those of its parts. Raises RuntimeError if it failed."""
    began = time.perf_counter()
    printed = submit()
    wall = time.perf_counter() - began
    parts = {name: float(value) for name, value in re.findall(r"^ *(session|job) ([\d.]+)$", printed, re.MULTILINE)}
    if set(parts) != {"session", "job"}:
        raise RuntimeError(f"the job has not come to its end: {printed[-1000:]}")
    return {"all": wall, "submission and end": wall - sum(parts.values()), **parts}


@contextmanager
def ours(provider: str, folder: Path) -> Iterator[Submit]:
    """Yield how to submit the job to a control plane of ours that is up."""
    settings = {"SPARKANYWHERE_HOST_PATHS": str(folder)}
    with temporary_server(os.environ, prefix="bench", provider=provider, settings=settings) as server:
        server.start()
        options = ["--context", CONTEXT, "--executors", str(EXECUTORS), *SIZES, *CONF]
        command = [sys.executable, "-m", "sparkanywhere", "run", *options, "sales.py", str(folder)]
        (folder / "sales.py").write_bytes(PROGRAM.read_bytes())
        environ = {**os.environ, "PYTHONPATH": str(PROJECT), "KUBECONFIG": str(server.kubeconfig)}
        yield lambda: output(command, folder, environ)


@contextmanager
def on_processes(folder: Path) -> Iterator[Submit]:
    """Yield how to submit the job to a standalone cluster of processes."""
    home = installed(DEFAULT_SPARK)
    environ = {**os.environ, "SPARK_HOME": str(home), "JAVA_HOME": str(WrappedJava(home).real)}
    environ |= {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_WORKER_DIR": str(folder / "work"),
    }
    (port,) = free_ports(1)
    url, start = f"spark://127.0.0.1:{port}", str(home / "bin" / "spark-class")
    daemons = [[start, MASTER, "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]]
    daemons += [[start, WORKER, *WORKER_OPTIONS, "--webui-port", "0", url]] * EXECUTORS
    with ExitStack() as stack:
        for number, command in enumerate(daemons):
            stack.enter_context(daemon(command, folder / f"daemon-{number}.log", environ))
        until(lambda: has_workers((folder / "daemon-0.log").read_text()), "the workers to register")
        command = [str(home / "bin" / "spark-submit"), "--master", url, *SIZES, *CONF, str(PROGRAM), str(folder)]
        yield lambda: output(command, folder, environ)


@contextmanager
def in_containers(folder: Path) -> Iterator[Submit]:
    """Yield how to submit the job to a standalone cluster of containers of our image."""
    image, name = built(DEFAULT_SPARK), f"sparkanywhere-bench-{uuid.uuid4().hex[:8]}"
    options = ["--rm", "--init", "--network", name, "--user", f"{os.getuid()}:0", "--volume", f"{folder}:{folder}"]
    options += ["--workdir", str(folder), "--env", f"SPARK_WORKER_DIR={folder}/work"]
    url, start = f"spark://{name}-0:7077", ("--entrypoint", f"{IMAGE_HOME}/bin/spark-class", image)
    daemons = [[MASTER, "--host", f"{name}-0", "--port", "7077"]] + [[WORKER, *WORKER_OPTIONS, url]] * EXECUTORS
    docker("network", "create", name)
    names = [f"{name}-{number}" for number in range(len(daemons))]
    try:
        for each, words in zip(names, daemons, strict=True):
            docker("run", "--detach", "--name", each, "--hostname", each, *options, *start, *words)
        until(lambda: has_workers(docker("logs", names[0])), "the workers to register")
        submit = ("--entrypoint", f"{IMAGE_HOME}/bin/spark-submit", image, "--master", url, *SIZES, *CONF)
        yield lambda: docker(
            "run", "--name", f"{name}-driver", *options, *submit, str(folder / "sales.py"), str(folder)
        )
    finally:
        for each in (*names, f"{name}-driver"):
            subprocess.run(["docker", "rm", "--force", each], check=False, capture_output=True)
        docker("network", "rm", name)


PARTS = {"process": on_processes, "docker": in_containers}


def has_workers(log: str) -> bool:
    """Return whether all workers are known to the master that has logged this."""
    return log.count("Registering worker") == EXECUTORS


@contextmanager
def daemon(command: Sequence[str], log: Path, environ: dict[str, str]) -> Iterator[None]:
    """Run a program in a process group of its own, its output in `log`; end the group at the end."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(JOB_SECONDS)


def docker(*words: str) -> str:
    """Run Docker's command; return what it printed. Raises RuntimeError."""
    return output(["docker", *words], PROJECT, dict(os.environ))


def output(command: Sequence[str], folder: Path, environ: dict[str, str]) -> str:
    """Run a command to its end; return what it printed. Raises RuntimeError."""
    ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=JOB_SECONDS)
    if ran.returncode:
        raise RuntimeError(f"{command[0]} ended with {ran.returncode}: {(ran.stdout + ran.stderr)[-2000:]}")
    return ran.stdout + ran.stderr
