"""Run each row of sparkanywhere/jars/table.toml with real Spark; write what came of it into docs/data.md.

The second part of `make jars`: on local processes, on Docker, and on AWS in a box. A Spark and an image that are not
there are made. `--s3 URL` is another S3 than S3Proxy, for the credentials in AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, with a bucket `checks`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sparkanywhere.jars.table import jar_table, minor_of
from sparkanywhere.local.kubeconfig import kubeconfig, write_kubeconfig
from tests.contexts import context_of
from tools.jar_checks import CHECKS
from tools.jar_servers import BUCKET, KEY, reachable_host, s3_proxy, servers

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "data.md"
BEGIN, END = "<!-- written by make jars -->\n", "<!-- until here -->\n"
JOB_SECONDS = 1800.0  # a job of eight sets, and the download of its Spark before it
KEYS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_DEFAULT_REGION": "us-east-1"}
# Of containers, where all jars come the same way: what is tried, and on which Sparks, each an image of a gigabyte.
CONTAINED, MADE = ("s3", "iceberg", "delta", "kafka", "postgres"), ("4.3", "4.1", "3.5")
PLACES: dict[str, tuple[str, Collection[str], Collection[str]]] = {  # in words, what is tried, on which Sparks
    "process": ("local processes", CHECKS, jar_table().sparks),
    "docker": ("Docker", CONTAINED, MADE),
    "box": ("AWS in a box", CONTAINED, MADE),
}


def groups(minor: str, among: Collection[str] = CHECKS) -> Iterator[list[str]]:
    """Yield the sets of a Spark that are `among` some, those together that go together."""
    table, together, apart = jar_table(), list[str](), list[str]()
    for name, each in table.sets.items():
        if minor in each.rows and name in among:
            (apart if table.problem([*together, name], table.sparks[minor]) else together).append(name)
    if together:
        yield together
    yield from (["s3", name] for name in apart)


def line_of(sets: list[str], spark: str, s3: str, place: str) -> list[str]:
    """Return the command that runs the checks of some sets."""
    catalog = ["--catalog", f"hadoop=s3://{BUCKET}/{place}/lake"] if "iceberg" in sets else []
    conf = {"spark.hadoop.fs.s3a.endpoint": s3, "spark.hadoop.fs.s3a.path.style.access": "true"}
    settings = [word for key, text in conf.items() for word in ("--conf", f"{key}={text}")]
    told = [
        word for key, text in os.environ.items() if key.startswith("CHECKS_") for word in ("--env", f"{key}={text}")
    ]
    program = [str(PROJECT / "tools" / "jar_checks.py"), ",".join(sets), f"s3://{BUCKET}/{place}/{spark}"]
    options = [] if place == "box" else ["--provider", place]
    options += ["--executors", "1", "--spark", spark, "--with", ",".join(sets)]
    return [sys.executable, "-m", "sparkanywhere", "run", *options, *catalog, *settings, *told, *program]


def ran(line: list[str], sets: list[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return what each of some sets did, in words."""
    with tempfile.TemporaryDirectory() as folder:
        job = subprocess.run(line, cwd=folder, env=environ, text=True, stdout=subprocess.PIPE, timeout=JOB_SECONDS)
    said = dict(re.findall(r"^set (\S+) (.*)$", job.stdout, re.MULTILINE))
    return {name: said.get(name, "fails: the job ended before") for name in sets}


@contextmanager
def opened(place: str, folder: Path, host: str) -> Iterator[tuple[dict[str, str], str]]:
    """Yield the variables that lead to a place, and the S3 that it needs, "" for that of all."""
    if place != "box":
        yield {}, ""
        return
    from tests.aws_box.box import AwsBox  # it loads moto
    from tests.aws_box.deployment import TOKEN
    from tests.aws_box.package import make_package

    with ExitStack() as stack:
        url = stack.enter_context(s3_proxy(host, folder / "open", checks_keys=False))  # each task signs as itself
        box = AwsBox(make_package(folder / "package"), folder / "box")
        stack.callback(box.close)
        file = folder / "kubeconfig"
        write_kubeconfig(file, kubeconfig(box.url, token=TOKEN))
        yield context_of(file), url


def matrix(results: Mapping[str, Mapping[str, str]]) -> str:
    """Return the table of what each set did with each Spark."""
    sparks = [jar_table().sparks[minor] for minor in results]
    rows = [f"| set | {' | '.join(f'Spark {each}' for each in sparks)} |\n|{'---|' * (len(sparks) + 1)}\n"]
    for name in (each for each in CHECKS if any(each in found for found in results.values())):
        cells = (found.get(name, "no build") for found in results.values())
        rows.append(f"| `{name}` | {' | '.join(cells)} |\n")
    return "".join(rows)


def read_matrix(text: str) -> dict[str, dict[str, str]]:
    """Return what a text with such a table says that each set did with each Spark."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    if not lines:
        return {}
    (_, *sparks), *rows = lines
    cells = {minor_of(each.split()[1]): [row[number] for row in rows] for number, each in enumerate(sparks, 1)}
    names = [row[0].strip("`") for row in rows]
    return {
        minor: {name: cell for name, cell in zip(names, column, strict=True) if cell != "no build"}
        for minor, column in cells.items()
    }


def tried(
    place: str, minors: list[str], only: Collection[str], host: str, s3: str, folder: Path
) -> dict[str, dict[str, str]]:
    """Return what each set did with each Spark in a place; `only` are the sets that are tried, () for all of it."""
    _, of_place, sparks = PLACES[place]
    sets_tried = [each for each in of_place if not only or each in ("s3", *only)]  # some work on an S3
    results: dict[str, dict[str, str]] = {minor: {} for minor in minors if minor in sparks}
    with opened(place, folder, host) as (variables, own):
        for minor, found in results.items():
            spark = jar_table().sparks[minor]
            if place == "box":
                subprocess.run([sys.executable, "-m", "sparkanywhere", "image", spark], check=True)
            for sets in groups(minor, sets_tried):
                found |= ran(line_of(sets, spark, own or s3, place), sets, {**os.environ, **variables})
                print(f"{place}, Spark {minor}: {found}", flush=True)
    return results


def write(place: str, s3: str, results: Mapping[str, Mapping[str, str]]) -> None:
    """Write the table of a place into the page; what was not tried keeps what it says."""
    begin = BEGIN.replace(" -->", f" on {place} -->")
    before, _, rest = PAGE.read_text("utf-8").partition(begin)
    server = "another S3 server" if s3 else "S3Proxy 4.1.0, Kafka 4.4.0, PostgreSQL"
    words, _, _ = PLACES[place]
    old = read_matrix(rest.partition(END)[0])
    both = {minor: {**old.get(minor, {}), **results.get(minor, {})} for minor in jar_table().sparks}
    kept = {minor: found for minor, found in both.items() if found}
    text = f"{words[0].upper()}{words[1:]}, {datetime.now(UTC):%Y-%m-%d}, {server}:\n\n{matrix(kept)}"
    PAGE.write_text(f"{before}{begin}{text}{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    """Run what is asked for; exit with 1 if a set fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--s3", default="", metavar="URL")
    parser.add_argument("--spark", default=",".join(jar_table().sparks), help="minor versions")
    parser.add_argument("--sets", default="", help="these alone; the others keep what the page says of them")
    parser.add_argument("--on", default=",".join(PLACES), help="places")
    asked = parser.parse_args()
    failed, host = False, reachable_host()
    os.environ.update({key: os.environ.get(key, text) for key, text in KEYS.items()})
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        folder.chmod(0o711)  # PostgreSQL's user passes through
        for name in ("of-all", "servers", "open"):
            (folder / name).mkdir()
        s3 = asked.s3 or stack.enter_context(s3_proxy(host, folder / "of-all"))
        os.environ.update(stack.enter_context(servers(host, folder / "servers")))
        for place in asked.on.split(","):
            results = tried(
                place, asked.spark.split(","), asked.sets.split(",") if asked.sets else (), host, s3, folder
            )
            write(place, asked.s3, results)
            failed |= any("fails" in each for found in results.values() for each in found.values())
    sys.exit(failed)


if __name__ == "__main__":
    main()
