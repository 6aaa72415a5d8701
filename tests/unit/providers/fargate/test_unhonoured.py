"""What Fargate does not do is said, a clause for each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.providers.base import Container, RegistryLogin, Task, Volume
from chalicelib.providers.fargate.unhonoured import unhonoured

MAIN = Container(name="main", image="busybox")
TASK = Task(uid="u", group="default", name="pod", containers=(MAIN,), cpu_milli=1000, memory_mib=2048)


def test_a_task_that_fargate_takes_as_it_is_needs_no_word() -> None:
    assert unhonoured(TASK) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"memory_mib": 2100}, "rounded up to 1 vCPU and 3072Mi"),
        ({"containers": (replace(MAIN, gpus=1),)}, "GPUs"),
        ({"containers": (replace(MAIN, privileged=True),)}, "no further privileges"),
        ({"containers": (replace(MAIN, add_capabilities=("SYS_PTRACE",)),)}, "no further privileges"),
        ({"containers": (replace(MAIN, no_new_privileges=True),)}, "allowPrivilegeEscalation"),
        ({"volumes": (Volume("data", "named"),)}, "claims are scratch space"),
        ({"logins": (RegistryLogin("r", "me", "x"),)}, "imagePullSecrets"),
        ({"host_entries": (("10.0.0.1", "driver"),)}, "do not resolve on Fargate: driver"),
    ],
)
def test_what_it_takes_in_another_way_or_not_is_said(changed: dict[str, object], words: str) -> None:
    (said,) = unhonoured(replace(TASK, **changed))  # type: ignore[arg-type]  # fields of Task by name

    assert words in said
