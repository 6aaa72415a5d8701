"""A server of Sail as a job: the pod of a Spark driver in all but what it runs, which is no JVM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from chalicelib.resources.pods.marks import PARK
from sparkanywhere.jobs.job_fields import JOB_OPTIONS
from sparkanywhere.jobs.objects import Objects
from sparkanywhere.jobs.programs import sail_program
from sparkanywhere.jobs.services import CONNECT, LOOPBACK, SERVICE
from sparkanywhere.jobs.spark_properties import CONNECT_PORT
from sparkanywhere.jobs.spec import JobSpec, SpecError

PROGRAM = Path(sail_program.__file__)
REQUIREMENTS = PROGRAM.with_name("sail_requirements.txt")
NOT_SAILS = (
    *("jar_sets", "catalog", "packages", "jars", "executors", "executor_cores", "executor_memory", "executor_template"),
    *("dynamic_allocation", "spot", "keep_shuffle", "keep_warm"),
)


def sail_spec(spec: JobSpec, *, idle_seconds: float, is_on_this_host: bool) -> JobSpec:
    """Return the job of a Sail server, whose executors are none. Raises SpecError for what is a JVM's."""
    options = (JOB_OPTIONS[name] for name in NOT_SAILS)
    if unfit := next((each for each in options if getattr(spec, each.name) != each.default), None):
        raise SpecError(f"{unfit.flag}: Sail has no JVM and no executors, --engine spark has.")
    address, port = (LOOPBACK, 0) if is_on_this_host else (sail_program.ALL_ADDRESSES, CONNECT_PORT)
    return replace(
        spec,
        application=str(PROGRAM),
        args=(f"{idle_seconds:g}", address, str(port)),
        executors=1,
        event_log=False,
        requirements=spec.requirements or str(REQUIREMENTS),
        labels={**spec.labels, SERVICE: CONNECT.label},
        conf={**spec.conf, f"spark.kubernetes.driver.annotation.{PARK}": "false"},
    )


def without_jvm(made: Objects, spec: JobSpec) -> Objects:
    """Return a Sail job's objects with a pod that runs its program itself, and not by spark-submit. Pure."""
    (container,) = (each for each in made.driver["spec"]["containers"] if each["args"][:1] == ["driver"])
    args: list[str] = container["args"]
    _, program, *words = args[args.index("--class") + 1 :]
    archives = args[args.index("--archives") + 1].split(",") if "--archives" in args else []
    paths = [unquote(urlsplit(each).path) for each in (program, *archives[-1:])]
    container["args"] = [spec.python or "python3", paths[0], *words, *paths[1:]]
    return made
