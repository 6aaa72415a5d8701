"""Compile our SparkPi with the Scala compiler that is among Spark's own jars."""

from __future__ import annotations

import re
import subprocess
import zipfile
from importlib import resources
from pathlib import Path

COMPILE_SECONDS = 300  # 4-6 s on two idle cores; a loaded machine gets patience, a hang gets an end
MANIFEST = "Manifest-Version: 1.0\r\nCreated-By: sparkanywhere\r\n\r\n"


class CompileFailed(Exception):
    """The Scala compiler refused or could not run; str() is one sentence with its last words."""


def scala_version(jars: Path) -> str:
    """Return the binary Scala version (2.12, 2.13) of a folder of Spark's jars; raises CompileFailed."""
    for jar in sorted(jars.glob("scala-library-*.jar")):
        found = re.fullmatch(r"scala-library-(\d+\.\d+)\..*\.jar", jar.name)
        if found:
            return found[1]
    raise CompileFailed(f"{jars} holds no scala-library: this Spark can't compile the examples.")


def example_jar(spark_home: Path, version: str) -> Path:
    """Return where this Spark's examples jar belongs, named as the official distribution names it."""
    name = f"spark-examples_{scala_version(spark_home / 'jars')}-{version}.jar"
    return spark_home / "examples" / "jars" / name


def compile_examples(spark_home: Path, version: str, *, java: Path, scratch: Path) -> Path:
    """Compile the examples into the examples jar of `spark_home`; return it. Raises CompileFailed."""
    classes = scratch / "classes"
    classes.mkdir(parents=True)
    source = scratch / "SparkPi.scala"
    source.write_text(resources.files("sparkanywhere.examples").joinpath("SparkPi.scala").read_text())
    compiler = [str(java), "-cp", f"{spark_home / 'jars'}/*", "scala.tools.nsc.Main", "-usejavacp"]
    try:
        subprocess.run(
            [*compiler, "-nowarn", "-d", str(classes), str(source)],
            capture_output=True,
            text=True,
            timeout=COMPILE_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip().splitlines()
        last = said[-1] if said else f"exit code {error.returncode}"
        raise CompileFailed(f"The Scala compiler failed on SparkPi: {last}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompileFailed(f"The Scala compiler did not run: {error}") from error
    jar = example_jar(spark_home, version)
    jar.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/MANIFEST.MF", MANIFEST)
        for file in sorted(classes.rglob("*.class")):
            archive.write(file, file.relative_to(classes).as_posix())
    return jar
