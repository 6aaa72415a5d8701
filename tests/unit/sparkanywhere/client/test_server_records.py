"""Which local servers live: their records last exactly as long as their processes, however those end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparkanywhere.client.server_records import FOLDER, HeldRecord, ServerRecord, living_servers

# A process that holds a record, tells so, and waits to be killed.
HOLDER = """
import sys, time
from pathlib import Path
from sparkanywhere.client.server_records import HeldRecord, ServerRecord
held = HeldRecord(Path(sys.argv[1]), ServerRecord(url="http://b", instance="b", provider="none", started_at=2.0))
print("held", flush=True)
time.sleep(600)
"""


def record(*, url: str = "http://a", started_at: float = 1.0) -> ServerRecord:
    """Return a record of this process."""
    return ServerRecord(url=url, instance="a", provider="none", started_at=started_at, token="t", ca_pem="pem")


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds a record in the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def files(root: Path) -> list[str]:
    """Return the names of all records, hidden ones too."""
    return [path.name for path in root.glob(f"*/{FOLDER}/*")]


def test_a_server_is_found_until_it_withdraws(tmp_path: Path) -> None:
    held = HeldRecord(tmp_path / "a", record())

    assert living_servers(tmp_path) == [record()]
    assert record().pid == os.getpid()

    held.withdraw()

    assert living_servers(tmp_path) == []
    assert files(tmp_path) == []


def test_a_record_is_for_its_owner_alone(tmp_path: Path) -> None:
    held = HeldRecord(tmp_path / "a", record())

    (path,) = tmp_path.glob(f"*/{FOLDER}/*")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "token" not in repr(record())
    held.withdraw()


def test_a_killed_server_is_not_found_and_its_record_goes(tmp_path: Path) -> None:
    held = HeldRecord(tmp_path / "a", record())
    with holder(tmp_path / "b") as other:
        assert [each.url for each in living_servers(tmp_path)] == ["http://a", "http://b"]

        other.send_signal(signal.SIGKILL)
        other.wait()

        assert living_servers(tmp_path) == [record()]
        assert len(files(tmp_path)) == 1
    held.withdraw()


def test_another_process_with_a_dead_servers_id_is_not_taken_for_it(tmp_path: Path) -> None:
    """This very process lives, and has the id that the record names."""
    (tmp_path / "a" / FOLDER).mkdir(parents=True)
    about = {"url": "http://a", "pid": os.getpid(), "instance": "a", "provider": "none", "started_at": time.time()}
    (tmp_path / "a" / FOLDER / "old.json").write_text(json.dumps(about))

    assert living_servers(tmp_path) == []
    assert files(tmp_path) == []


def test_a_stopped_server_still_lives(tmp_path: Path) -> None:
    with holder(tmp_path / "b") as process:
        process.send_signal(signal.SIGSTOP)

        assert len(living_servers(tmp_path)) == 1


def test_of_two_on_one_folder_the_living_one_is_found(tmp_path: Path) -> None:
    first = HeldRecord(tmp_path / "a", record(url="http://first"))
    second = HeldRecord(tmp_path / "a", record(url="http://second", started_at=2.0))
    assert [each.url for each in living_servers(tmp_path)] == ["http://first", "http://second"]

    second.withdraw()
    assert [each.url for each in living_servers(tmp_path)] == ["http://first"]

    third = HeldRecord(tmp_path / "a", record(url="http://third", started_at=3.0))
    first.withdraw()
    assert [each.url for each in living_servers(tmp_path)] == ["http://third"]
    third.withdraw()


def test_a_record_of_another_version_is_passed_over(tmp_path: Path) -> None:
    held = HeldRecord(tmp_path / "a", record())
    (path,) = tmp_path.glob(f"*/{FOLDER}/*")
    path.write_text(json.dumps({"what": "of the future"}))

    assert living_servers(tmp_path) == []
    assert len(files(tmp_path)) == 1  # it lives: it is not ours to remove
    held.withdraw()


def test_what_is_not_there_has_no_servers(tmp_path: Path) -> None:
    assert living_servers(tmp_path / "none") == []
