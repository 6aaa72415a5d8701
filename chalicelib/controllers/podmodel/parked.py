"""Parked pods: each stands for a task that waits for an executor, from its driver's start until that comes. Pure.

A warm one waits for a driver or an executor of any job of its user's, and is bound to the one that has claimed it.

A parked pod is a pod of the driver's like its executors: it is counted, paid for, shown and ended as they are. Number
N waits for the executor whose spark-exec-id is N, which takes its place in quotas: one executor, and once. What makes a
pod a parked one is an annotation that only we write; its label, which any client may set, is for those who look.
"""

from __future__ import annotations

from datetime import datetime

from chalicelib.apimachinery.accessors import annotations_of, is_deleting, is_terminal, labels_of, owners_of, spec_of
from chalicelib.apimachinery.rules.integers import parse_int64
from chalicelib.apimachinery.types import JSON
from chalicelib.resources.pods.marks import (
    KEEP_WARM,
    KEPT_WARM,
    PARK,
    PARKED,
    PARKED_POD,
    TAKES_WARM,
    WAITS_FOR,
    WARM,
    WARM_USER,
)

ROLE_LABEL, PARKED_ROLE, EXECUTOR_ROLE = "spark-role", "parked", "executor"
EXECUTOR_ID, SELECTOR = "spark-exec-id", "spark-app-selector"
BOUND_TASKS = "sparkanywhere-bound-tasks"  # the resource of records: a task's uid, and the pod that it was bound to


def is_parked(pod: JSON) -> bool:
    """Return whether a pod stands for a task that waits."""
    return WAITS_FOR in annotations_of(pod)


def is_warm(pod: JSON) -> bool:
    """Return whether a pod stands for a task that waits for some job's pod, not for that of its own driver."""
    return is_parked(pod) and WARM_USER in annotations_of(pod)


def wants_parking(driver: JSON, *, by_default: bool) -> bool:
    """Return whether executors' tasks are to start with a driver: as its annotation says, once."""
    annotations = annotations_of(driver)
    wish = str(annotations.get(PARK, "")).strip().lower()
    is_wanted = wish == "true" or (by_default and wish != "false")
    return is_wanted and labels_of(driver).get(ROLE_LABEL) == "driver" and PARKED not in annotations


def is_to_keep_warm(driver: JSON) -> bool:
    """Return whether an ended driver's user has yet to get the tasks that are to be kept warm.

    Never of one that a Job makes: the next attempt may follow.
    """
    marks = annotations_of(driver)
    if any(each.get("controller") for each in owners_of(driver)):
        return False
    return KEEP_WARM in marks and bool(marks.get(TAKES_WARM)) and marks.get(KEPT_WARM) != "true" and is_terminal(driver)


def parked_name(driver_name: str, number: int) -> str:
    """Return the name of a driver's parked pod."""
    return f"{driver_name}-parked-{number}"


def parked_for(executor: JSON, driver: JSON) -> str:
    """Return the name of the parked pod that waits for a new executor of a driver, "" if there never was one."""
    labels, most = labels_of(executor), parse_int64(str(annotations_of(driver).get(PARKED, ""))) or 0
    number = parse_int64(str(labels.get(EXECUTOR_ID, ""))) or 0
    if labels.get(ROLE_LABEL) != EXECUTOR_ROLE or not 1 <= number <= most:
        return ""
    return parked_name(driver["metadata"]["name"], number)


def parked_pod(plan: JSON, driver: JSON, number: int, *, seconds: int) -> JSON:
    """Return one of a driver's parked pods, to be created: of the shape of an executor, for so many seconds.

    A warm driver does not own it: it goes when its own task is bound.
    """
    metadata, about = plan["metadata"], driver["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "uid": about["uid"], "controller": True}
    owners = owners_of(driver) if is_warm(driver) else [owner]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": parked_name(about["name"], number),
            "namespace": about["namespace"],
            "labels": {**metadata["labels"], ROLE_LABEL: PARKED_ROLE},
            "annotations": metadata["annotations"],
            "ownerReferences": owners,
        },
        "spec": {**plan["spec"], "activeDeadlineSeconds": seconds},
    }


def with_optional_volumes(spec: JSON) -> JSON:
    """Return a pod's spec with the same volumes whether what they hold is there or not."""
    volumes = [
        {**each, **{kind: {**each[kind], "optional": True} for kind in ("configMap", "secret") if each.get(kind)}}
        for each in spec.get("volumes") or ()
    ]
    return {**spec, "volumes": volumes}


def warm_pod(driver: JSON, *, span: str) -> JSON:
    """Return the warm pod of a driver's shape that is to wait when it has ended, to be created: it owns that one.

    What it mounts may be gone by then, and is none of the shape.
    """
    about, spec = driver["metadata"], driver["spec"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "uid": about["uid"]}
    containers = [
        {**each, "env": [variable for variable in each.get("env") or () if "valueFrom" not in variable]}
        for each in spec["containers"]
    ]
    kept = {name: value for name, value in spec.items() if name not in ("nodeName", "priority", "preemptionPolicy")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"warm-{about['name']}",
            "namespace": about["namespace"],
            "labels": {
                **labels_of(driver),
                "spark-app-name": "warm",  # the job's name stays the job's
                "spark-app-selector": f"warm-{labels_of(driver).get('spark-app-selector')}",
            },
            "annotations": {
                **{key: text for key, text in annotations_of(driver).items() if key != KEEP_WARM},
                WARM: span,
            },
            "ownerReferences": [owner],
        },
        "spec": {**with_optional_volumes(kept), "containers": containers},
    }


def left_by(driver: JSON) -> list[str]:
    """Return the names of what waits with a warm driver, if that is deleted before anybody has claimed it."""
    marks = annotations_of(driver)
    if not is_warm(driver) or marks[WAITS_FOR] or is_terminal(driver):
        return []
    most = parse_int64(str(marks.get(PARKED, ""))) or 0
    return [parked_name(driver["metadata"]["name"], number) for number in range(1, most + 1)]


def may_take_warm(pod: JSON, driver: JSON, *, user: str) -> bool:
    """Return whether a new pod of a user's may take what its driver may: any client may name any owner.

    The request is the driver's own, its user's, or by a controller of ours, which is "".
    """
    about = driver["metadata"]
    account = f"system:serviceaccount:{about['namespace']}:{spec_of(driver).get('serviceAccountName')}"
    is_owned = any(each.get("controller") and each["uid"] == about["uid"] for each in owners_of(pod))
    return is_owned and user in ("", account, annotations_of(driver).get(TAKES_WARM))


def may_be_bound(parked: JSON, executor: JSON) -> bool:
    """Return whether a stored pod is the parked one that an executor's mark names: of the same owner, or claimed."""
    if is_warm(parked):
        waits_for, takes = (annotations_of(parked)[key] for key in (WAITS_FOR, WARM_USER))
        return (waits_for, takes) == (executor["metadata"]["name"], annotations_of(executor).get(TAKES_WARM))
    owners = {each["uid"] for each in owners_of(executor) if each.get("controller")}
    return is_parked(parked) and bool(owners & {each["uid"] for each in owners_of(parked)})


def name_of_parked(executor: JSON) -> str:
    """Return the name of the parked pod that waits for an executor, as it was marked when it came; "" for none."""
    return str(annotations_of(executor).get(PARKED_POD, ""))


def place_given(parked: JSON, executor: JSON) -> JSON | None:
    """Return a parked pod as one whose place in quotas a new executor takes; None if it may not.

    It may again, under its name: a request is repeated. One that gates hold back is not about to be bound.
    """
    if not may_be_bound(parked, executor) or is_deleting(parked) or spec_of(executor).get("schedulingGates"):
        return None
    annotations, name = annotations_of(parked), executor["metadata"]["name"]
    if annotations[WAITS_FOR] not in ("", name):
        return None
    return {**parked, "metadata": {**parked["metadata"], "annotations": {**annotations, WAITS_FOR: name}}}


def seconds_left(end: datetime | None, now: datetime) -> float:
    """Return how long a parked task may still wait; without an end it may not."""
    return (end - now).total_seconds() if end else 0.0
