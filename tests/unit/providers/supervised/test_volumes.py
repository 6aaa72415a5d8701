"""The files of a named volume are read as they are, and nothing that whoever had the volume left leads out of it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.supervised.volumes import volume_files

SOURCE = "ns/claim"


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """Make a volume, beside a file and a folder that are not of it."""
    (tmp_path / "volumes" / "ns%2Fclaim").mkdir(parents=True)
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "secret").write_text("a secret")
    return tmp_path / "volumes" / "ns%2Fclaim"


def read(volume: Path, path: str) -> list[tuple[str, bytes]]:
    return [(name, file.read()) for name, file in volume_files(volume.parent, SOURCE, path)]


def test_a_file_and_those_of_a_folder_are_read(volume: Path) -> None:
    (volume / "a" / "b" / "deeper").mkdir(parents=True)
    for name in ("two", "one"):
        (volume / "a" / "b" / name).write_text(name)

    assert read(volume, "a/b/two") == [("two", b"two")]
    assert read(volume, "a/b") == [("one", b"one"), ("two", b"two")]
    assert read(volume, "a/none") == read(volume, "a/b/two/none") == []


@pytest.mark.parametrize("path", ["link", "link/secret", "folder/link", "folder/link/secret", "folder", "../x", "file"])
def test_a_link_is_not_followed_wherever_it_is(volume: Path, path: str) -> None:
    (volume / "folder").mkdir()
    others = volume.parents[1] / "others"
    (volume / "link").symlink_to(others)
    (volume / "folder" / "link").symlink_to(others)
    (volume / "folder" / "secret").symlink_to(others / "secret")
    (volume / "file").symlink_to(others / "secret")

    assert read(volume, path) == []


def test_a_volume_that_is_a_link_itself_is_not_followed(volume: Path) -> None:
    volume.rmdir()
    volume.symlink_to(volume.parents[1] / "others")

    assert read(volume, "secret") == []


def test_pipes_and_sockets_are_passed_over(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(volume / "pipe")
    monkeypatch.chdir(volume)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as other:
        other.bind("socket")

        assert read(volume, "") == read(volume, "pipe") == read(volume, "socket") == []


def test_what_may_not_be_read_is_said(volume: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="cannot be read"):
        read(volume, "x" * 1000)
