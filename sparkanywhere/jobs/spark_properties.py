"""Pure: the properties that the driver's Spark is started with, as spark-submit would write them."""

from __future__ import annotations

from sparkanywhere.jobs.spec import JVM_FACTOR, OTHER_FACTOR, JobSpec

RPC_PORT, BLOCK_MANAGER_PORT, UI_PORT = 7078, 7079, 4040
MASTER = "k8s://https://kubernetes.default.svc"
TEMPLATE_PATH = "/opt/spark/pod-template"
TEMPLATE_FILE = "pod-spec-template.yml"
APPLICATION_LABEL = "sparkanywhere.io/application"  # one for all attempts of an application


def overhead_factor(spec: JobSpec) -> float:
    """Return which part of a heap a pod gets beside it: given, or Spark's own for the language."""
    given = spec.conf.get("spark.driver.memoryOverheadFactor") or spec.conf.get("spark.kubernetes.memoryOverheadFactor")
    if given:
        return float(given)
    return OTHER_FACTOR if spec.is_python else JVM_FACTOR


def properties(spec: JobSpec, *, name: str, app_id: str) -> dict[str, str]:
    """Return the properties of one run; its conf comes last and wins."""
    factor = OTHER_FACTOR if spec.is_python else JVM_FACTOR
    own = {
        "spark.app.id": app_id,
        "spark.app.name": spec.app_name,
        "spark.master": MASTER,
        "spark.submit.deployMode": "cluster",
        "spark.kubernetes.submitInDriver": "true",
        "spark.kubernetes.namespace": spec.namespace,
        "spark.kubernetes.driver.pod.name": f"{name}-driver",
        "spark.kubernetes.executor.podNamePrefix": name,
        "spark.kubernetes.container.image": spec.image_name,
        "spark.kubernetes.container.image.pullPolicy": spec.image_pull_policy,
        "spark.kubernetes.resource.type": "python" if spec.is_python else "java",
        "spark.kubernetes.memoryOverheadFactor": str(factor),
        "spark.driver.host": f"{name}-driver-svc.{spec.namespace}.svc",
        "spark.driver.port": str(RPC_PORT),
        "spark.driver.blockManager.port": str(BLOCK_MANAGER_PORT),
        "spark.driver.memory": spec.driver_memory,
        "spark.driver.cores": str(spec.driver_cores),
        "spark.executor.instances": str(spec.executors),
        "spark.executor.memory": spec.executor_memory,
        "spark.executor.cores": str(spec.executor_cores),
    }
    own |= _wishes(spec)
    own |= {f"spark.executorEnv.{key}": value for key, value in {**spec.env, **locale(spec)}.items()}
    own |= {f"spark.kubernetes.executor.secrets.{key}": path for key, path in spec.secrets.items()}
    own |= {f"spark.kubernetes.executor.secretKeyRef.{key}": place for key, place in spec.secret_env.items()}
    if spec.dynamic_allocation:
        del own["spark.executor.instances"]
    return {**own, **spec.conf}


def _wishes(spec: JobSpec) -> dict[str, str]:
    own = {}
    if spec.service_account:
        own["spark.kubernetes.authenticate.driver.serviceAccountName"] = spec.service_account
    if spec.packages:
        own["spark.jars.packages"] = ",".join(spec.packages)
        own["spark.jars.ivy"] = "/tmp/.ivy2"  # the image's user has no home that it may write to
    if spec.dynamic_allocation:
        own["spark.dynamicAllocation.enabled"] = "true"
        own["spark.dynamicAllocation.shuffleTracking.enabled"] = "true"
        own["spark.dynamicAllocation.maxExecutors"] = str(spec.executors)
    if spec.spot:
        own["spark.kubernetes.executor.node.selector.sparkanywhere.io/capacity-type"] = "spot"
        own["spark.decommission.enabled"] = "true"
    if spec.arch:
        own["spark.kubernetes.node.selector.kubernetes.io/arch"] = spec.arch
    if spec.executor_template:
        own["spark.kubernetes.executor.podTemplateFile"] = f"{TEMPLATE_PATH}/{TEMPLATE_FILE}"
    return own


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
