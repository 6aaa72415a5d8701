"""PodRecords: what is kept of a Spark application's pod that was deleted. Made by us; clients read and delete them.

metadata      its own name, uid and time; the pod's labels, so that selectors find it as they found the pod
pod           the pod as it last was, without managedFields
deletionTime  when it was removed
state         Succeeded, Failed, Killed (a driver that was deleted before its end) or Ended (any other pod)
logs          for each container: where its log is (`place`, if not here), or why there is none (`error`)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, labels_of, metadata_of, phase_of
from chalicelib.apimachinery.rules import meta
from chalicelib.apimachinery.rules.time import format_time
from chalicelib.apimachinery.types import JSON
from chalicelib.registry.strategy import NAME_COLUMN, Column, Strategy
from chalicelib.registry.subresources import READ_VERBS, Subresource

GROUP, VERSION, RESOURCE = "sparkanywhere.io", "v1alpha1", "podrecords"
CUT_SHORT = KILLED, ENDED = ("Killed", "Ended")  # states of pods that were deleted before their end
SPARK_LABELS = ("spark-role", "spark-app-selector")  # a pod with one of them is of a Spark application
LONGEST_NAME = 253 - 13  # of the pod in the name of its record: a dash and the last part of a uid follow
_DELETE_VERBS = ("delete", "deletecollection")


def is_cut_short(pod: JSON) -> bool:
    """Return whether somebody deleted a pod before it had ended: what has ended is deleted without grace."""
    return is_deleting(pod) and (not is_terminal(pod) or bool(metadata_of(pod).get("deletionGracePeriodSeconds")))


def state_of(pod: JSON) -> str:
    """Return how a pod has ended, its phase while it has not. Of one that is gone its record tells (`state`).

    A driver stops its executors by deleting them, so that one cut short has not failed, whatever its exit code.
    """
    phase = phase_of(pod) or "Pending"
    if phase == "Succeeded" or not is_cut_short(pod):
        return phase
    return KILLED if labels_of(pod).get("spark-role") == "driver" else ENDED


def record_name(metadata: JSON) -> str:
    """Return the name of a pod's record, by the pod's metadata."""
    return f"{metadata['name'][:LONGEST_NAME]}-{metadata['uid'].rpartition('-')[2][:12]}"


def record_of(pod: JSON, logs: Sequence[JSON], now: datetime) -> JSON:
    """Return the record of a pod that is removed now; the same one for the same pod each time."""
    metadata = metadata_of(pod)
    own = {
        "name": record_name(metadata),
        "namespace": metadata.get("namespace", ""),
        "uid": str(uuid5(NAMESPACE_URL, f"podrecord/{metadata['uid']}")),
        "creationTimestamp": format_time(now),
        **({"labels": metadata["labels"]} if metadata.get("labels") else {}),
    }
    kept = {name: value for name, value in metadata.items() if name != "managedFields"}
    last = {**{name: value for name, value in pod.items() if name not in ("kind", "apiVersion")}, "metadata": kept}
    return {"metadata": own, "pod": last, "deletionTime": format_time(now), "state": state_of(pod), "logs": list(logs)}


class PodRecordStrategy(Strategy):
    """sparkanywhere.io/v1alpha1 podrecords."""

    group, version, resource, singular, kind = GROUP, VERSION, RESOURCE, "podrecord", "PodRecord"
    verbs = tuple(sorted((*READ_VERBS, *_DELETE_VERBS)))
    subresources = (Subresource("log", "PodRecord", verbs=("get",), in_view=True),)
    in_view, edit_verbs = True, _DELETE_VERBS
    columns = (
        NAME_COLUMN,
        Column("Pod", description="The pod's name."),
        Column("State", description="How it ended: Succeeded, Failed, Killed or Ended."),
        Column("Deleted", description="How long ago it was removed."),
    )

    def cells(self, obj: JSON, now: datetime) -> Sequence[object]:
        """Return name, pod, state, and the time since it was removed."""
        deleted = meta.age(obj.get("deletionTime"), now)
        return [
            metadata_of(obj).get("name", ""),
            metadata_of(obj.get("pod") or {}).get("name", ""),
            obj.get("state", ""),
            deleted,
        ]
