"""The contract of Spark's image: what its entry point makes of args and variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.providers.supervised import spark
from chalicelib.providers.supervised.spark import SparkHome, SparkHomes, choose_version, is_spark_image, split_image

HOME = Path("/spark")
EXECUTOR_ENV = {
    "JAVA_HOME": "/java",
    "SPARK_EXECUTOR_MEMORY": "600m",
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@127.1.0.10:7078",
    "SPARK_EXECUTOR_ID": "1",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_APPLICATION_ID": "spark-app",
    "SPARK_EXECUTOR_POD_IP": "127.1.0.11",
    "SPARK_RESOURCE_PROFILE_ID": "3",
    "SPARK_EXECUTOR_POD_NAME": "pi-exec-1",
    "SPARK_CONF_DIR": "/conf",
    "TMPDIR": "/tmp/x",
}


def test_a_driver_is_submitted_in_client_mode_bound_to_its_address() -> None:
    env = {"SPARK_DRIVER_BIND_ADDRESS": "127.1.2.3"}

    command = spark.main_command(["driver", "--class", "C", "local:///a.jar", "7"], env, HOME)

    assert command == [
        "/spark/bin/spark-submit",
        "--conf",
        "spark.driver.bindAddress=127.1.2.3",
        "--conf",
        "spark.executorEnv.SPARK_DRIVER_POD_IP=127.1.2.3",
        "--deploy-mode",
        "client",
        "--class",
        "C",
        "local:///a.jar",
        "7",
    ]


def test_an_executor_is_told_all_it_needs() -> None:
    command = spark.main_command(["executor"], EXECUTOR_ENV, HOME)

    assert command == [
        "/java/bin/java",
        "-Djava.io.tmpdir=/tmp/x",
        "-Xms600m",
        "-Xmx600m",
        "-cp",
        "/conf:/spark/jars/*:.",
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        "--driver-url",
        "spark://CoarseGrainedScheduler@127.1.0.10:7078",
        "--executor-id",
        "1",
        "--cores",
        "2",
        "--app-id",
        "spark-app",
        "--hostname",
        "127.1.0.11",
        "--resourceProfileId",
        "3",
        "--podName",
        "pi-exec-1",
    ]


def test_java_options_come_in_the_order_of_their_numbers() -> None:
    env = {f"SPARK_JAVA_OPT_{number}": f"-D{number}" for number in (10, 2, 0, 1)}

    assert spark.java_options({**env, "SPARK_JAVA_OPT_X": "no"}) == ["-D0", "-D1", "-D2", "-D10"]


def test_java_options_come_before_the_memory_so_that_memory_wins() -> None:
    command = spark.main_command(["executor"], {**EXECUTOR_ENV, "SPARK_JAVA_OPT_0": "-Da=b c"}, HOME)

    assert command[1:5] == ["-Da=b c", "-Djava.io.tmpdir=/tmp/x", "-Xms600m", "-Xmx600m"]


def test_more_class_paths_are_honoured() -> None:
    more = {"HADOOP_CONF_DIR": "/hadoop", "SPARK_EXTRA_CLASSPATH": "/x/*", "SPARK_DIST_CLASSPATH": "/dist/*"}

    command = spark.main_command(["executor"], {**EXECUTOR_ENV, **more}, HOME)

    assert command[command.index("-cp") + 1] == "/conf:/spark/jars/*:/hadoop:/x/*:/dist/*:."


def test_anything_else_runs_as_it_stands() -> None:
    assert spark.main_command(["python3", "-V"], {}, HOME) == ["python3", "-V"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (None, True),
        ((), True),
        (("/opt/entrypoint.sh",), True),
        (("/usr/bin/tini", "-s", "--", "/opt/entrypoint.sh"), True),
        (("/bin/sh",), False),
    ],
)
def test_the_images_own_entry_point_is_recognised(command: tuple[str, ...] | None, expected: bool) -> None:
    assert spark.is_entrypoint(command) is expected


def test_spark_finds_java_python_and_its_own_address() -> None:
    home = SparkHome(Path("/spark"), "/java")

    env = spark.environment(home, address="127.1.2.3", python="/venv/python", path="/usr/bin")

    assert env["SPARK_HOME"] == "/spark"
    assert env["JAVA_HOME"] == "/java"
    assert env["SPARK_LOCAL_IP"] == "127.1.2.3"
    assert env["PYSPARK_PYTHON"] == "/venv/python"
    assert env["PATH"] == "/java/bin:/usr/bin"


def test_without_a_java_of_its_own_spark_takes_the_one_on_the_path() -> None:
    env = spark.environment(SparkHome(Path("/spark"), ""), address="", python="p", path="/usr/bin")

    assert "JAVA_HOME" not in env
    assert spark.main_command(["executor"], env, HOME)[0] == "java"


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("spark", ("spark", "")),
        ("apache/spark:4.3.0", ("spark", "4.3.0")),
        ("registry.example:5000/team/spark:3.5.9-python3", ("spark", "3.5.9-python3")),
        ("registry.example:5000/spark", ("spark", "")),
        ("spark:4.3.0@sha256:0123", ("spark", "4.3.0")),
        ("spark@sha256:0123", ("spark", "")),
    ],
)
def test_an_image_name_is_taken_apart(image: str, expected: tuple[str, str]) -> None:
    assert split_image(image) == expected


@pytest.mark.parametrize(
    "image", ["spark", "apache/spark:4.3.0", "spark-py:v3", "a.b/c/spark-r", "pyspark:1", "x/Spark:2"]
)
def test_names_that_mean_spark(image: str) -> None:
    assert is_spark_image(image)


@pytest.mark.parametrize("image", ["busybox", "spark/other:1", "spark-operator:1", "sparkmagic", "my-spark-app:2"])
def test_names_that_mean_something_else(image: str) -> None:
    assert not is_spark_image(image)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("4.3.0", "4.3.0"),
        ("v4.3.0", "4.3.0"),
        ("4.3.0-scala2.13-java17-python3-ubuntu", "4.3.0"),
        ("3.5", "3.5.10"),
        ("3", "3.5.10"),
        ("", "4.3.0"),
        ("latest", "4.3.0"),
        ("python3", "4.3.0"),
        ("4.3", "4.3.0"),
        ("4.3.1", None),
        ("4.30", None),
    ],
)
def test_a_tag_chooses_the_newest_version_that_fits(tag: str, expected: str | None) -> None:
    assert choose_version(tag, ["3.5.9", "4.3.0", "3.5.10"]) == expected


def test_without_any_spark_none_is_chosen() -> None:
    assert choose_version("", []) is None


def test_an_image_finds_its_home_and_java(tmp_path: Path) -> None:
    (tmp_path / "4.3.0").mkdir()
    (tmp_path / "4.3.0/JAVA_HOME").write_text("/some/java\n")

    home = SparkHomes(tmp_path).find("apache/spark:4.3.0", pull="missing")

    assert home
    assert (home.path, home.java_home) == (tmp_path / "4.3.0", "/some/java")


def test_other_images_need_no_home(tmp_path: Path) -> None:
    assert SparkHomes(tmp_path).find("busybox", pull="always") is None


@pytest.mark.parametrize(
    ("image", "pull", "reason", "command"),
    [
        ("spark:3.5.9", "missing", "ErrImagePull", "`sparkanywhere spark install 3.5.9`"),
        ("spark:3.5.9", "never", "ErrImageNeverPull", "`sparkanywhere spark install 3.5.9`"),
        ("spark", "missing", "ErrImagePull", "`sparkanywhere spark install VERSION`"),
    ],
)
def test_a_missing_spark_names_its_remedy(tmp_path: Path, image: str, pull: str, reason: str, command: str) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        SparkHomes(tmp_path).find(image, pull=pull)

    assert caught.value.reason == reason
    assert command in caught.value.message
