"""Run each row of sparkanywhere/jars/table.toml with real Spark on processes; write what came of it into docs/data.md.

The second part of `make jars`. A Spark that is not there is downloaded. `--s3 URL` is another S3 than moto's, for the
credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with a bucket `checks`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sparkanywhere.jars.table import jar_table
from tools.jar_checks import CHECKS

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "data.md"
BEGIN, END = "<!-- written by make jars -->\n", "<!-- until here -->\n"
JOB_SECONDS = 1800.0  # a job of eight sets, and the download of its Spark before it
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


def groups(minor: str) -> Iterator[list[str]]:
    """Yield the sets of a Spark, those together that go together."""
    table, together, apart = jar_table(), list[str](), list[str]()
    for name, each in table.sets.items():
        if minor in each.rows:
            (apart if table.problem([*together, name], table.sparks[minor]) else together).append(name)
    yield together
    yield from (["s3", name] for name in apart)


def line_of(sets: list[str], spark: str, s3: str) -> list[str]:
    """Return the command that runs the checks of some sets."""
    catalog = ["--catalog", "hadoop=s3://checks/lake"] if "iceberg" in sets else []
    conf = {"spark.hadoop.fs.s3a.endpoint": s3, "spark.hadoop.fs.s3a.path.style.access": "true"}
    settings = [word for key, text in conf.items() for word in ("--conf", f"{key}={text}")]
    program = [str(PROJECT / "tools" / "jar_checks.py"), ",".join(sets), f"s3://checks/{spark}"]
    options = ["--provider", "process", "--executors", "1", "--spark", spark, "--with", ",".join(sets)]
    return [sys.executable, "-m", "sparkanywhere", "run", *options, *catalog, *settings, *program]


def ran(sets: list[str], spark: str, s3: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what each of some sets did with a Spark, in words."""
    with tempfile.TemporaryDirectory() as folder:
        job = subprocess.run(
            line_of(sets, spark, s3), cwd=folder, env=environ, text=True, stdout=subprocess.PIPE, timeout=JOB_SECONDS
        )
    said = dict(re.findall(r"^set (\S+) (.*)$", job.stdout, re.MULTILINE))
    return {name: said.get(name, "fails: the job ended before") for name in sets}


@contextmanager
def s3_server() -> Iterator[str]:
    """Yield the URL of an S3 of moto's with the bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="checks")
        yield url
    finally:
        server.stop()


def matrix(results: Mapping[str, Mapping[str, str]]) -> str:
    """Return the table of what each set did with each Spark."""
    sparks = [jar_table().sparks[minor] for minor in results]
    rows = [f"| set | {' | '.join(f'Spark {each}' for each in sparks)} |\n|{'---|' * (len(sparks) + 1)}\n"]
    for name in CHECKS:
        cells = (found.get(name, "no build") for found in results.values())
        rows.append(f"| `{name}` | {' | '.join(cells)} |\n")
    return "".join(rows)


def main() -> None:
    """Run what is asked for; exit with 1 if a set fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--s3", default="", metavar="URL")
    parser.add_argument("--spark", default=",".join(jar_table().sparks), help="minor versions")
    asked = parser.parse_args()
    os.environ.update({key: os.environ.get(key, text) for key, text in KEYS.items()})
    results: dict[str, dict[str, str]] = {minor: {} for minor in asked.spark.split(",")}
    with s3_server() as moto:
        for minor, found in results.items():
            for sets in groups(minor):
                found.update(ran(sets, jar_table().sparks[minor], asked.s3 or moto, os.environ))
                print(f"Spark {minor}: {found}", flush=True)
    where = "another S3 server" if asked.s3 else "moto's S3"
    text = f"Run on {datetime.now(UTC):%Y-%m-%d}, local processes, {where}:\n\n{matrix(results)}"
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")
    sys.exit(any("fails" in each for found in results.values() for each in found.values()))


if __name__ == "__main__":
    main()
