"""What is not honoured is said, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.providers.base import Container, Mount, Task, Volume
from chalicelib.providers.process.limits import warnings

PLAIN = Container("c", "apache/spark:4.3.0", args=("executor",), no_new_privileges=True, memory_mib=100)


def task(container: Container, *volumes: Volume, **fields: Any) -> Task:  # Any: Task's own fields
    """Return a task of one container."""
    return Task(uid="u", group="g", name="n", containers=(container,), volumes=volumes, **fields)


def test_what_is_honoured_draws_no_warning() -> None:
    assert warnings(task(PLAIN, Volume("v", "scratch"))) == []


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"image": "busybox"}, 'image "busybox" is not used'),
        ({"cpu_milli": 100}, "CPU limit"),
        ({"gpus": 1}, "GPUs"),
        ({"user": "185"}, "runs as the user"),
        ({"privileged": True}, "privileged"),
        ({"add_capabilities": ("NET_ADMIN",)}, "added capabilities"),
        ({"drop_capabilities": ("ALL",)}, "dropped capabilities"),
        ({"read_only_root": True}, "root file system"),
        ({"tty": True}, "terminal"),
        ({"stdin": True}, "standard input"),
        ({"mounts": (Mount("v", "/v", read_only=True),)}, "read-only mounts"),
    ],
)
def test_each_unmet_wish_of_a_container_is_named(fields: dict[str, Any], word: str) -> None:
    (sentence,) = warnings(task(replace(PLAIN, **fields), Volume("v", "scratch")))

    assert sentence.startswith('container "c": ')
    assert word in sentence


def test_unmet_wishes_of_volumes_are_named() -> None:
    found = warnings(task(PLAIN, Volume("m", "memory", size_mib=1), Volume("s", "scratch", size_mib=1)))

    assert [sentence.split(":")[0] for sentence in found] == ['volume "m"', 'volume "m"', 'volume "s"']


def test_a_files_volume_mounted_read_only_draws_no_warning() -> None:
    one = replace(PLAIN, mounts=(Mount("conf", "/opt/spark/conf", read_only=True),))

    assert warnings(task(one, Volume("conf", "files"))) == []


def test_names_that_do_not_resolve_are_named() -> None:
    assert warnings(task(PLAIN, aliases=("a.b",)))
    assert warnings(task(PLAIN, host_entries=(("10.0.0.1", "x"),)))
