"""Build an image on one of ours that holds jars of `--with` and Python packages, so that no job brings them.

Jars are not put beside Spark's, but where jobs find them by Spark's scheme local: the archive of Spark's classes then
stays valid, and a job that does not ask for them does not load them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparkanywhere.jars.image_tag import place, tag_of
from sparkanywhere.jars.jar_cache import ensure_jars
from sparkanywhere.jars.repository import find_repository
from sparkanywhere.jars.table import jar_table
from sparkanywhere.python_packages import PackagesFailed, Runtime, ensure_packages, machine_of, requirements_of
from sparkanywhere.spark.base_image import ImageFailed, has_image
from sparkanywhere.spark.image import REPOSITORY, UNUSED, run_build
from sparkanywhere.spark.progress import Progress, Step

PACKAGES, SYSTEM_PACKAGES = "/opt/sparkanywhere/python", "/usr/local/lib/python3.11/dist-packages"
# What Python's start finds and runs (site): PYTHONPATH is the job's own.
BEFORE_SYSTEM = f"import sys; sys.path.insert(sys.path.index({SYSTEM_PACKAGES!r}), {PACKAGES!r})\n"
SETS_LABEL = "io.sparkanywhere.jar-sets"
RECIPE = """\
FROM {base}
USER root
COPY --chown=root:root image /
USER spark
"""


def ensure_extended(
    client: Any,  # a docker.APIClient
    base: str,
    sets: Sequence[str],
    requirements: Path | None,
    *,
    cache: Path,
    environ: Mapping[str, str],
    progress: Progress,
    again: bool = False,
) -> str:
    """Return the name of an image of `base`, which is ours, with sets of jars and packages; built if it is not there.

    Raises ImageFailed, JarsFailed.
    """
    spark = base.rpartition(":")[2].partition("-")[0]
    try:
        lines = requirements_of(requirements) if requirements else ""
        name = f"{REPOSITORY}:{tag_of(spark, sets, lines)}"
        of_base = client.inspect_image(base)["Id"]
        if not again and has_image(client, name):
            found = client.inspect_image(name)["Config"].get("Labels") or {}
            if found.get("io.sparkanywhere.base") == of_base:
                return name
        jars = jar_table().jars(sets, spark)
        paths = ensure_jars(jars, cache=cache, repository=find_repository(environ, home=Path.home()), progress=progress)
        files = {f"image{place(jar)}": path for jar, path in zip(jars, paths, strict=True)}
        if requirements:
            progress(Step("Installing Python packages for the image"))
            runtime = Runtime(machine=machine_of(str(client.info()["Architecture"])))
            folder = ensure_packages(lines, runtime, cache=cache, beside=requirements.absolute().parent)
            for path in sorted(each for each in folder.rglob("*") if each.is_file()):
                if not UNUSED.intersection(path.relative_to(folder).parts):
                    files[f"image{PACKAGES}/{path.relative_to(folder).as_posix()}"] = path
    except PackagesFailed as error:
        raise ImageFailed(str(error)) from error
    labels = {SETS_LABEL: ",".join(sets), "io.sparkanywhere.base": of_base}
    with tempfile.TemporaryDirectory(prefix="sparkanywhere-") as scratch:
        recipe = Path(scratch, "Dockerfile")
        recipe.write_text(RECIPE.format(base=base))
        files["Dockerfile"] = recipe
        if requirements:
            start = files[f"image{SYSTEM_PACKAGES}/sparkanywhere.pth"] = Path(scratch, "pth")
            start.write_text(BEFORE_SYSTEM)
        run_build(client, name, files, labels=labels, progress=progress)
    return name
