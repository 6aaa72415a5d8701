"""Staged files live while a job that has not ended needs them, and some time longer."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.files.staged_files import RESOURCE, FileLimits, StagedFiles
from chalicelib.controllers.runtime.public_url import PublicUrl
from chalicelib.controllers.runtime.tokens import TokenIssuer
from chalicelib.files.base import FileStoreUnavailable
from chalicelib.files.folder import FolderFiles
from chalicelib.storage.keys import object_key, prefix
from chalicelib.storage.updates import guaranteed_update
from tests.memory_storage import MemoryStorage

CONTENT = b"spark" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KEEP_SECONDS = 3600.0
POD = object_key("pods", "ns", "driver")


class BrokenFolder(FolderFiles):
    """A folder that removes nothing while it is broken."""

    is_broken = False

    def remove(self, namespace: str, sha256: str) -> None:
        if self.is_broken:
            raise FileStoreUnavailable("the disk is gone")
        super().remove(namespace, sha256)


class World:
    """Staged files over a store in memory and a folder, and a clock that is set."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime(2026, 11, 23, tzinfo=UTC)
        self.storage = MemoryStorage()
        numbers = itertools.count()

        def uids() -> str:
            return f"uid-{next(numbers)}"

        self.storage.create(object_key("namespaces", None, "ns"), {"metadata": {"name": "ns", "uid": uids()}})
        self.folder = BrokenFolder(folder)
        self.files = StagedFiles(
            self.storage,
            self.folder,
            issuer=TokenIssuer(self.storage, clock=lambda: self.now, new_uid=uids),
            url=PublicUrl(self.storage, "http://plane", uids),
            limits=FileLimits(max_bytes=1000, keep_seconds=KEEP_SECONDS),
            clock=lambda: self.now,
            new_uid=uids,
        )

    def stage(self) -> None:
        """Bring the content in."""
        self.files.ticket("ns", SHA256, len(CONTENT))
        self.files.append("ns", SHA256, CONTENT, offset=0)

    def is_kept(self) -> bool:
        """Return whether the content is there; with it goes its record."""
        records = self.storage.list(prefix(RESOURCE)).items
        kept = self.folder.size("ns", SHA256) is not None
        assert kept == bool(records)
        return kept

    def later(self, seconds: float) -> None:
        """Let time go by, and sweep."""
        self.now += timedelta(seconds=seconds)
        self.files.sweep()

    def add(self, key: str, status: JSON) -> None:
        """Store a pod or Job that needs the file."""
        metadata = {"name": "x", "uid": key, "annotations": {"sparkanywhere.io/staged-files": SHA256}}
        self.storage.create(key, {"metadata": metadata, "status": status})

    def ends(self, key: str, status: JSON) -> None:
        """Give an object another status."""
        guaranteed_update(self.storage, key, lambda obj: {**obj, "status": status})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "files")


def test_a_content_is_sent_once_and_found_again(world: World) -> None:
    assert not world.files.ticket("ns", SHA256, len(CONTENT)).present
    world.stage()

    assert world.files.ticket("ns", SHA256, len(CONTENT)).present


def test_a_file_that_nobody_submitted_goes_after_a_while(world: World) -> None:
    world.stage()

    world.later(KEEP_SECONDS - 1)
    assert world.is_kept()
    world.later(2)

    assert not world.is_kept()


def test_an_upload_that_was_never_ended_leaves_nothing(world: World, tmp_path: Path) -> None:
    world.files.ticket("ns", SHA256, len(CONTENT))
    world.files.append("ns", SHA256, CONTENT[:10], offset=0)

    world.later(KEEP_SECONDS + 1)

    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []
    assert world.storage.list(prefix(RESOURCE)).items == []


@pytest.mark.parametrize(
    ("key", "running", "ended"),
    [
        (POD, {"phase": "Running"}, {"phase": "Succeeded"}),
        (POD, {"phase": "Pending"}, {"phase": "Failed"}),
        (object_key("jobs", "ns", "job"), {"active": 1}, {"conditions": [{"type": "Complete", "status": "True"}]}),
    ],
)
def test_a_file_stays_while_a_job_needs_it(world: World, key: str, running: JSON, ended: JSON) -> None:
    world.stage()
    world.add(key, running)
    for _ in range(3):
        world.later(KEEP_SECONDS + 1)
        assert world.is_kept()

    world.ends(key, ended)
    world.later(KEEP_SECONDS + 1)

    assert not world.is_kept()


def test_asking_for_it_again_keeps_it(world: World) -> None:
    world.stage()
    world.later(KEEP_SECONDS - 1)

    world.files.ticket("ns", SHA256, len(CONTENT))
    world.later(KEEP_SECONDS - 1)

    assert world.is_kept()


def test_a_removal_that_broke_is_taken_up_again(world: World) -> None:
    world.stage()
    world.folder.is_broken = True
    with pytest.raises(FileStoreUnavailable):
        world.later(KEEP_SECONDS + 1)
    with pytest.raises(StatusError, match="being removed") as caught:
        world.files.ticket("ns", SHA256, len(CONTENT))
    assert caught.value.code == 503

    world.folder.is_broken = False
    world.files.sweep()

    assert not world.is_kept()
    assert not world.files.ticket("ns", SHA256, len(CONTENT)).present


@pytest.mark.parametrize(
    ("namespace", "sha256", "size", "code", "sentence"),
    [
        ("ns", SHA256, 1001, 413, "1,001 bytes, and this control plane keeps files of 1,000"),
        ("ns", "../../etc/passwd", 10, 400, "SHA-256"),
        ("ns", SHA256.upper(), 10, 400, "SHA-256"),
        ("ns", SHA256, 0, 400, "SHA-256"),
        ("nowhere", SHA256, 10, 404, '"nowhere" not found'),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(
    world: World, namespace: str, sha256: str, size: int, code: int, sentence: str
) -> None:
    with pytest.raises(StatusError, match=sentence) as caught:
        world.files.ticket(namespace, sha256, size)

    assert caught.value.code == code
    assert world.storage.list(prefix(RESOURCE)).items == []


def token_of(url: str) -> str:
    """Return the token in a URL that a pod fetches by."""
    return url.partition("token=")[2]


def codes(world: World, *asked: tuple[str, str, str, str]) -> list[int]:
    """Return 200, or the code of the refusal, for each (namespace, checksum, needed by, token)."""
    found = []
    for namespace, sha256, needed_by, token in asked:
        try:
            content = world.files.fetch(namespace, sha256, token, needed_by=needed_by)
        except StatusError as error:
            found.append(error.code)
        else:
            assert not isinstance(content, str)
            assert b"".join(content) == CONTENT
            found.append(200)
    return found


def test_a_token_opens_one_file_of_one_namespace_for_one_pod(world: World) -> None:
    world.stage()
    for name in ("driver", "other"):
        world.add(object_key("pods", "ns", name), {"phase": "Running"})
    token = token_of(world.files.ticket("ns", SHA256, len(CONTENT), needed_by="pods/driver").fetch_url)

    assert codes(
        world,
        ("ns", SHA256, "pods/driver", token),
        ("ns", "0" * 64, "pods/driver", token),
        ("other", SHA256, "pods/driver", token),
        ("ns", SHA256, "pods/driver", "x"),
        ("ns", SHA256, "pods/other", token),
        ("ns", SHA256, "jobs/driver", token),
        ("ns", SHA256, "", token),
    ) == [200, 401, 401, 401, 401, 401, 401]


@pytest.mark.parametrize(
    ("resource", "lives", "ended"),
    [
        ("pods", {"phase": "Pending"}, {"phase": "Failed"}),
        ("pods", {"phase": "Running"}, {"phase": "Succeeded"}),
        ("jobs", {"active": 1}, {"conditions": [{"type": "Complete"}]}),
    ],
)
@pytest.mark.parametrize("is_named", [True, False])
def test_a_token_ends_with_what_it_was_given_for(
    world: World, resource: str, lives: JSON, ended: JSON, is_named: bool
) -> None:
    world.stage()
    needed_by, key = f"{resource}/x" if is_named else "", object_key(resource, "ns", "x")
    asked = ("ns", SHA256, needed_by, token_of(world.files.ticket("ns", SHA256, 500, needed_by=needed_by).fetch_url))

    before = codes(world, asked)
    world.add(key, lives)
    meanwhile = codes(world, asked)
    world.ends(key, ended)
    after = codes(world, asked)
    world.storage.delete(key, expected_revision=world.storage.get(key).revision)

    assert (before, meanwhile, after, codes(world, asked)) == ([401], [200], [401], [401])


def test_a_pod_that_does_not_name_the_file_gets_it_by_no_token(world: World) -> None:
    world.stage()
    world.storage.create(POD, {"metadata": {"name": "driver", "uid": "p"}, "status": {"phase": "Running"}})
    token = token_of(world.files.ticket("ns", SHA256, len(CONTENT), needed_by="pods/driver").fetch_url)

    assert codes(world, ("ns", SHA256, "pods/driver", token)) == [401]


@pytest.mark.parametrize(
    "needed_by", ["driver", "pods/", "pods/../x", "secrets/x", "pods/a&token=b", "pods/A", "pods/a\n"]
)
def test_what_needs_a_file_is_a_pod_or_job(world: World, needed_by: str) -> None:
    with pytest.raises(StatusError, match="neededBy") as caught:
        world.files.ticket("ns", SHA256, len(CONTENT), needed_by=needed_by)

    assert caught.value.code == 400


def test_without_a_ticket_no_piece_is_taken(world: World) -> None:
    with pytest.raises(StatusError) as caught:
        world.files.append("ns", SHA256, CONTENT, offset=0)

    assert caught.value.code == 404
