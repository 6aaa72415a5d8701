"""Answers of Slurm 22.05.8's commands, recorded from a cluster of two nodes (tools/slurm_lab.py) on 2026-12-01."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chalicelib.providers.base import ProviderUnavailable, TaskRejected
from chalicelib.providers.slurm.client import Job, Node, Queue, SlurmClient, parse_nodes, parse_queue
from sparkanywhere.project import PROJECT

DATA = PROJECT / "tests/data/slurm"


def recorded_jobs() -> dict[str, Job]:
    """Return the jobs of the recording by their names, each as it was told of last."""
    return {job.name: job for job in parse_queue((DATA / "squeue-22.05.8.txt").read_text())}


def client(folder: Path, program: str, script: str) -> SlurmClient:
    """Return a client whose one command is a shell script."""
    path = folder / program
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return SlurmClient({"PATH": f"{folder}:{os.defpath}"}, comment="sparkanywhere/test")


@pytest.mark.parametrize(
    ("name", "state", "reason", "code"),
    [
        ("ok.1", "COMPLETED", "None", 0),
        ("failed.2", "FAILED", "NonZeroExitCode", 7),
        ("cancelled.5", "CANCELLED", "Priority", 0),
        ("lost.6", "NODE_FAIL", "NodeDown", 0),
    ],
)
def test_a_job_that_has_ended_says_how(name: str, state: str, reason: str, code: int) -> None:
    job = recorded_jobs()[name]

    assert (job.state, job.reason, job.exit_code) == (state, reason, code)
    assert job.has_ended
    assert not job.waits


def test_a_job_that_runs_or_waits_has_not_ended() -> None:
    jobs = recorded_jobs()

    assert (jobs["runs.4"].has_ended, jobs["runs.4"].waits, jobs["runs.4"].nodes) == (False, False, "n1")
    assert (jobs["waits.7"].has_ended, jobs["waits.7"].waits) == (False, True)


def test_a_reason_with_commas_and_colons_stays_whole() -> None:
    assert recorded_jobs()["behind.8"].reason == "ReqNodeNotAvail, UnavailableNodes:n2"


def test_a_line_that_is_no_job_is_passed_over() -> None:
    assert not list(parse_queue("slurm_load_jobs error\n1|a|b|RUNNING|None|n1|0|c|\n\n"))


def test_of_two_jobs_for_a_task_the_first_counts() -> None:
    queue = Queue(0.0, (Job(8, "pi.abc", "RUNNING"), Job(7, "pi.abc", "RUNNING"), Job(3, "pi.xabc", "RUNNING")))

    assert queue.of_handle("abc") == queue.jobs[1]
    assert queue.of_handle("none") is None


def test_a_number_that_is_given_again_is_another_tasks_job() -> None:
    queue = Queue(0.0, (Job(16, "pi.new", "RUNNING"),))

    assert queue.job(16, "new") == queue.jobs[0]
    assert queue.job(16, "old") is None


def test_a_node_that_is_down_takes_no_jobs() -> None:
    found = list(parse_nodes((DATA / "nodes-22.05.8.txt").read_text()))

    assert found == [Node("n1", "10.177.0.11", "amd64", 4, 8000, 0, ("spark",))]


def test_gpus_of_a_node_are_counted_with_and_without_their_type() -> None:
    line = "NodeName=g1 Arch=aarch64 CPUTot=8 RealMemory=100 Gres=gpu:a100:4(S:0-1),gpu:2 State=IDLE+PLANNED"

    (node,) = parse_nodes(line)

    assert (node.gpus, node.architecture) == (6, "arm64")


def test_jobs_of_another_control_plane_are_none_of_ours(tmp_path: Path) -> None:
    theirs = "1|a.b|RUNNING|None|n1|0|sparkanywhere/other|"
    ours = "2|a.c|RUNNING|None|n1|0|sparkanywhere/test|"

    queue = client(tmp_path, "squeue", f"echo '{theirs}'; echo '{ours}'").queue()

    assert [job.id for job in queue.jobs] == [2]


@pytest.mark.parametrize(
    "words",
    [
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
        "slurm_load_jobs error: Socket timed out on send/recv operation",
    ],
)
def test_a_controller_that_does_not_answer_is_unavailable(tmp_path: Path, words: str) -> None:
    with pytest.raises(ProviderUnavailable, match=words.split("(")[0][-20:].strip()):
        client(tmp_path, "squeue", f"echo '{words}' >&2; exit 1").queue()


def test_a_job_that_cannot_be_submitted_for_now_may_be_asked_for_again(tmp_path: Path) -> None:
    words = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"

    with pytest.raises(ProviderUnavailable):
        client(tmp_path, "sbatch", f"echo '{words}' >&2; exit 1").submit([], "")


def test_a_job_that_slurm_does_not_take_is_rejected_in_its_words(tmp_path: Path) -> None:
    words = "sbatch: error: Batch job submission failed: Invalid partition name specified"

    with pytest.raises(TaskRejected, match="Invalid partition name specified"):
        client(tmp_path, "sbatch", f"echo 'sbatch: error: invalid partition' >&2; echo '{words}' >&2; exit 1").submit(
            [], ""
        )


def test_the_id_of_a_job_is_told_without_its_cluster(tmp_path: Path) -> None:
    assert client(tmp_path, "sbatch", "cat >/dev/null; echo '17;lab'").submit(["--nodes=1"], "#!/bin/sh\n") == 17


def test_a_job_that_has_ended_can_be_cancelled(tmp_path: Path) -> None:
    client(tmp_path, "scancel", "echo 'scancel: error: Invalid job id 7' >&2; exit 1").cancel(7)


def test_without_slurm_one_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="apt-get install slurm-client"):
        SlurmClient({"PATH": str(tmp_path)}).version()
