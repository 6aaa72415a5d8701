"""A notebook's session: its options, and a server that lasts as long as who has started it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sparkanywhere.jobs.connect_session import ConnectProcess, SessionFailed, flags
from tests.waiting import until

PROJECT = Path(__file__).resolve().parents[4]
SERVER = """#!/bin/sh
echo "Starting"
echo "sc://localhost:1/;token=$*"
cat > /dev/null
echo "$VIRTUAL_ENV" > "$ENDED"
"""
LEAVES = "import os, sys; from sparkanywhere.jobs.connect_session import *; real = sys.executable"
LEAVES += "; sys.executable = sys.argv[1]; kept = ConnectProcess([], say=print); os.kill(os.getpid(), 9)"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return what stands for the Python that runs `sparkanywhere connect`; at its end it writes the file `ended`."""
    path = tmp_path / "python"
    path.write_text(SERVER)
    path.chmod(0o755)
    monkeypatch.setenv("ENDED", str(tmp_path / "ended"))
    return path


def test_a_server_is_up_once_it_says_its_url_and_ends_when_told(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(program))
    said: list[str] = []

    server = ConnectProcess(["--executors", "3"], say=said.append)

    assert said == ["Starting"]
    assert server.url.endswith("token=-P -m sparkanywhere connect --until-eof --executors 3")
    assert server.is_alive()
    server.end()
    server.end()
    assert not server.is_alive()
    assert (tmp_path / "ended").read_text().strip() == sys.prefix


def test_a_server_ends_with_a_program_that_is_killed(program: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LEAVES, str(program)], env={**os.environ, "PYTHONPATH": str(PROJECT)}, check=False
    )

    assert ran.returncode == -9
    until((tmp_path / "ended").exists, "the server to end")


def test_why_there_is_no_server_is_one_sentence(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write_text("#!/bin/sh\necho 'Error: No room.' >&2\nexit 1\n")
    monkeypatch.setattr(sys, "executable", str(program))

    with pytest.raises(SessionFailed, match=r"^No room\.$"):
        ConnectProcess([], say=lambda _line: None)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"executors": 2, "executor_memory": "4g"}, "--executors 2 --executor-memory 4g"),
        (
            {"conf": {"a.b": "c", "d": "1"}, "packages": ("g:a:1", "g:b:1")},
            "--conf a.b=c --conf d=1 --packages g:a:1,g:b:1",
        ),
        ({"spot": True, "event_log": False}, "--spot --no-event-log"),
        ({"jar_sets": ["s3", "iceberg"], "catalog": "glue"}, "--with s3,iceberg --catalog glue"),
        ({"jar_sets": "s3,iceberg"}, "--with s3,iceberg"),
    ],
)
def test_fields_of_a_job_are_options_of_connect(job: dict[str, Any], words: str) -> None:
    assert list(flags(job)) == words.split()


@pytest.mark.parametrize("name", ["executers", "application", "args"])
def test_what_a_session_cannot_have_is_named(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        list(flags({name: 1}))
