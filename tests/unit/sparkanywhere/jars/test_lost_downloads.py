"""What ends a download midway: the network, which is tried again, the disk, which is not, and a kill."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.request import urlopen

import pytest

from sparkanywhere.jars.jar_cache import TRIES, JarsFailed, cached
from tests.unit.sparkanywhere.jars.maven_server import MavenServer
from tests.unit.sparkanywhere.jars.test_jar_cache import CONTENT, fetch, left_over


class Unreachable(io.RawIOBase):
    """An answer of which a part comes before its network is lost."""

    status = 200

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, size: int = -1) -> bytes:
        if not self.content:
            raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
        piece, self.content = self.content[:size], b""
        return piece


@pytest.mark.parametrize("losses", [1, TRIES])
def test_a_lost_network_is_tried_again_and_not_taken_for_the_disk(
    server: MavenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: int
) -> None:
    jar, left = server.add("org.a:b:1", CONTENT), [CONTENT[:100]] * losses
    ask = lambda *given, **named: Unreachable(left.pop()) if left else urlopen(*given, **named)  # noqa: E731
    monkeypatch.setattr("sparkanywhere.jars.jar_cache.urlopen", ask)

    if losses < TRIES:
        assert fetch(server, tmp_path, jar)[0].read_bytes() == CONTENT
        return
    with pytest.raises(JarsFailed, match=r"cannot be fetched from .*No route to host"):
        fetch(server, tmp_path, jar)


def test_a_full_disk_is_not_taken_for_the_network(
    server: MavenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    temporary = tempfile.NamedTemporaryFile

    def full(**named: Any) -> Any:  # Any: the tempfile module's own
        file = temporary(**named)
        no_space = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        monkeypatch.setattr(file, "write", mock.Mock(side_effect=no_space))
        return file

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)

    with pytest.raises(JarsFailed, match=r"cannot be kept in .*No space left.*SPARKANYWHERE_CACHE"):
        fetch(server, tmp_path, jar)

    assert len(server.asked) == 1


def test_what_a_killed_run_has_left_is_removed_and_what_another_writes_is_not(
    server: MavenServer, tmp_path: Path
) -> None:
    jar = server.add("org.a:b:1", CONTENT)
    folder = cached(jar, tmp_path).parent
    folder.mkdir(parents=True)
    old, new = folder / ".part-old", folder / ".part-new"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))

    (path,) = fetch(server, tmp_path, jar)

    assert sorted(left_over(tmp_path)) == sorted([new, path])
