"""A folder keeps contents by their checksum: wholly or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from chalicelib.files.base import ChecksumWrong, FileNotHere, OffsetWrong
from chalicelib.files.folder import FolderFiles

CONTENT = b"spark" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    return FolderFiles(tmp_path / "files")


def send(files: FolderFiles, content: bytes = CONTENT, namespace: str = "ns") -> None:
    files.append(namespace, SHA256, content[:HALF], offset=0, size=len(CONTENT))
    files.append(namespace, SHA256, content[HALF:], offset=HALF, size=len(CONTENT))


def read(files: FolderFiles, namespace: str = "ns") -> bytes:
    found = files.open(namespace, SHA256)
    assert not isinstance(found, str)
    return b"".join(found)


def test_pieces_become_a_content(files: FolderFiles) -> None:
    assert files.append("ns", SHA256, CONTENT[:HALF], offset=0, size=len(CONTENT)) == HALF
    assert files.size("ns", SHA256) is None
    assert files.append("ns", SHA256, CONTENT[HALF:], offset=HALF, size=len(CONTENT)) == len(CONTENT)

    assert files.size("ns", SHA256) == len(CONTENT)
    assert read(files) == CONTENT


def test_an_upload_that_broke_goes_on_where_it_broke(files: FolderFiles) -> None:
    files.append("ns", SHA256, CONTENT[:HALF], offset=0, size=len(CONTENT))

    assert files.upload("ns", SHA256, size=len(CONTENT)).have == HALF


def test_a_piece_that_does_not_follow_is_refused_and_changes_nothing(files: FolderFiles) -> None:
    files.append("ns", SHA256, CONTENT[:HALF], offset=0, size=len(CONTENT))

    with pytest.raises(OffsetWrong) as caught:
        files.append("ns", SHA256, CONTENT[:HALF], offset=0, size=len(CONTENT))

    assert caught.value.have == HALF
    assert files.upload("ns", SHA256, size=len(CONTENT)).have == HALF


def test_a_wrong_checksum_leaves_nothing(files: FolderFiles, tmp_path: Path) -> None:
    with pytest.raises(ChecksumWrong):
        send(files, CONTENT[:-1] + b"?")

    assert files.size("ns", SHA256) is None
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_more_than_was_said_leaves_nothing(files: FolderFiles, tmp_path: Path) -> None:
    with pytest.raises(ChecksumWrong):
        files.append("ns", SHA256, CONTENT + b"!", offset=0, size=len(CONTENT))

    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_a_content_that_is_there_needs_no_piece(files: FolderFiles) -> None:
    send(files)

    assert files.append("ns", SHA256, b"x", offset=0, size=len(CONTENT)) == len(CONTENT)
    assert read(files) == CONTENT


def test_namespaces_do_not_share(files: FolderFiles) -> None:
    send(files)

    assert files.size("other", SHA256) is None
    with pytest.raises(FileNotHere):
        files.open("other", SHA256)


def test_removing_takes_what_has_come_too_and_may_be_repeated(files: FolderFiles, tmp_path: Path) -> None:
    send(files)
    files.append("other", SHA256, CONTENT[:HALF], offset=0, size=len(CONTENT))

    for namespace in ("ns", "ns", "other"):
        files.remove(namespace, SHA256)

    assert list((tmp_path / "files").iterdir()) == []


@pytest.mark.parametrize(
    ("namespace", "sha256"),
    [("..", SHA256), ("ns", ".."), ("ns", "../" + SHA256), ("a/b", SHA256), ("ns", SHA256.upper()), ("", SHA256)],
)
def test_no_name_leads_out_of_the_folder(files: FolderFiles, namespace: str, sha256: str) -> None:
    with pytest.raises(FileNotHere):
        files.open(namespace, sha256)
    with pytest.raises(FileNotHere):
        files.append(namespace, sha256, CONTENT, offset=0, size=len(CONTENT))
    with pytest.raises(FileNotHere):
        files.remove(namespace, sha256)
