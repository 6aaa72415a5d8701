"""Tests of the directories of tasks: what crashes half-way leaves none behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chalicelib.providers.supervised.directory import TaskDirectory
from chalicelib.providers.supervised.leftovers import sweep
from chalicelib.providers.supervised.plan import first_record
from tests.contract.provider_backends import container, task


def test_who_looks_for_a_task_that_has_gone_makes_no_directory_for_it(tmp_path: Path) -> None:
    directory = TaskDirectory(tmp_path, "gone")

    with pytest.raises(FileNotFoundError), directory.locked():
        pass

    assert not directory.path.exists()


@pytest.mark.parametrize("rest", ["a lock", "a removal that began"])
def test_a_sweep_removes_what_crashes_left(tmp_path: Path, rest: str) -> None:
    directory = TaskDirectory(tmp_path, "one")
    with directory.locked(make=True):
        pass
    if rest != "a lock":
        os.replace(directory.path, tmp_path / ".one.removed.1")

    sweep(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_sweep_leaves_a_task_that_somebody_is_about_to_begin(tmp_path: Path) -> None:
    directory = TaskDirectory(tmp_path, "one")
    with directory.locked(make=True):
        claim = directory.claim(0)
    assert claim is not None

    sweep(tmp_path)

    assert directory.path.exists()
    os.close(claim)


def test_a_sweep_leaves_a_task_that_was_prepared(tmp_path: Path) -> None:
    directory = TaskDirectory(tmp_path, "one")
    with directory.locked(make=True):
        directory.write_intent(first_record(task(container("exit 0")), handle="one", address="", created_at=0))

    sweep(tmp_path)

    assert directory.exists()
