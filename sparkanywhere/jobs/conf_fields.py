"""Spark settings that mean the same as one of our options.

Compare spark-submit (Spark 4.3, SparkSubmitArguments): an option wins over the properties file. An option and a
--conf that contradict each other are an error here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# setting -> (field of a JobSpec, option)
CONF_FIELDS = {
    "spark.app.name": ("name", "--name"),
    "spark.driver.cores": ("driver_cores", "--driver-cores"),
    "spark.driver.memory": ("driver_memory", "--driver-memory"),
    "spark.executor.cores": ("executor_cores", "--executor-cores"),
    "spark.executor.instances": ("executors", "--executors"),
    "spark.executor.memory": ("executor_memory", "--executor-memory"),
    "spark.kubernetes.authenticate.driver.serviceAccountName": ("service_account", "--service-account"),
    "spark.kubernetes.container.image": ("image", "--image"),
    "spark.kubernetes.container.image.pullPolicy": ("image_pull_policy", "--image-pull-policy"),
    "spark.kubernetes.driver.podTemplateFile": ("driver_template", "--driver-template"),
    "spark.kubernetes.executor.podTemplateFile": ("executor_template", "--executor-template"),
    "spark.kubernetes.namespace": ("namespace", "--namespace"),
}
# Settings that a job cannot have here, and what to do instead.
REFUSED = {
    "spark.master": "choose the control plane by --context or --provider",
    "spark.submit.deployMode": "the driver always runs as a pod",
    "spark.kubernetes.driver.pod.name": "use --name",
    "spark.kubernetes.executor.podNamePrefix": "use --name",
    "spark.app.id": "each run gets one of its own",
    "spark.kubernetes.file.upload.path": "files are staged by the control plane",
}


class ConfError(ValueError):
    """A setting contradicts an option; str() is one sentence."""


def as_fields(
    conf: Mapping[str, str], given: Mapping[str, Any], *, where: str, wins: bool
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (fields that settings mean, the other settings). Raises ConfError.

    `given` are fields that options set. If `wins`, a setting may not contradict them; else they override it.
    """
    found: dict[str, Any] = {}
    rest: dict[str, str] = {}
    for key, text in conf.items():
        if key not in CONF_FIELDS:
            rest[key] = text
            continue
        name, option = CONF_FIELDS[key]
        value: Any = text
        if name in ("executors", "executor_cores", "driver_cores"):
            try:
                value = int(text)
            except ValueError:
                raise ConfError(f"{where} {key}={text}: that takes a whole number.") from None
        if name not in given:
            found[name] = value
        elif wins and given[name] != value:
            raise ConfError(
                f"{where} {key}={text} contradicts {option} {given[name]}: leave one of them out."
            )
    return found, rest
