"""Logs that are kept of tasks that are forgotten: the same bytes, on every provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.controllers.pods.log_archive import LogArchive
from chalicelib.providers.base import LogOptions, Provider
from tests.contract.provider_backends import container, ended, task

MIB = 2**20


def said(archive: LogArchive, uid: str, **options: Any) -> bytes | None:  # Any: fields of LogOptions
    found = archive.find(uid, "main", LogOptions(**options))
    return None if found is None else b"".join(found)


@pytest.fixture
def archive(tmp_path: Path, provider: Provider) -> LogArchive:
    return LogArchive(tmp_path / "kept", provider, max_bytes=MIB)


def test_a_kept_log_outlives_its_task(provider: Provider, archive: LogArchive) -> None:
    handle = provider.run(task(container("echo one; echo two"))).handle
    state = ended(provider, handle)
    whole = b"".join(provider.logs(handle, "main", LogOptions()))

    assert archive.keep(state.uid, handle, ["main"]) == {}
    provider.remove(handle)

    assert said(archive, state.uid) == whole == b"one\ntwo\n"
    assert said(archive, state.uid, tail_lines=1) == b"two\n"
    assert said(archive, state.uid, stream="stdout") == whole
    assert said(archive, state.uid, stream="stderr") == b""


def test_a_log_is_kept_once_however_often_it_is_asked_for(provider: Provider, archive: LogArchive) -> None:
    handle = provider.run(task(container("echo one"))).handle
    state = ended(provider, handle)

    archive.keep(state.uid, handle, ["main"])
    assert archive.keep(state.uid, handle, ["main"]) == {}
    provider.remove(handle)
    assert archive.keep(state.uid, handle, ["main"]) == {}

    assert said(archive, state.uid) == b"one\n"


def test_of_a_task_that_is_gone_nothing_is_kept(provider: Provider, archive: LogArchive) -> None:
    handle = provider.run(task(container("echo one"))).handle
    state = ended(provider, handle)
    provider.remove(handle)

    assert set(archive.keep(state.uid, handle, ["main"])) == {"main"}

    assert said(archive, state.uid) is None
