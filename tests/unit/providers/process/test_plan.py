"""A Task becomes programs, variables and directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.providers.address import with_address
from chalicelib.providers.base import ADDRESS, Container, File, Mount, Task, TaskRejected, Volume
from chalicelib.providers.process.directory import TaskDirectory, handle_of
from chalicelib.providers.process.images import SparkHome
from chalicelib.providers.process.plan import HostSettings, ResolvedContainer
from chalicelib.providers.process.volumes import check

ENVIRON = {"PATH": "/usr/bin", "HOME": "/home/u", "AWS_SECRET_ACCESS_KEY": "hush", "PYTHONPATH": "/src"}
SPARK = SparkHome(Path("/cache/spark/4.3.0"), "/java")
HERE = "/state/tasks/h"


def placed(
    container: Container, *volumes: Volume, spark: SparkHome | None = None, hostname: str = ""
) -> ResolvedContainer:
    """Return a container placed on a host where only /usr is a directory."""
    task = Task(uid="u", group="g", name="pod", containers=(container,), volumes=volumes, hostname=hostname)
    task = with_address(task, "127.1.1.1")
    host = HostSettings(
        ENVIRON, "/venv/python", Path("/state/named"), is_directory=lambda path: path == "/usr"
    )
    directory = TaskDirectory(Path("/state/tasks"), "h")
    return ResolvedContainer(task, task.containers[0], spark, directory, "127.1.1.1", host)


def test_only_harmless_variables_are_inherited() -> None:
    env = placed(Container("c", "busybox", command=("x",))).plan()["env"]

    assert env["PATH"] == "/usr/bin"
    assert env["HOME"] == "/home/u"
    assert env["HOSTNAME"] == "pod"
    assert env["KUBECONFIG"] == "/nonexistent"
    assert env["TMPDIR"].startswith("/tmp/sparkanywhere-")
    assert len(env["TMPDIR"]) < 40
    assert not {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & set(env)


def test_a_containers_own_variables_win() -> None:
    env = (("PATH", "/mine"), ("KUBECONFIG", "/my/config"), ("HOSTNAME", "me"))

    found = placed(Container("c", "busybox", command=("x",), env=env)).plan()["env"]

    assert (found["PATH"], found["KUBECONFIG"], found["HOSTNAME"]) == ("/mine", "/my/config", "me")


def test_paths_and_address_are_rewritten_in_words_and_variables() -> None:
    one = Container(
        "c",
        "busybox",
        command=("/tools/run", f"--listen={ADDRESS}"),
        args=("/tools/x",),
        env=(("WHERE", "/tools"),),
        mounts=(Mount("v", "/tools", sub_path="bin"),),
        stop_command=("/tools/stop",),
    )

    plan = placed(one, Volume("v", "scratch")).plan()

    tools = f"{HERE}/volumes/v/bin"
    assert plan["argv"] == [f"{tools}/run", "--listen=127.1.1.1", f"{tools}/x"]
    assert plan["env"]["WHERE"] == tools
    assert plan["stop_argv"] == [f"{tools}/stop"]


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        (Volume("v", "scratch"), f"{HERE}/volumes/v/f"),
        (Volume("v", "memory"), f"{HERE}/volumes/v/f"),
        (Volume("v", "files"), f"{HERE}/volumes/v/f"),
        (Volume("v", "host", source="/srv/data"), "/srv/data/f"),
        (Volume("v", "named", source="ns/claim"), "/state/named/ns%2Fclaim/f"),
    ],
)
def test_each_kind_of_volume_has_its_place(volume: Volume, expected: str) -> None:
    one = Container("c", "busybox", command=("cat", "/data/f"), mounts=(Mount("v", "/data"),))

    assert placed(one, volume).plan()["argv"] == ["cat", expected]


def test_a_mount_of_an_unknown_volume_is_rejected() -> None:
    one = Container("c", "busybox", command=("x",), mounts=(Mount("gone", "/data"),))

    with pytest.raises(TaskRejected, match='"gone"'):
        placed(one).plan()


@pytest.mark.parametrize(
    ("working_dir", "expected"),
    [
        ("", f"{HERE}/containers/c/work"),
        ("/usr", "/usr"),
        ("/app", f"{HERE}/containers/c/work"),
        ("/data/deep", f"{HERE}/volumes/v/deep"),
    ],
)
def test_the_working_directory_is_one_that_can_be(working_dir: str, expected: str) -> None:
    one = Container("c", "busybox", command=("x",), working_dir=working_dir, mounts=(Mount("v", "/data"),))

    assert placed(one, Volume("v", "scratch")).plan()["cwd"] == expected


def test_args_alone_are_the_command_where_there_is_no_image() -> None:
    assert placed(Container("c", "busybox", args=("sleep", "1"))).plan()["argv"] == ["sleep", "1"]


def test_a_spark_container_runs_the_installed_spark() -> None:
    one = Container(
        "c",
        "apache/spark:4.3.0",
        args=(
            "driver",
            "--properties-file",
            "/opt/spark/conf/spark.properties",
            "local:///opt/spark/examples/pi.py",
        ),
        env=(("SPARK_DRIVER_BIND_ADDRESS", ADDRESS), ("SPARK_CONF_DIR", "/opt/spark/conf")),
        mounts=(Mount("conf", "/opt/spark/conf"),),
    )

    plan = placed(one, Volume("conf", "files"), spark=SPARK).plan()

    assert plan["argv"][0] == "/cache/spark/4.3.0/bin/spark-submit"
    assert "spark.driver.bindAddress=127.1.1.1" in plan["argv"]
    assert f"{HERE}/volumes/conf/spark.properties" in plan["argv"]
    assert plan["argv"][-1] == "local:///cache/spark/4.3.0/examples/pi.py"
    assert plan["env"]["SPARK_CONF_DIR"] == f"{HERE}/volumes/conf"
    assert plan["env"]["SPARK_HOME"] == "/cache/spark/4.3.0"
    assert plan["cwd"] == f"{HERE}/containers/c/work"


def test_a_spark_containers_own_python_wins() -> None:
    one = Container("c", "spark", args=("executor",), env=(("PYSPARK_PYTHON", "/usr/bin/python3"),))

    assert placed(one, spark=SPARK).plan()["env"]["PYSPARK_PYTHON"] == "/usr/bin/python3"


def test_a_command_that_calls_the_entry_point_finds_ours() -> None:
    one = Container("c", "spark", command=("sh", "-c", "exec /opt/entrypoint.sh driver"))

    assert placed(one, spark=SPARK).plan()["argv"] == ["sh", "-c", f"exec {HERE}/bin/entrypoint.sh driver"]


def test_decommissioning_tells_the_executor_instead_of_calling_the_images_script() -> None:
    one = Container("c", "spark", args=("executor",), stop_command=("/opt/decom.sh",))

    assert "kill -PWR" in placed(one, spark=SPARK).plan()["stop_argv"][-1]


@pytest.mark.parametrize("path", ["/", "relative", "//"])
def test_what_can_not_be_mounted_is_rejected(path: str) -> None:
    one = Container("c", "busybox", command=("x",), mounts=(Mount("v", path),))

    with pytest.raises(TaskRejected, match="can't be mounted"):
        check(Task(uid="u", group="g", name="n", containers=(one,), volumes=(Volume("v", "scratch"),)))


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../b"])
def test_a_file_can_not_lie_outside_its_volume(path: str) -> None:
    volume = Volume("v", "files", files=(File(path, b""),))

    with pytest.raises(TaskRejected, match="leads out of its volume"):
        check(Task(uid="u", group="g", name="n", containers=(), volumes=(volume,)))


def test_a_task_without_containers_is_rejected() -> None:
    with pytest.raises(TaskRejected, match="no container"):
        check(Task(uid="u", group="g", name="n", containers=()))


@pytest.mark.parametrize("uid", ["8cef4d8f-346f-40a4-8cbd-9c5290f4c8d6", "some-uid"])
def test_a_plain_uid_is_the_handle(uid: str) -> None:
    assert handle_of(uid) == uid


@pytest.mark.parametrize("uid", ["../x", ".hidden", "", "a/b", "x" * 200, "ü"])
def test_any_other_uid_becomes_a_plain_handle(uid: str) -> None:
    assert handle_of(uid).isalnum()
    assert handle_of(uid) == handle_of(uid)
