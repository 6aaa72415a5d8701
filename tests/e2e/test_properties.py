"""Properties files as Spark itself reads them: ours drawn at random, by Spark's own code and by `submit`'s."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sparkanywhere.cli.job_options import properties
from sparkanywhere.jobs.spec import SpecError

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SECONDS = 120  # to compile a few lines of Scala, and to start a JVM, on a busy machine
FILES, LONGEST = 1500, 40
PIECES = [
    *"aZ09.= :#!\\\t\f\n\r",
    "\\\n",
    "\\\r\n",
    "\r\n",
    "\\u00e9",
    "\\uD83D\\uDE00",
    "\\u",
    "\\n",
    "é",
    "日",
    "\\ ",
    "k=v",
]
# A backslash alone on a line: java.util.Properties takes a comment behind it for one, and the file's end for a key.
LONE = re.compile(r"(?:^|[\r\n])[ \t\f]*\\(?=[\r\n]|$)")
EXAMPLES = (
    "spark.a.cont=four \\\n    five\nspark.a.uni=caf\\u00e9\nspark.a.esc\\:key=eight\nspark.a.path=C:\\\\tmp\\\\x\n",
    "\ufeffspark.a b\n",
    "spark.a   :   b  \r\nspark.c\r\n",
)
# Prints a line per file: each key and value in hexadecimal, or `refused`.
SOURCE = """
package org.apache.spark
object Dump {
  def hex(text: String) = text.map(c => f"${c.toInt}%04x").mkString
  def main(args: Array[String]): Unit = {
    for (number <- 0 until args(1).toInt) println(
      try util.Utils.getPropertiesFromFile(s"${args(0)}/$number").toSeq.map { case (k, v) => hex(k) + "=" + hex(v) }
        .sorted.mkString(" ")
      catch { case _: IllegalArgumentException => "refused" })
  }
}
"""


def _ours(path: Path) -> str:
    try:
        found = properties(str(path))
    except SpecError:
        return "refused"
    pairs = ([text.encode("utf-16-be", "surrogatepass").hex() for text in pair] for pair in found.items())
    return " ".join(sorted(f"{key}={value}" for key, value in pairs))


def test_submit_reads_properties_files_as_spark_does(tmp_path: Path, spark: Callable[[str], Path]) -> None:
    home, chance = spark("4.3.0"), random.Random(7)
    drawn = ("".join(chance.choices(PIECES, k=chance.randrange(LONGEST))) for _ in range(FILES))
    texts = [*EXAMPLES, *(text for text in drawn if not LONE.search(text))]
    for number, text in enumerate(texts):
        (tmp_path / str(number)).write_bytes(text.encode())
    (tmp_path / "Dump.scala").write_text(SOURCE)
    java, jars = str(home / "java" / "bin" / "java"), f"{home / 'jars'}/*"

    for line in (
        [
            "-cp",
            jars,
            "scala.tools.nsc.Main",
            "-usejavacp",
            "-nowarn",
            "-d",
            str(tmp_path),
            str(tmp_path / "Dump.scala"),
        ],
        ["-cp", f"{tmp_path}:{jars}", "org.apache.spark.Dump", str(tmp_path), str(len(texts))],
    ):
        ran = subprocess.run([java, *line], capture_output=True, text=True, timeout=SECONDS, check=False)
        assert ran.returncode == 0, ran.stderr
    theirs = [line for line in ran.stdout.split("\n") if not line.startswith("WARN")][: len(texts)]

    wrong = [
        (text, said)
        for text, said, number in zip(texts, theirs, range(len(texts)), strict=True)
        if said != _ours(tmp_path / str(number))
    ]
    assert wrong == []
    assert 20 < theirs.count("refused") < FILES // 2
