"""Build `sparkanywhere/spark:<tag>` without a registry: Debian's packages below, PyPI's pyspark on top.

A base with Java, a SPARK_HOME of spark_distribution, then images/Dockerfile, its context written on the way. Tags are
as those of apache/spark: 4.3.0 has Python, 4.3.0-scala has not.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkanywhere.project import PROJECT
from sparkanywhere.python_packages import PackagesFailed, Runtime, as_lines, ensure_packages, machine_of, spark_needs
from sparkanywhere.spark.base_image import PYTHON, WGET, ImageFailed, ensure_base, has_image
from sparkanywhere.spark.build_context import pieces
from sparkanywhere.spark.java_wrapper import CLASSES, class_path, wrapper_text
from sparkanywhere.spark.progress import Progress, Step
from sparkanywhere.spark.spark_distribution import SparkUnavailable, ensure

FOLDER = PROJECT / "images"
REPOSITORY = "sparkanywhere/spark"
OWN_FILES = ("Dockerfile", "entrypoint.sh", "decom.sh")
IMAGE_HOME, IMAGE_JAVA = Path("/opt/spark"), Path("/opt/java")  # SPARK_HOME in the image, and what Java is below
# this machine's Java, and what jobs run from this SPARK_HOME have left behind
LEFT_OUT = frozenset({"JAVA_HOME", "java", "logs", "work"})
OWN_LAYERS = frozenset({"jars", "python"})  # the other parts of a SPARK_HOME share one
TITLE_LABEL, TITLE = "org.opencontainers.image.title", "Apache Spark"
PACKAGES_LABEL, RECIPE_LABEL = "io.sparkanywhere.python-packages", "io.sparkanywhere.recipe"
UNUSED = frozenset({"tests", "include", "bin"})  # of Python packages, in a container


@dataclass(frozen=True, slots=True)
class Kind:
    """What a tag means: a version of Spark, with Python or, as `-scala`, without."""

    version: str
    has_python: bool

    @classmethod
    def of(cls, tag: str) -> Kind:
        """Return what a tag means; raises ImageFailed."""
        version, _, variant = tag.partition("-")
        if variant not in ("", "scala"):
            raise ImageFailed(f"There is no variant {variant!r}: {version} has Python, {version}-scala has not.")
        return cls(version, not variant)

    @property
    def labels(self) -> dict[str, str]:
        """Return what its image is labelled with."""
        parts = [(FOLDER / name).read_bytes() for name in OWN_FILES]
        parts += [_wrapper(FOLDER).encode(), CLASSES.read_bytes()]
        return {
            TITLE_LABEL: TITLE,
            PACKAGES_LABEL: as_lines(spark_needs(self.version)) if self.has_python else "",
            RECIPE_LABEL: hashlib.sha256(b"".join(parts)).hexdigest()[:12],
            "org.opencontainers.image.version": self.version,
        }


def image_name(tag: str) -> str:
    """Return the name of the image for a version of Spark, or `<version>-scala`."""
    return f"{REPOSITORY}:{tag}"


def ensure_image(
    client: Any,  # a docker.APIClient, whose stubs know half of it
    tag: str,
    *,
    cache: Path,
    environ: Mapping[str, str],
    progress: Progress,
    again: bool = False,
) -> str:
    """Return the name of the image, built if the engine has none, or `again`.

    About 95 s the first time, 35 s for a further version, nothing the second time. Raises ImageFailed.
    """
    name, kind = image_name(tag), Kind.of(tag)
    if not again and _is_current(client, name, kind):
        return name
    packages = None
    try:
        base = ensure_base(client, (PYTHON if kind.has_python else WGET,), progress)
        home = ensure(kind.version, cache=cache, environ=environ, progress=progress)
        if kind.has_python:
            progress(Step("Installing pandas and pyarrow for the image"))
            runtime = Runtime(machine=machine_of(str(client.info()["Architecture"])))
            packages = ensure_packages(as_lines(spark_needs(kind.version)), runtime, cache=cache)
    except (SparkUnavailable, PackagesFailed) as error:
        raise ImageFailed(str(error)) from error
    build(client, name, kind, base=base, home=home, packages=packages, progress=progress)
    return name


def _is_current(client: Any, name: str, kind: Kind) -> bool:
    """Return whether the engine has the image, and it is none of ours made in another way."""
    if not has_image(client, name):
        return False
    labels = client.inspect_image(name)["Config"].get("Labels") or {}
    return labels.get(TITLE_LABEL) != TITLE or all(labels.get(key) == value for key, value in kind.labels.items())


def build(
    client: Any, name: str, kind: Kind, *, base: str, home: Path, packages: Path | None, progress: Progress
) -> None:
    """Build an image of a SPARK_HOME and a folder of Python packages, if any. Repeatable. Raises ImageFailed."""
    with tempfile.TemporaryDirectory(prefix="sparkanywhere-") as scratch:
        wrapper = Path(scratch, "java")
        wrapper.write_text(_wrapper(home))
        wrapper.chmod(0o755)
        empty = Path(scratch, "empty")
        empty.mkdir()
        of_python = {"python": empty, "spark/python": empty}  # COPY wants to find them
        files = {"java": wrapper, "classes.txt.gz": CLASSES, **of_python, **context_files(home, packages)}
        arguments = {"BASE": base, "CLASS_PATH": class_path(home, IMAGE_HOME)}
        run_build(client, name, files, labels=kind.labels, progress=progress, arguments=arguments)


def run_build(
    client: Any,
    name: str,
    files: Mapping[str, Path],
    *,
    labels: Mapping[str, str],
    progress: Progress,
    arguments: Mapping[str, str] | None = None,
) -> None:
    """Have the engine build an image of a context: path in it -> file on this machine. Raises ImageFailed."""
    from docker.errors import APIError

    total_bytes = sum(path.stat().st_size for path in files.values())
    try:
        lines = client.build(
            fileobj=pieces(files, total_bytes, progress),
            custom_context=True,
            tag=name,
            buildargs=dict(arguments or {}),
            labels=dict(labels),
            rm=True,
            forcerm=True,
            decode=True,
        )
        for line in lines:
            if "error" in line:
                raise ImageFailed(f"The engine could not build {name}: {line['error']}")
            step = str(line.get("stream", "")).strip()
            if step.startswith("Step "):
                progress(Step(f"Building {name}: {step.partition(' : ')[0].lower()}"))
    except APIError as error:
        raise ImageFailed(f"The engine could not build {name}: {error.explanation or error}") from error


def _wrapper(home: Path) -> str:
    """Return the text of the image's `java` for the Spark in `home`."""
    java, folder = IMAGE_JAVA / "real" / "bin" / "java", IMAGE_JAVA / "openjdk"
    return wrapper_text(home, IMAGE_HOME, java=java, folder=folder, lacks_vectors=False, delays=True)


def context_files(home: Path, packages: Path | None) -> dict[str, Path]:
    """Return what the build context holds of a SPARK_HOME and of Python packages: path in it -> file on this machine.

    Without packages there is nothing of Python in it.
    """
    files = {name: FOLDER / name for name in OWN_FILES}
    for path in sorted(home.rglob("*")):
        inside = path.relative_to(home)
        top = inside.parts[0]
        if path.is_file() and top not in LEFT_OUT and (packages or top != "python"):
            files["/".join(("spark", *(() if top in OWN_LAYERS else ("home",)), *inside.parts))] = path
    if packages is None:
        return files
    for path in sorted(packages.rglob("*")):
        inside = path.relative_to(packages)
        if path.is_file() and not UNUSED.intersection(inside.parts):
            files[f"python/{inside.as_posix()}"] = path
    return files


def describe(client: Any, name: str) -> str:
    """Return one line on an image: name, size, id."""
    raw = client.inspect_image(name)
    return f"{name}: {raw['Size'] // 1_000_000} MB, {raw['Id'].removeprefix('sha256:')[:12]}"
