"""The files of a named volume, read on a real engine from outside of all tasks."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chalicelib.providers.base import Mount, Volume
from chalicelib.providers.docker import labels
from chalicelib.providers.docker.provider import DockerProvider
from chalicelib.providers.docker.volume_files import volume_files
from tests.contract.provider_backends import container, ended, task
from tests.functional.docker_tasks import ours

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]
SOURCE = "claim"
LEFT = """
mkdir -p /v/log/deeper && cd /v/log && printf one > 1 && printf two > 2 && printf three > deeper/3 && mkfifo pipe
ln -s {others}/secret link && ln -s {others} /v/folder && ln -s {others}/secret /v/file
head -c 3000000 /dev/zero > /v/large
"""


def test_files_are_read_and_links_lead_to_nothing(
    provider: DockerProvider, engine: Any, control_plane: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("the machine's")
    volumes = (Volume("v", "named", source=SOURCE),)
    handle = provider.run(
        task(container(LEFT.format(others=tmp_path), mounts=(Mount("v", "/v"),)), volumes=volumes)
    ).handle
    assert ended(provider, handle).containers[0].exit_code == 0

    def read(path: str, source: str = SOURCE) -> list[tuple[str, bytes]]:
        return [(name, file.read()) for name, file in volume_files(engine, control_plane, source, path)]

    assert sorted(read("log")) == [("1", b"one"), ("2", b"two")]
    assert read("log/2") == [("2", b"two")]
    assert read("large") == [("large", bytes(3_000_000))]
    for path in ("none", "log/none", "log/link", "log/pipe", "folder", "folder/secret", "file"):
        assert read(path) == [], path
    assert read("log", "another") == []
    with closing(volume_files(engine, control_plane, SOURCE, "large")) as files:
        next(files)  # and no further
    assert not [each for each in ours(engine, control_plane) if each["Labels"].get(labels.ROLE) == "loader"]
