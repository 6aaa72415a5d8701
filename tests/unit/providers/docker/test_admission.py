"""What is refused, put off and warned about before anything is created."""

from __future__ import annotations

import pytest

from chalicelib.providers.base import Container, Mount, ProviderUnavailable, Task, TaskRejected, Volume
from chalicelib.providers.docker.admission import capacity, check, machine, warnings
from tests.unit.providers.docker.builders import task

MACHINE = machine({"Architecture": "x86_64", "NCPU": 2, "MemTotal": 4 * 2**30, "Runtimes": {"runc": {}}})


@pytest.mark.parametrize("word", ["x86_64", "amd64"])  # of Docker's engine, and of Podman
def test_the_machine_is_named_as_kubernetes_names_it(word: str) -> None:
    known = capacity(machine({"Architecture": word, "NCPU": 2, "MemTotal": 4 * 2**30}))

    assert (known.architecture, known.cpu_milli, known.memory_mib) == ("amd64", 2000, 4096)


def test_a_task_that_fits_is_let_in() -> None:
    check(task(cpu_milli=2000, memory_mib=4096), MACHINE, allow_privileged=False)


def test_more_than_the_machine_has_waits_and_says_what_is_short() -> None:
    with pytest.raises(ProviderUnavailable) as error:
        check(task(memory_mib=8192), MACHINE, allow_privileged=False)

    assert error.value.reason == "Unschedulable"
    assert "Insufficient memory (8192Mi asked" in error.value.message


def test_processors_are_shared_with_whoever_asks_for_more_than_there_are() -> None:
    check(task(cpu_milli=3000), MACHINE, allow_privileged=False)


def test_gpus_need_an_engine_that_has_them() -> None:
    with pytest.raises(ProviderUnavailable, match="GPU"):
        check(task(Container("main", "i", gpus=1)), MACHINE, allow_privileged=False)


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (task(Container("main", "i", privileged=True)), "privileged"),
        (task(host_network=True), "network of the host"),
        (task(Container("main", "i", add_capabilities=("CHOWN", "SYS_ADMIN"))), "'main' to have SYS_ADMIN"),
        (task(Container("main", "i", add_capabilities=("cap_net_admin",))), "NET_ADMIN"),
        (task(Container("main", "i", add_capabilities=("ALL",))), "ALL"),
    ],
)
def test_what_would_own_the_machine_is_for_those_who_allow_it(wanted: Task, named: str) -> None:
    check(wanted, MACHINE, allow_privileged=True)
    with pytest.raises(TaskRejected, match=named) as refusal:
        check(wanted, MACHINE, allow_privileged=False)
    assert "SPARKANYWHERE_ALLOW_PRIVILEGED" in refusal.value.message


def test_the_capabilities_of_the_baseline_are_for_everybody() -> None:
    wanted = task(Container("main", "i", add_capabilities=("CHOWN", "CAP_SETUID"), drop_capabilities=("ALL",)))

    check(wanted, MACHINE, allow_privileged=False)


def test_what_is_not_honoured_is_told() -> None:
    wanted = task(
        Container("main", "i", mounts=(Mount("m", "/m", sub_path="a"), Mount("s", "/s"))),
        volumes=(Volume("m", "memory"), Volume("s", "scratch", size_mib=5)),
        disk_gib=7,
    )

    told = " ".join(warnings(wanted))

    assert "kept on disk" in told
    assert "not enforced" in told
    assert "7 GiB" in told
    assert warnings(task()) == []
