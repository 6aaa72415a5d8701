"""The payload brings a container what RunTask does not: run here by the very scripts that run on Fargate."""

from __future__ import annotations

import base64
import io
import subprocess
import tarfile
from pathlib import Path

from chalicelib.providers.base import ADDRESS, Container, File, Task, Volume
from chalicelib.providers.ecs import payload

TASK = Task(
    uid="u",
    group="jobs",
    name="d",
    containers=(
        Container(
            name="main",
            image="i",
            command=("sh", "-c", 'echo "$QUOTE|$IP|$1"', "x"),
            args=("a b'c",),
            env=(("QUOTE", "it's $HOME"), ("IP", ADDRESS)),
        ),
    ),
    volumes=(
        Volume("conf", "files", files=(File("dir/spark.properties", b"host=" + ADDRESS.encode(), 0o640),)),
    ),
)


def unpack(into: Path) -> None:
    content = base64.b64decode(payload.render(TASK))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        tar.extractall(into, filter="data")


def test_files_come_with_their_modes(tmp_path: Path) -> None:
    unpack(tmp_path)

    file = tmp_path / "volumes" / "conf" / "dir" / "spark.properties"
    assert file.stat().st_mode & 0o777 == 0o640


def test_the_start_script_sets_environment_and_arguments_as_they_are(tmp_path: Path) -> None:
    unpack(tmp_path)
    script = payload.START_SCRIPT.replace(payload.START_PATH, str(tmp_path))

    ran = subprocess.run(["/bin/sh", "-c", script, "main"], capture_output=True, text=True, check=True)

    assert ran.stdout == f"it's $HOME|{ADDRESS}|a b'c\n"


def test_what_holds_the_address_is_listed_for_it_to_be_put_in(tmp_path: Path) -> None:
    unpack(tmp_path)

    listed = (tmp_path / "addressed").read_bytes().split(b"\0")

    assert listed == [b"start/main.sh", b"volumes/conf/dir/spark.properties"]


def test_the_fetch_script_is_valid_shell() -> None:
    subprocess.run(["/bin/sh", "-n"], input=payload.FETCH_SCRIPT, text=True, check=True)
