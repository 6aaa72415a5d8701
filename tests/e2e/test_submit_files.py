"""`sparkanywhere run` with files from anywhere: a script and data in S3, a module larger than travels with a job."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sparkanywhere.jobs.job_files import MAX_CARRIED_BYTES

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SPARK = "4.3.0"
JOB_SECONDS = 280.0  # a job takes 15 to 60 s on two busy cores
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
SCRIPT = """
from pyspark.sql import SparkSession
import bulky
spark = SparkSession.builder.getOrCreate()
found = spark.sparkContext.parallelize(range(4), 2).map(lambda each: bulky.double(each)).collect()
spark.range(10).repartition(2).write.parquet("s3://jobs/table")
print("in S3:", spark.read.parquet("s3a://jobs/table").count(), "rows")
print("from S3, with", len(bulky.WEIGHT), "bytes:", found)
"""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the URL of an S3 that holds the script."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client("s3", endpoint_url=url)
        client.create_bucket(Bucket="jobs")
        client.put_object(Bucket="jobs", Key="daily/main.py", Body=SCRIPT.encode())
        yield url
    finally:
        server.stop()


@pytest.fixture
def bulky(tmp_path: Path) -> Path:
    """Return a zip with a module, larger than travels with a job."""
    path = tmp_path / "bulky.zip"
    weight = os.urandom(MAX_CARRIED_BYTES).hex()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("bulky.py", f"WEIGHT = '{weight}'\n\ndef double(number):\n    return 2 * number\n")
    return path


def test_a_script_and_data_in_s3_and_a_large_module_run(
    tmp_path: Path, spark: Callable[[str], Path], s3: str, bulky: Path
) -> None:
    spark(SPARK)
    line = [sys.executable, "-m", "sparkanywhere", "run", "--provider", "process"]
    line += ["--py-files", str(bulky), "--executors", "1", "--spark", SPARK]
    line += ["--with", "s3", "--conf", f"spark.hadoop.fs.s3a.endpoint={s3}"]
    line += ["--driver-memory", "512m", "--executor-memory", "512m", "s3://jobs/daily/main.py"]
    environ = {**os.environ, "AWS_ENDPOINT_URL": s3, "SPARKANYWHERE_STATE": str(tmp_path / "state")}

    ran = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=JOB_SECONDS, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"from S3, with {2 * MAX_CARRIED_BYTES} bytes: [0, 2, 4, 6]" in ran.stdout
    assert list((tmp_path / "state").rglob("bulky*")) == []
