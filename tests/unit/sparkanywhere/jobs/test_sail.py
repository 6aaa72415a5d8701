"""A server of Sail: a driver's pod whose program runs without a JVM, and what it counts as use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sparkanywhere.cli.connect_job import check_open_server
from sparkanywhere.jobs import sail, services
from sparkanywhere.jobs.objects import build
from sparkanywhere.jobs.programs.sail_program import is_connected
from sparkanywhere.jobs.sail import sail_spec, without_jvm
from sparkanywhere.jobs.spec import JobSpec, SpecError

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue\n"


def job(*, is_on_this_host: bool = False, **changed: Any) -> JobSpec:  # Any: its fields
    spec = JobSpec(application="local:///replaced.py", name="spark-connect", **changed)
    return sail_spec(spec, idle_seconds=90, is_on_this_host=is_on_this_host)


def pod_of(spec: JobSpec) -> Any:  # Any: a pod
    return without_jvm(build(spec, suffix="0a", user="ana"), spec).driver


def test_its_pod_runs_the_program_and_no_spark_submit() -> None:
    pod = pod_of(job())

    program = "/opt/sparkanywhere/files/sail_program.py"
    assert pod["spec"]["containers"][0]["args"] == ["python3", program, "90", "all-addresses", "15002"]
    assert pod["metadata"]["labels"][services.SERVICE] == "connect"
    assert pod["metadata"]["annotations"]["sparkanywhere.io/park"] == "false"
    assert services.secret_of(pod) == ""
    assert not services.is_on_loopback(pod)


def test_on_this_machine_it_listens_on_loopback_by_the_users_python() -> None:
    pod = pod_of(job(is_on_this_host=True, python="/venv/bin/python"))

    args = pod["spec"]["containers"][0]["args"]
    assert (args[0], args[-2:]) == ("/venv/bin/python", ["127.0.0.1", "0"])
    assert services.is_on_loopback(pod)


def test_in_containers_the_program_unpacks_its_packages_itself(tmp_path: Path) -> None:
    archive = tmp_path / "packages.tar.gz"
    archive.write_bytes(b"packages")

    args = pod_of(job(archives=(f"{archive}#requirements",)))["spec"]["containers"][0]["args"]

    assert args[-1] == "/opt/sparkanywhere/files/packages.tar.gz"


def test_it_brings_its_own_package_unless_the_user_names_some(tmp_path: Path) -> None:
    own = tmp_path / "mine.txt"
    own.write_text("pysail\n")

    assert Path(job().requirements).read_text().startswith("pysail==")
    assert job(requirements=str(own)).requirements == str(own)
    assert sail.PROGRAM.exists()


@pytest.mark.parametrize(
    "field",
    [{"jar_sets": ("s3",)}, {"packages": ("g:a:1",)}, {"jars": ("local:///a.jar",)}, {"executors": 4}, {"spot": True}],
)
def test_what_is_a_jvms_or_an_executors_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"--[a-z]+: Sail has no JVM and no executors"):
        job(**field)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("0: 0100007F:3A9A 00000000:0000 0A 0:0\n", False),
        ("0: 0100007F:3A9A 0100007F:C001 01 0:0\n", True),
        ("0: 0100007F:C001 0100007F:3A9A 01 0:0\n", False),
        ("0: 0100007F:3A9A 0100007F:C001 06 0:0\n", False),
        ("", False),
    ],
    ids=["it listens", "a client", "the client's own end", "a client that has gone", "nothing"],
)
def test_a_connection_is_use(rows: str, expected: bool, tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    table.write_text(HEADER + rows)

    assert is_connected(15002, [str(table), str(tmp_path / "tcp6")]) is expected


def test_where_the_system_does_not_tell_a_server_is_in_use(tmp_path: Path) -> None:
    assert is_connected(15002, [str(tmp_path / "none")])


def test_a_server_that_every_user_of_the_machine_could_use_is_refused_or_warned_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SpecError, match=r"every user of the machine can run programs as you.*--any-local-user"):
        check_open_server(is_allowed=False)

    check_open_server(is_allowed=True)

    assert "Warning: Sail asks for no token" in capsys.readouterr().err
