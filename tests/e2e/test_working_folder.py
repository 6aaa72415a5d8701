"""A program works in the folder that it is called from, by the caller's own Python where that can be."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.e2e.docker_cluster import image_for
from tests.e2e.spark_scenarios import NEWEST

pytestmark = [pytest.mark.spark, pytest.mark.slow]

JOB_SECONDS = 280.0  # a job takes 15 to 60 s on two busy cores
PROGRAM = """
import os, sys
import beside
from pyspark import SparkFiles
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
rows = spark.read.option("header", True).csv(sys.argv[1])
rows.write.mode("overwrite").parquet(sys.argv[2])
rows.write.mode("overwrite").saveAsTable("kept")
open("nöte.txt", "w").write("hi")
lengths = spark.sparkContext.parallelize(range(2), 2).map(
    lambda each: (beside.double(each), len(open(SparkFiles.get("words.txt")).read()))
)
print(os.getcwd(), rows.count(), lengths.collect())
if sys.argv[3:]:
    import of_the_environment
    found = spark.sparkContext.parallelize(range(2), 2).map(lambda each: of_the_environment.double(each)).collect()
    print("by", sys.prefix, found)
else:
    from pyspark.sql.functions import pandas_udf
    print("on columns", [row[0] for row in spark.range(2).select(pandas_udf(beside.double, "long")("id")).collect()])
"""

MODULE = "def double(each):\n    return 2 * each\n"


def environment_with(module: str, folder: Path) -> Path:
    """Make a virtual environment that alone has a module; return its folder."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / f"{module}.py").write_text(MODULE)
    return folder


@pytest.mark.parametrize("provider", ["process", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.image])])
def test_a_program_works_in_the_folder_that_it_is_called_from(provider: str, tmp_path: Path) -> None:
    if provider == "docker":
        image_for(NEWEST)
    folder = tmp_path / "my jöb"
    (folder / "data").mkdir(parents=True)
    (folder / "étl.py").write_text(PROGRAM)
    (folder / "beside.py").write_text(MODULE)
    (folder / "data" / "in.csv").write_text("a,b\n1,2\n3,4\n")
    (folder / "words.txt").write_text("four")
    arguments, environ = ["data/in.csv", "data/out.parquet"], {**os.environ, "SPARKANYWHERE_STATE": f"{tmp_path}/state"}
    if provider == "process":
        environ["VIRTUAL_ENV"] = str(environment_with("of_the_environment", tmp_path / "env"))
        arguments.append("by it")
    before = {each: each.stat() for each in folder.rglob("*") if each.is_file()}
    command = [sys.executable, "-m", "sparkanywhere", "run", "--provider", provider, "--executors", "1"]

    ran = subprocess.run(
        [*command, "--files", "words.txt", "étl.py", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=JOB_SECONDS,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{folder} 2 [(0, 4), (2, 4)]" in " ".join(ran.stdout.split("\n"))
    last = f"by {tmp_path}/env [0, 2]" if provider == "process" else "on columns [0, 2]"
    assert last in ran.stdout
    assert (folder / "nöte.txt").read_text() == "hi"
    assert list((folder / "data" / "out.parquet").glob("part-*.parquet"))
    assert list((folder / "spark-warehouse" / "kept").glob("part-*.parquet"))
    assert {each.lstat().st_uid for each in folder.rglob("*")} == {os.getuid()}
    left = {each.name for each in folder.iterdir()} - {"__pycache__"}
    assert left == {"étl.py", "beside.py", "words.txt", "data", "nöte.txt", "spark-warehouse"}
    assert {each: each.stat().st_ino for each in before} == {each: found.st_ino for each, found in before.items()}
