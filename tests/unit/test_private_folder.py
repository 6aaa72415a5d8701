"""Who may look into the folders that hold state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.private_folder import close_folder, make_private, write_private
from chalicelib.providers.supervised.directory import TaskDirectory
from chalicelib.storage.sqlite.declaration import open_store
from sparkanywhere.local.instance_lock import InstanceLock
from tests.api_client import control_plane


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Let others look into whatever is made without a thought."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(top: Path) -> dict[str, int]:
    """Return the mode of each folder below `top`, by its path."""
    return {str(each.relative_to(top)): each.stat().st_mode & 0o777 for each in top.rglob("*") if each.is_dir()}


def test_missing_folders_are_made_for_their_owner_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)

    make_private(tmp_path / "there/a/b")
    make_private(tmp_path / "there")

    assert modes(tmp_path) == {"there": 0o755, "there/a": 0o700, "there/a/b": 0o700}


def test_a_folder_of_an_earlier_release_is_closed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)

    close_folder(tmp_path / "state")

    assert modes(tmp_path) == {"state": 0o700}


@pytest.mark.parametrize("part", ["tls", "store", "lock", "task"])
def test_whatever_comes_first_makes_the_state_folder_private(part: str, tmp_path: Path) -> None:
    state = tmp_path / "a" / "default"
    if part == "tls":
        write_private(state / "tls" / "ca.key", b"key")
    elif part == "store":
        open_store(state, None).close()
    elif part == "lock":
        InstanceLock(state / "lock").take()
    else:
        with TaskDirectory(state / "pods" / "tasks", "x").locked(make=True):
            pass

    assert set(modes(tmp_path).values()) == {0o700}


def test_a_control_plane_closes_its_state_folder(tmp_path: Path) -> None:
    (tmp_path / "default").mkdir(mode=0o755)

    control_plane(tmp_path, watch="streamed", token="admin-token").close()

    assert modes(tmp_path)["default"] == 0o700
