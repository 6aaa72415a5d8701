"""What the annotation of a family's head says that pods used which are no longer stored. Clients read it, too."""

from __future__ import annotations

import json
from dataclasses import dataclass

from chalicelib.apimachinery.accessors import annotations_of
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.usage import NOTHING, Usage
from chalicelib.resources.pods.marks import USED_BY_GONE


@dataclass(frozen=True, slots=True)
class GonePods:
    """What the pods of a family used that are no longer stored, at our price and at Fargate's."""

    pods: int = 0
    usage: Usage = NOTHING
    usd_on_fargate: float = 0.0


def gone_text(gone: GonePods) -> str:
    """Return the value of the annotation; seconds and dollars are rounded."""
    if not gone.pods:
        return ""
    figures = {
        "pods": gone.pods,
        "vcpuSeconds": round(gone.usage.vcpu_seconds, 3),
        "gibSeconds": round(gone.usage.gib_seconds, 3),
        "usd": round(gone.usage.usd, 9),
        "usdOnFargate": round(gone.usd_on_fargate, 9),
    }
    return json.dumps(figures, separators=(",", ":"))


def read_gone(head: JSON) -> GonePods:
    """Return what a head's annotation says; nothing if it is absent or cannot be read."""
    text = annotations_of(head).get(USED_BY_GONE, "")
    try:
        said = json.loads(text) if text else {}
        used = Usage(float(said["vcpuSeconds"]), float(said["gibSeconds"]), float(said["usd"]))
        return GonePods(int(said["pods"]), used, float(said["usdOnFargate"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return GonePods()
