"""A task that a scheduler's job runs is told of its machine there, and run once."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from chalicelib.providers.base import ADDRESS, PORT, Container, File, Mount, Task, Volume
from chalicelib.providers.supervised.directory import TaskDirectory
from chalicelib.providers.supervised.own_program import own_program
from chalicelib.providers.supervised.provider import SupervisedTasks
from chalicelib.providers.supervised.records import Record, read_json, write_json
from chalicelib.providers.supervised.supervisor.job_entry import CLAIM_FILE, JOB_FILE, JobPlan, claim
from chalicelib.providers.supervised.volumes import place

RUN_SECONDS = 30


class Tasks(SupervisedTasks):
    """Prepares a task as a provider does."""

    def prepare(self, task: Task) -> TaskDirectory:
        directory = TaskDirectory(self._tasks, task.uid)
        directory.path.mkdir(parents=True)
        resolved = self._resolved(task, directory, ADDRESS, isolated=False)
        plan = self._plan(task, resolved, directory.path / "nobody", "")
        job: JobPlan = {
            "plan": plan,
            "address_mark": ADDRESS,
            "port_pattern": PORT.format("([0-9]+)"),
            "peer": "127.0.0.1",
        }
        place(resolved)
        write_json(str(directory.path / JOB_FILE), job)
        return directory


def run(tmp_path: Path, script: str) -> tuple[TaskDirectory, Record]:
    """Run a task as a job would, whose volume /conf has a file with marks; return its folder and last record."""
    mark = PORT.format(7078)
    volume = Volume("conf", "files", (File("spark.properties", f"at={ADDRESS}:{mark}\n".encode()),))
    container = Container(
        "main",
        "busybox",
        command=("sh", "-c", script),
        env=(("PORT", mark), ("UI", PORT.format(4040)), ("AT", ADDRESS)),
        mounts=(Mount("conf", "/conf"),),
    )
    directory = Tasks(tmp_path, tmp_path, environ={}).prepare(
        Task("uid", "default", "pi", (container,), volumes=(volume,))
    )
    command = own_program(sys.executable, "supervisor.job_entry", "main(sys.argv[2])")
    subprocess.run([*command, str(directory.path)], check=True, timeout=RUN_SECONDS)
    record: Record = read_json(str(directory.path / "state.json"))
    return directory, record


def log(directory: TaskDirectory) -> str:
    """Return what the task printed, without times and streams."""
    return " ".join(line.split(" ", 2)[-1] for line in directory.log("main", 0).read_text().splitlines())


def test_marks_become_an_address_and_free_ports(tmp_path: Path) -> None:
    directory, record = run(tmp_path, "echo $AT:$PORT $UI; cat /conf/spark.properties")
    ports = dict(record.get("ports") or ())

    assert record["containers"][0]["exit_code"] == 0
    assert record["address"] == "127.0.0.1"
    assert ports.keys() == {7078, 4040}
    assert ports[7078] != ports[4040]
    assert f"127.0.0.1:{ports[7078]} {ports[4040]}" in log(directory)
    assert f"at=127.0.0.1:{ports[7078]}" in log(directory)
    for port in ports.values():
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))


def test_temporary_files_are_gone_behind_it(tmp_path: Path) -> None:
    directory, _ = run(tmp_path, "touch $TMPDIR/something")

    assert not directory.scratch.exists()


def test_a_task_is_taken_once(tmp_path: Path) -> None:
    assert claim(str(tmp_path))
    assert not claim(str(tmp_path))
    assert (tmp_path / CLAIM_FILE).exists()


def test_a_second_job_runs_nothing(tmp_path: Path) -> None:
    directory, record = run(tmp_path, "echo once")
    command = own_program(sys.executable, "supervisor.job_entry", "main(sys.argv[2])")

    again = subprocess.run(
        [*command, str(directory.path)], capture_output=True, text=True, check=True, timeout=RUN_SECONDS
    )

    assert again.stderr == "this task has been begun or ended before\n"
    assert read_json(str(directory.path / "state.json")) == record
