"""A Task becomes programs, variables and directories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from chalicelib.providers.address import with_address
from chalicelib.providers.base import ADDRESS, Container, File, Mount, Task, TaskRejected, Volume
from chalicelib.providers.supervised.directory import TaskDirectory, handle_of
from chalicelib.providers.supervised.plan import HostSettings, PathMap, ResolvedContainer, warnings
from chalicelib.providers.supervised.spark import SparkHome
from chalicelib.providers.supervised.volumes import check

ENVIRON = {"PATH": "/usr/bin", "HOME": "/home/u", "AWS_SECRET_ACCESS_KEY": "hush", "PYTHONPATH": "/src"}
SPARK = SparkHome(Path("/cache/spark/4.3.0"), "/java")
HERE = "/state/tasks/h"


def placed(
    container: Container,
    *volumes: Volume,
    spark: SparkHome | None = None,
    hostname: str = "",
    environ: Mapping[str, str] = MappingProxyType(ENVIRON),
) -> ResolvedContainer:
    """Return a container placed on a host where only /usr is a directory."""
    task = Task(uid="u", group="g", name="pod", containers=(container,), volumes=volumes, hostname=hostname)
    task = with_address(task, "127.1.1.1")
    host = HostSettings(environ, "/venv/python", Path("/state/named"), is_directory=lambda path: path == "/usr")
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


@pytest.mark.parametrize(
    ("environ", "found"), [({}, "C.UTF-8"), ({"LANG": "de_DE.UTF-8"}, "de_DE.UTF-8"), ({"LC_ALL": "C"}, None)]
)
def test_a_locale_lets_java_open_names_beyond_ascii(environ: dict[str, str], found: str | None) -> None:
    env = placed(Container("c", "busybox", command=("x",)), environ=environ).plan()["env"]

    assert env.get("LANG") == found


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


@pytest.mark.parametrize("role", ["driver", "executor"])
def test_an_image_of_ones_own_with_spark_is_refused_by_its_name(role: str) -> None:
    with pytest.raises(TaskRejected, match='image "foo/bar:1" is not run here') as caught:
        placed(Container("c", "foo/bar:1", args=(role, "--class", "x"))).plan()

    assert caught.value.reason == "InvalidImageName"


def test_a_spark_container_runs_the_installed_spark() -> None:
    one = Container(
        "c",
        "apache/spark:4.3.0",
        args=("driver", "--properties-file", "/opt/spark/conf/spark.properties", "local:///opt/spark/examples/pi.py"),
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


PATHS = PathMap([("/opt/spark", "/home/u/spark"), ("/opt/spark/conf", "/t/conf"), ("/data/", "/t/data")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", "/t/data"),
        ("/data/", "/t/data/"),
        ("/data/x.txt", "/t/data/x.txt"),
        ("/opt/spark/conf/spark.properties", "/t/conf/spark.properties"),
        ("/opt/spark/config", "/home/u/spark/config"),
        ("local:///opt/spark/examples/pi.py", "local:///home/u/spark/examples/pi.py"),
        ("file:/data/a", "file:/t/data/a"),
        ("--in=file:///data/a", "--in=file:///t/data/a"),
        ("jar:file:///data/a.jar!/x", "jar:file:///t/data/a.jar!/x"),
        (
            "-Dlog4j.configurationFile=/opt/spark/conf/log4j2.properties",
            "-Dlog4j.configurationFile=/t/conf/log4j2.properties",
        ),
        ("-javaagent:/opt/spark/jars/a.jar=/data/x", "-javaagent:/home/u/spark/jars/a.jar=/t/data/x"),
        ("/usr/bin:/data:/opt/spark/bin", "/usr/bin:/t/data:/home/u/spark/bin"),
        ("cat '/data/a' \"/data/b\" >/data/c;ls /data", "cat '/t/data/a' \"/t/data/b\" >/t/data/c;ls /t/data"),
        ("a=/data,b=/data", "a=/t/data,b=/t/data"),
    ],
)
def test_a_mention_is_rewritten(text: str, expected: str) -> None:
    assert PATHS.rewrite(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "/database",
        "/data2/x",
        "/data-2",
        "/data.txt",
        "/mnt/data",
        "./data",
        "~/data",
        "../data",
        "$HOME/data",
        "${HOME}/data",
        "$(pwd)/data",
        "*/data",
        "https://data/x",
        "s3a://bucket/data",
        "hdfs://host:8020/data",
        "hdfs:///data/in",
        "hdfs:/data/in",
        "s3a:///data",
        "gs:/data",
        "jdbc:derby:///data/db",
        "/opt/sparkling",
        "",
    ],
)
def test_what_only_looks_like_a_mention_is_left_alone(text: str) -> None:
    assert PATHS.rewrite(text) == text


def test_what_was_rewritten_is_not_rewritten_again() -> None:
    paths = PathMap([("/a", "/b/a"), ("/b", "/c")])

    assert paths.rewrite("/a /b") == "/b/a /c"


def test_a_path_in_a_properties_file_is_escaped() -> None:
    paths = PathMap([("/data", "/odd:dir#1/data")])

    rewritten = paths.rewrite_properties("spark.jars=local\\:///data/x.jar\nother=/data\n")

    assert rewritten == "spark.jars=local\\:///odd\\:dir\\#1/data/x.jar\nother=/odd\\:dir\\#1/data\n"


def test_without_places_nothing_is_rewritten() -> None:
    assert PathMap([]).rewrite("/data") == "/data"


PLAIN = Container("c", "apache/spark:4.3.0", args=("executor",), no_new_privileges=True, memory_mib=100)


def task(container: Container, *volumes: Volume, **fields: Any) -> Task:  # Any: Task's own fields
    """Return a task of one container."""
    return Task(uid="u", group="g", name="n", containers=(container,), volumes=volumes, **fields)


def test_what_is_honoured_draws_no_warning() -> None:
    assert warnings(task(PLAIN, Volume("v", "scratch"))) == []


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"image": "busybox"}, 'image "busybox" is not used'),
        ({"cpu_milli": 100}, "CPU limit"),
        ({"gpus": 1}, "GPUs"),
        ({"user": "185"}, "runs as the user"),
        ({"privileged": True}, "privileged"),
        ({"add_capabilities": ("NET_ADMIN",)}, "added capabilities"),
        ({"drop_capabilities": ("ALL",)}, "dropped capabilities"),
        ({"read_only_root": True}, "root file system"),
        ({"tty": True}, "terminal"),
        ({"mounts": (Mount("v", "/v", read_only=True),)}, "read-only mounts"),
    ],
)
def test_each_unmet_wish_of_a_container_is_named(fields: dict[str, Any], word: str) -> None:
    one = task(replace(PLAIN, **fields), Volume("v", "scratch"))
    first, sentence = warnings(one, obstacle="forbidden")

    assert first == "the pod has no namespaces of its own (forbidden): its processes see all of the host's"
    assert sentence.startswith('container "c": ')
    assert word in sentence


def test_read_only_mounts_are_honoured_in_namespaces() -> None:
    one = replace(PLAIN, mounts=(Mount("v", "/v", read_only=True),))

    assert warnings(task(one, Volume("v", "scratch"))) == []


def test_unmet_wishes_of_volumes_are_named() -> None:
    found = warnings(task(PLAIN, Volume("m", "memory", size_mib=1), Volume("s", "scratch", size_mib=1)))

    assert [sentence.split(":")[0] for sentence in found] == ['volume "m"', 'volume "m"', 'volume "s"']


def test_a_files_volume_mounted_read_only_draws_no_warning() -> None:
    one = replace(PLAIN, mounts=(Mount("conf", "/opt/spark/conf", read_only=True),))

    assert warnings(task(one, Volume("conf", "files"))) == []


def test_names_that_do_not_resolve_are_named() -> None:
    named = task(PLAIN, host_entries=(("10.0.0.1", "x"),))

    assert any("host entries" in sentence for sentence in warnings(named, obstacle="a reason"))
    assert not any("host entries" in sentence for sentence in warnings(named))


def test_in_namespaces_words_stay_and_places_are_mounted_parents_first() -> None:
    one = Container(
        "c",
        "apache/spark:4.3.0",
        command=("cat", "/data/x/f", "hdfs:///data/f", "/opt/spark/RELEASE"),
        env=(("WHERE", "/data"),),
        mounts=(Mount("v", "/data/x"), Mount("s", "/data")),
    )
    there = placed(one, Volume("v", "files"), Volume("s", "scratch"), spark=SPARK)
    there = replace(there, host=replace(there.host, isolated=True))

    plan = there.plan()

    assert plan["argv"] == list(one.command or ())
    assert (plan["env"]["WHERE"], plan["cwd"]) == ("/data", "/opt/spark/work-dir")
    places = {mount["target"]: (mount["source"], mount["read_only"]) for mount in plan["mounts"] or ()}
    order = list(places)
    assert places["/data"] == (f"{HERE}/volumes/s", False)
    assert places["/data/x"] == (f"{HERE}/volumes/v", True)
    assert places["/opt/spark"] == ("/cache/spark/4.3.0", False)
    assert places["/opt/spark/work-dir"] == (f"{HERE}/containers/c/work", False)
    assert order.index("/data") < order.index("/data/x")
    assert order.index("/opt/spark") < order.index("/opt/spark/work-dir")


def test_a_volume_at_tmp_is_where_temporary_files_go() -> None:
    one = Container("c", "busybox", command=("x",), mounts=(Mount("s", "/tmp"),))
    there = placed(one, Volume("s", "scratch"))

    plan = replace(there, host=replace(there.host, isolated=True)).plan()

    assert plan["env"]["TMPDIR"] == "/tmp"
    assert "replace" not in [mount["how"] for mount in plan["mounts"] or ()]
