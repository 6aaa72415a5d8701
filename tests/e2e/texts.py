"""Texts that some layer may change on its way to a program, and what a program was given in the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from sparkanywhere.spark.spark_submit import environment
from tests.e2e.spark_cluster import JOB_SECONDS, JOBS, SparkCluster
from tests.e2e.spark_cluster import without_own_settings as plain_environment

TEXTS = (
    *("", " ", "a b", "trailing ", "--flag", "--conf", "-x", "a,b", "k=v", "a:b", "#x", "é日😀", "tab\t", "a\nb"),
    *("$HOME", "$(HOME)", "$$", "$(SPARK_USER)", "${env:HOME}", "'q'", '"dq"', "back\\slash", "*", "~", "`id`", ";ls"),
    *("%20", "{{x}}"),
)
FILE_NAMES = (
    *("données.csv", "a+b.txt", "x@y.json", "(1).cfg", "a b.txt", "a_b.txt"),
    *("日本.txt", "100%.txt", "%41.txt", "a;b'c\".txt"),
)
ARCHIVE, FOLDER, INSIDE = "ärchiv 1.zip", "ordner-ü", "dr\u00eennen.txt"
SEEN = (*FILE_NAMES, f"{FOLDER}/{INSIDE}")  # what SparkFiles.get finds
MODULE = "mod_ü"
VARIABLES = {f"TEXT_{number}": text for number, text in enumerate(TEXTS)}
CONF = {f"spark.text.t{number}": text for number, text in enumerate(TEXTS)}
NAME = "nämé: a=b #1"
MARK = "SAID "

Said = dict[str, Any]  # what says_texts.py prints


def _pairs(option: str, values: dict[str, str], prefix: str = "") -> list[str]:
    return [word for key, value in values.items() for word in (option, f"{prefix}{key}={value}")]


def _said(output: str) -> Said:
    lines = [line for line in output.splitlines() if MARK in line]
    assert lines, output
    found: Said = json.loads(lines[-1].partition(MARK)[2])
    return found


def said_to_stock(cluster: SparkCluster, home: Path) -> Said:
    """Return what the program was given by stock spark-submit."""
    conf = [f"{key}={value}" for key, value in CONF.items()]
    for prefix in ("spark.kubernetes.driverEnv.", "spark.executorEnv."):
        conf += [f"{prefix}{key}={value}" for key, value in VARIABLES.items()]

    done = cluster.submit(home, *cluster.program("says_texts.py", *TEXTS), name=NAME, conf=conf)

    assert done.returncode == 0, done.stdout
    return _said(cluster.log(cluster.driver()))


def said_to_submit(cluster: SparkCluster, home: Path, folder: Path) -> Said:
    """Return what the program was given by `sparkanywhere run`, with files of all those names."""
    for name in FILE_NAMES:
        (folder / name).write_text(name, encoding="utf-8")
    with zipfile.ZipFile(folder / ARCHIVE, "w") as archive:
        archive.writestr(INSIDE, SEEN[-1])
    (folder / f"{MODULE}.py").write_text(f"NAME = {MODULE!r}\n", encoding="utf-8")
    program = folder / "jöb é.py"
    program.write_text((JOBS / "says_texts.py").read_text())
    line = [sys.executable, "-m", "sparkanywhere", "run", "--verbose", "--name", NAME]
    for entry in cluster.conf_of(home):
        line += ["--conf", entry]
    line += ["--files", ",".join(str(folder / name) for name in FILE_NAMES)]
    line += ["--archives", f"{folder / ARCHIVE}#{FOLDER}", "--py-files", str(folder / f"{MODULE}.py")]
    variables = {**VARIABLES, "FILE_NAMES": json.dumps(SEEN), "MODULES": json.dumps([MODULE])}
    line += [*_pairs("--conf", CONF), *_pairs("--env", variables), str(program), "--", *TEXTS]
    environ = environment(plain_environment(), spark_home=home, kubeconfig=cluster.server.kubeconfig)
    environ["PYTHONPATH"] = os.pathsep.join(sys.path)

    done = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=JOB_SECONDS, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    return _said(done.stdout)
