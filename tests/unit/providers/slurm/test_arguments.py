"""What sbatch is told of a task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.config import read_settings
from chalicelib.providers.base import Container, Task
from chalicelib.providers.slurm.arguments import job_name, sbatch_arguments, script, unknown_hints
from chalicelib.providers.slurm.declaration import SlurmSettings

TASK = Task("uid", "default", "pi-driver", (Container("main", "spark"),), cpu_milli=1500, memory_mib=1408)


def arguments(task: Task = TASK, settings: SlurmSettings | None = None) -> list[str]:
    """Return the arguments of a task whose name and folder do not matter."""
    return sbatch_arguments(task, settings or SlurmSettings(), name="pi-driver.uid", folder=Path("/shared/uid"))


def test_a_job_has_the_tasks_size_and_is_never_requeued() -> None:
    assert arguments() == [
        "--job-name=pi-driver.uid",
        "--chdir=/shared/uid",
        "--output=/shared/uid/job.out",
        "--export=NIL",
        "--no-requeue",
        "--nodes=1",
        "--ntasks=1",
        "--cpus-per-task=2",
        "--mem=1408M",
    ]


def test_a_task_that_asks_for_nothing_does_not_get_a_whole_node() -> None:
    found = arguments(replace(TASK, cpu_milli=0, memory_mib=0))

    assert {"--cpus-per-task=1", "--mem=512M"} < set(found)


@pytest.mark.parametrize("option", ["partition", "account", "qos", "constraint"])
def test_a_tasks_own_word_beats_the_setting(option: str) -> None:
    settings = read_settings(SlurmSettings, {f"SPARKANYWHERE_SLURM_{option.upper()}": "usual"})
    own = replace(TASK, placement=((f"slurm.sparkanywhere.io/{option}", "own"),))

    assert arguments(settings=settings)[-1] == f"--{option}=usual"
    assert arguments(own, settings)[-1] == f"--{option}=own"


def test_gpus_are_asked_for_by_gres() -> None:
    two = replace(TASK, containers=(Container("main", "spark", gpus=2),))
    typed = replace(two, placement=(("slurm.sparkanywhere.io/gres", "gpu:a100:2"),))

    assert arguments(two)[-1] == "--gres=gpu:2"
    assert arguments(typed)[-1] == "--gres=gpu:a100:2"


def test_slurm_ends_a_task_by_its_deadline_where_nobody_else_does() -> None:
    limited = replace(TASK, deadline_seconds=600, stop_grace_seconds=30)

    assert arguments(settings=SlurmSettings(slurm_minutes=90))[-1] == "--time=90"
    assert arguments(limited, SlurmSettings(slurm_minutes=90))[-1] == "--time=12"


def test_a_word_that_sbatch_does_not_get_is_named() -> None:
    odd = replace(TASK, placement=(("kubernetes.io/arch", "amd64"), ("slurm.sparkanywhere.io/shell", "x")))

    assert unknown_hints(odd) == ["slurm.sparkanywhere.io/shell"]
    assert not any("shell" in word for word in arguments(odd))


def test_the_jobs_name_ends_in_the_handle() -> None:
    assert job_name(TASK, "abc") == "pi-driver.abc"


def test_the_script_becomes_our_program() -> None:
    assert script(["python", "-c", "a b"], Path("/shared/a b")) == "#!/bin/sh\nexec python -c 'a b' '/shared/a b'\n"
