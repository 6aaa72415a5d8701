"""Pure: a SparkApplication of Kubeflow's operator as a job file's document.

Reference: kubeflow/spark-operator 2.x, api/v1beta2/sparkapplication_types.go, which says what property of Spark a field
is. docs/migrating.md lists them. What has no counterpart is refused by its name, or left out where the job computes the
same without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sparkanywhere.jobs.spec import SpecError

API_GROUP, KIND = "sparkoperator.k8s.io", "SparkApplication"
ROLES = ("driver", "executor")
TTL = "spark.kubernetes.driver.annotation.sparkanywhere.io/ttl"
DYNAMIC = "spark.dynamicAllocation"

# field of the spec -> key of a job file
KEYS = {
    "mainApplicationFile": "application",
    "mainClass": "class",
    "arguments": "args",
    "image": "image",
    "imagePullPolicy": "image-pull-policy",
    "sparkVersion": "spark",
    "driver.serviceAccount": "service-account",
    "executor.instances": "executors",
    **{f"{role}.{name}": f"{role}-{name}" for role in ROLES for name in ("cores", "memory")},
    **{f"deps.{name}": name for name in ("jars", "files", "packages", "archives", "repositories")},
    "deps.pyFiles": "py-files",
    "deps.excludePackages": "exclude-packages",
    "dynamicAllocation.enabled": "dynamic-allocation",
}
# field -> property of Spark
PROPERTIES = {
    "memoryOverheadFactor": "spark.kubernetes.memoryOverheadFactor",
    "timeToLiveSeconds": TTL,
    "executor.serviceAccount": "spark.kubernetes.authenticate.executor.serviceAccountName",
    "executor.image": "spark.kubernetes.executor.container.image",
    "executor.deleteOnTermination": "spark.kubernetes.executor.deleteOnTermination",
    **{f"{role}.coreRequest": f"spark.kubernetes.{role}.request.cores" for role in ROLES},
    **{f"{role}.coreLimit": f"spark.kubernetes.{role}.limit.cores" for role in ROLES},
    **{f"{role}.memoryOverhead": f"spark.{role}.memoryOverhead" for role in ROLES},
    **{f"{role}.javaOptions": f"spark.{role}.extraJavaOptions" for role in ROLES},
    **{f"dynamicAllocation.{name}": f"{DYNAMIC}.{name}" for name in ("initialExecutors", "minExecutors")},
    "dynamicAllocation.shuffleTrackingTimeout": f"{DYNAMIC}.shuffleTracking.timeout",
}
ENV = {"driver": "spark.kubernetes.driverEnv.", "executor": "spark.executorEnv."}
# field that is a mapping -> what stands before its names in the properties
PREFIXES = {
    "sparkConf": "",
    "hadoopConf": "spark.hadoop.",
    "nodeSelector": "spark.kubernetes.node.selector.",
    **{f"{role}.nodeSelector": f"spark.kubernetes.{role}.node.selector." for role in ROLES},
    **{f"{role}.labels": f"spark.kubernetes.{role}.label." for role in ROLES},
    **{f"{role}.annotations": f"spark.kubernetes.{role}.annotation." for role in ROLES},
    **{f"{role}.envVars": ENV[role] for role in ROLES},
}
PARTS = (*ROLES, "deps", "dynamicAllocation", "restartPolicy")
# Without these a job computes the same: who schedules it, how it is shown, how narrow its rights are.
LEFT_OUT = {
    *("pythonVersion", "retryInterval", "batchScheduler", "batchSchedulerOptions", "sparkUIOptions"),
    *("driverIngressOptions", "monitoring", "restartPolicy.onSubmissionFailureRetries"),
    *("restartPolicy.onSubmissionFailureRetryInterval", "restartPolicy.onFailureRetryInterval"),
    *("driver.serviceAnnotations", "driver.serviceLabels", "driver.kubernetesMaster"),
    *(
        f"{role}.{name}"
        for role in ROLES
        for name in (
            *("securityContext", "podSecurityContext", "schedulerName", "priorityClassName", "affinity", "tolerations"),
            *("terminationGracePeriodSeconds", "shareProcessNamespace", "ports", "lifecycle"),
        )
    ),
}
TEMPLATES = (
    "bring it in a pod template (--driver-template, --executor-template), or run the operator (docs/operators.md)"
)
NOT_RESTARTED = "run the operator (docs/operators.md) for one that is always started again"


def is_spark_application(document: Any) -> bool:  # Any: a parsed YAML file
    """Return whether a document is a Kubernetes object at all. Raises SpecError if it is one that is no job."""
    if not isinstance(document, Mapping) or not {"apiVersion", "kind"} <= document.keys():
        return False
    if document["kind"] != KIND or str(document["apiVersion"]).partition("/")[0] != API_GROUP:
        raise SpecError(
            f"A {document['kind']} of {document['apiVersion']} is no job: `run` takes a job file or a {KIND} of"
            f" {API_GROUP}; `kubectl apply` takes other objects."
        )
    return True


def job_document(application: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return (a job file's document, the fields that were left out). Raises SpecError, which names the field."""
    metadata, spec = application.get("metadata") or {}, application.get("spec") or {}
    if not isinstance(metadata, Mapping) or not isinstance(spec, Mapping):
        raise SpecError(f"The {KIND}'s metadata and spec are mappings.")
    found: dict[str, Any] = {key: metadata[key] for key in ("name", "namespace", "labels") if metadata.get(key)}
    conf, left_out = found.setdefault("conf", {}), []
    for path, value in _leaves(spec):
        if path in KEYS:
            found[KEYS[path]] = value
        elif path in PROPERTIES:
            conf[PROPERTIES[path]] = value
        elif path in PREFIXES:
            conf |= {f"{PREFIXES[path]}{name}": text for name, text in _mapping(path, value).items()}
        elif path in LEFT_OUT:
            left_out.append(f"spec.{path}")
        else:
            _special(path, value, found)
    return found, left_out


def _leaves(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in spec.items():
        if name in PARTS:
            yield from ((f"{name}.{below}", each) for below, each in _mapping(name, value).items())
        else:
            yield name, value


def _mapping(path: str, value: Any) -> Mapping[str, Any]:  # Any: of the file
    if not isinstance(value, Mapping):
        raise SpecError(f"spec.{path} of the {KIND} is a mapping.")
    return value


def _special(path: str, value: Any, found: dict[str, Any]) -> None:  # Any: of the file
    """Put a field that means more than one key or property into a document. Raises SpecError for any other."""
    part, _, name = path.partition(".")
    conf, text = found["conf"], str(value)
    try:
        match path:
            case "type" if text != "R":
                pass
            case "mode" if text == "cluster":
                pass
            case "restartPolicy.type" if text in ("Never", "OnFailure"):
                pass
            case "restartPolicy.onFailureRetries":
                found["max-attempts"] = int(text) + 1
            case "dynamicAllocation.maxExecutors":
                found["executors"] = value
            case _ if name == "env" and part in ROLES:
                conf |= {f"{ENV[part]}{each['name']}": each["value"] for each in value}
            case _ if name == "secrets" and part in ROLES:
                conf |= {f"spark.kubernetes.{part}.secrets.{each['name']}": each["path"] for each in value}
            case _ if name == "envSecretKeyRefs" and part in ROLES:
                prefix = f"spark.kubernetes.{part}.secretKeyRef."
                conf |= {f"{prefix}{variable}": f"{each['name']}:{each['key']}" for variable, each in value.items()}
            case _:
                advice = NOT_RESTARTED if part == "restartPolicy" else TEMPLATES
                raise SpecError(f"spec.{path} of the {KIND} has no counterpart in a job: {advice}.")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpecError(f"spec.{path} of the {KIND} is not of a form that a job has: {TEMPLATES}.") from error
