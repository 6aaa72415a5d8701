"""The sentence for each kind of failure, from logs that were recorded from real jobs (tests/data/causes/README.md)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes.cause import driver_cause

DATA = Path(__file__).parents[3] / "data" / "causes"
ROW = re.compile(r"(?P<log>\S+) (?P<code>\d+): (?P<sentence>.+)")
ROWS = [ROW.fullmatch(line) for line in (DATA / "sentences.txt").read_text().splitlines()]
FILES = "/opt/sparkanywhere/files"


def driver(kind: str) -> JSON:
    main = ["org.apache.spark.deploy.PythonRunner", f"file://{FILES}/{kind}.py"]
    if kind.startswith("scala"):
        main = ["com.example.Boom", f"file://{FILES}/boom.jar"]
    args = ["driver", "--properties-file", "/opt/spark/conf/spark.properties", "--class", *main]
    return {"metadata": {"uid": "u"}, "spec": {"containers": [{"name": "c", "args": args}]}}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row and row["log"])
def test_a_recorded_failure_is_told_in_one_sentence(row: re.Match[str] | None) -> None:
    assert row
    log = (DATA / f"{row['log']}.log").read_text()

    cause = driver_cause(driver(row["log"].rpartition("-")[0]), int(row["code"]), log)

    assert cause.sentence == row["sentence"]


def test_every_recorded_log_has_its_sentence() -> None:
    assert {row["log"] for row in ROWS if row} == {each.stem for each in DATA.glob("*.log")}
