"""What EXAMPLE means, and the line and environment that submit it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkanywhere.spark.spark_submit import NoSuchExample, Program, Submission, command, environment, find_program


@pytest.fixture
def spark_home(tmp_path: Path) -> Path:
    """Return the least of a SPARK_HOME that the tests look at."""
    home = tmp_path / "4.3.0"
    for file in ("jars/scala-library-2.13.18.jar", "examples/src/main/python/pi.py", "JAVA_HOME"):
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text("/java\n")
    return home


def test_spark_pi_is_the_class_in_the_images_own_jar(spark_home: Path) -> None:
    program = find_program("SparkPi", ["100"], spark_home=spark_home)

    assert program.resource == "local:///opt/spark/examples/jars/spark-examples_2.13-4.3.0.jar"
    assert (program.main_class, program.args) == ("org.apache.spark.examples.SparkPi", ("100",))


def test_an_example_of_sparks_own_is_found_in_the_image(spark_home: Path) -> None:
    program = find_program("pi.py", [], spark_home=spark_home)

    assert program.resource == "local:///opt/spark/examples/src/main/python/pi.py"


def test_a_script_of_the_users_is_named_by_its_whole_path(spark_home: Path, tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.touch()

    program = find_program(str(script), [], spark_home=spark_home)

    assert program == Program("mine", f"local://{script}", file=str(script))


@pytest.mark.parametrize(
    ("example", "words"), [("absent.py", "was not found"), ("notes.txt", "neither"), ("NoSuchClass", "neither")]
)
def test_an_example_that_cannot_run_is_refused(example: str, words: str, spark_home: Path) -> None:
    with pytest.raises(NoSuchExample, match=words):
        find_program(example, [], spark_home=spark_home)


def test_a_jar_needs_its_class(spark_home: Path, tmp_path: Path) -> None:
    jar = tmp_path / "mine.jar"
    jar.touch()

    with pytest.raises(NoSuchExample, match="CLASS="):
        find_program(str(jar), [], spark_home=spark_home)
    assert find_program(str(jar), [], spark_home=spark_home, main_class="a.B").main_class == "a.B"


def test_settings_of_the_users_beat_ours(spark_home: Path) -> None:
    submission = Submission(
        Program("x", "local:///x.py", args=("1", "a b")),
        image="apache/spark:4.3.0",
        instances=2,
        conf={"spark.executor.instances": "5"},
    )

    line = command(submission, spark_home, master="http://127.0.0.1:1")

    assert line[1:3] == ["--master", "k8s://http://127.0.0.1:1"]
    assert "spark.executor.instances=5" in line
    assert "spark.executor.instances=2" not in line
    assert line[-3:] == ["local:///x.py", "1", "a b"]


def test_the_users_cluster_proxy_and_spark_settings_stay_out(spark_home: Path) -> None:
    given = {"PATH": "/bin", "KUBECONFIG": "/mine", "https_proxy": "http://p", "SPARK_CONF_DIR": "/mine"}

    environ = environment(given, spark_home=spark_home, kubeconfig=Path("/ours"))

    assert {name: environ.get(name) for name in (*given, "SPARK_HOME", "JAVA_HOME")} == {
        "PATH": "/bin",
        "KUBECONFIG": "/ours",
        "https_proxy": None,
        "SPARK_CONF_DIR": None,
        "SPARK_HOME": str(spark_home),
        "JAVA_HOME": "/java",
    }
