"""Pure: the properties that the driver's Spark is started with, as spark-submit would write them."""

from __future__ import annotations

import re

from sparkanywhere.jars.table import joined
from sparkanywhere.jobs.jar_sets import set_conf
from sparkanywhere.jobs.job_fields import JOB_OPTIONS
from sparkanywhere.jobs.memory_size import JVM_FACTOR, OTHER_FACTOR
from sparkanywhere.jobs.spec import JobSpec

RPC_PORT, BLOCK_MANAGER_PORT, UI_PORT, CONNECT_PORT = 7078, 7079, 4040, 15002
ESCALATION = "securityContext.allowPrivilegeEscalation"  # the end of two settings' names
FIRST_HARDENED = (4, 3)  # SPARK-57493
MASTER = "k8s://https://kubernetes.default.svc"
# Has a driver end once its main has and Spark is stopped (SPARK-48547; with what was thrown: SPARK-53620). Else it
# stays for a second, until Netty's GlobalEventExecutor ends, and for good with such a thread of the program's own.
EXIT, FIRST_WITH_EXIT = "spark.submit.callSystemExitOnMainExit", (4, 1)


def release(version: str) -> tuple[int, ...]:
    """Return the two numbers by which Spark's releases differ in what they know."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def hardens(version: str) -> bool:
    """Return whether this Spark's containers may not gain privileges unless a setting lets them."""
    return release(version) >= FIRST_HARDENED


def driver_ports(version: str) -> dict[str, int]:
    """Return the ports that a driver of this Spark declares, by name; that of Spark Connect as recorded of 4.3."""
    ports = {"driver-rpc-port": RPC_PORT, "blockmanager": BLOCK_MANAGER_PORT, "spark-ui": UI_PORT}
    return {**ports, "spark-connect": CONNECT_PORT} if hardens(version) else ports


def overhead_factor(spec: JobSpec) -> float:
    """Return which part of a heap a pod gets beside it: given, or Spark's own for the language."""
    given = spec.conf.get("spark.driver.memoryOverheadFactor") or spec.conf.get("spark.kubernetes.memoryOverheadFactor")
    if given:
        return float(given)
    return OTHER_FACTOR if spec.is_python else JVM_FACTOR


def properties(spec: JobSpec, *, name: str, app_id: str) -> dict[str, str]:
    """Return the properties of one run; its conf comes last and wins, and adds to extensions."""
    factor = OTHER_FACTOR if spec.is_python else JVM_FACTOR
    own = {
        "spark.app.id": app_id,
        "spark.master": MASTER,
        "spark.submit.deployMode": "cluster",
        "spark.kubernetes.submitInDriver": "true",
        "spark.kubernetes.driver.pod.name": f"{name}-driver",
        "spark.kubernetes.executor.podNamePrefix": name,
        "spark.kubernetes.resource.type": "python" if spec.is_python else "java",
        "spark.kubernetes.memoryOverheadFactor": str(factor),
        "spark.driver.host": f"{name}-driver-svc.{spec.namespace}.svc",
        "spark.driver.port": str(RPC_PORT),
        "spark.driver.blockManager.port": str(BLOCK_MANAGER_PORT),
    }
    if release(spec.spark) >= FIRST_WITH_EXIT:
        own[EXIT] = "true"
    own |= {f"spark.executorEnv.{key}": value for key, value in locale(spec).items()}
    for option in JOB_OPTIONS.values():
        own |= option.properties(spec)
    if spec.dynamic_allocation:
        del own["spark.executor.instances"]
    return joined({**own, **set_conf(spec)}, spec.conf)


def literal(text: str) -> str:
    """Return a text that Kubernetes leaves as it is in args and env, where $(NAME) means a variable and $$ a dollar.

    Spark does the same with the variables of executors.
    """
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text


def locale(spec: JobSpec) -> dict[str, str]:
    """Return what Java needs to read names and arguments beyond ASCII, where the image does not say it."""
    texts = (*spec.args, *spec.env.values(), *spec.named_files)
    return {} if all(each.isascii() for each in texts) or "LANG" in spec.env else {"LANG": "C.UTF-8"}


def under(conf: dict[str, str], prefix: str) -> dict[str, str]:
    """Return the settings below a prefix, the prefix taken off."""
    return {key.removeprefix(prefix): value for key, value in conf.items() if key.startswith(prefix)}
