"""The Python packages of a job's --requirements: a folder of this machine on PYTHONPATH, or an archive that is brought.

In containers Spark unpacks the archive into the working folders of driver and executors, as with --archives, before any
Python starts there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from chalicelib.apimachinery.accessors import labels_of
from chalicelib.config import Settings
from sparkanywhere.client.kube_client import ApiError, KubeClient
from sparkanywhere.jobs.job_files import FileFailed
from sparkanywhere.jobs.spec import JobSpec
from sparkanywhere.jobs.staging import Say
from sparkanywhere.python_packages import MACHINES, PackagesFailed, Runtime, ensure_packages, packed, requirements_of

ALIAS = "requirements"  # of the archive, in working folders
UNPACKED = f"/opt/spark/work-dir/{ALIAS}"
ARCH = "kubernetes.io/arch"


def with_requirements(
    client: KubeClient, spec: JobSpec, environ: Mapping[str, str], *, is_local: bool, say: Say
) -> JobSpec:
    """Return the job with the packages that it asks for, installed first if they are not in the cache.

    If `is_local`, its pods are processes of this machine and run the interpreter spec.python. Raises FileFailed.
    """
    if not spec.requirements:
        return spec
    path, cache = Path(spec.requirements), Settings.from_env(environ).cache_dir()
    runtime = Runtime(machine=MACHINES[_architecture(client, spec)])
    if is_local:
        runtime = Runtime(spec.python or spec.env.get("PYSPARK_PYTHON") or sys.executable)

    def before() -> None:
        say(f"Installing what {path.name} asks for (once) ...")

    try:
        folder = ensure_packages(
            requirements_of(path), runtime, cache=cache, beside=path.absolute().parent, before=before
        )
        archive = None if is_local else packed(folder)
    except PackagesFailed as error:
        raise FileFailed(str(error)) from error
    place = UNPACKED if archive else str(folder)
    python_path = ":".join(filter(None, [place, spec.env.get("PYTHONPATH", "")]))
    archives = (*spec.archives, f"{archive}#{ALIAS}") if archive else spec.archives
    return replace(spec, env={**spec.env, "PYTHONPATH": python_path}, archives=archives)


def _architecture(client: KubeClient, spec: JobSpec) -> str:
    """Return the kind of processor that the job's pods have, as Kubernetes calls it."""
    if spec.arch:
        return spec.arch
    try:
        nodes = client.get("/api/v1/nodes")["items"]
    except ApiError:  # a user who may not list nodes
        nodes = []
    known = (labels_of(node).get(ARCH, "") for node in nodes)
    return next((each for each in known if each in MACHINES), "amd64")
