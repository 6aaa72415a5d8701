"""Accessors: the parts of an object that everybody reads, `{}` or None where the client has left them out.

What they return is the object's own part, not a copy, as long as it is there.
"""

from __future__ import annotations

from chalicelib.apimachinery.types import JSON

TERMINAL_PHASES = ("Succeeded", "Failed")


def metadata_of(obj: JSON) -> JSON:
    """Return obj's metadata."""
    return obj.get("metadata") or {}


def labels_of(obj: JSON) -> JSON:
    """Return obj's labels."""
    return metadata_of(obj).get("labels") or {}


def annotations_of(obj: JSON) -> JSON:
    """Return obj's annotations."""
    return metadata_of(obj).get("annotations") or {}


def owners_of(obj: JSON) -> list[JSON]:
    """Return obj's owner references."""
    return metadata_of(obj).get("ownerReferences") or []


def is_deleting(obj: JSON) -> bool:
    """Return whether obj carries a deletionTimestamp."""
    return bool(metadata_of(obj).get("deletionTimestamp"))


def spec_of(obj: JSON) -> JSON:
    """Return obj's spec."""
    return obj.get("spec") or {}


def status_of(obj: JSON) -> JSON:
    """Return obj's status."""
    return obj.get("status") or {}


def phase_of(obj: JSON) -> str | None:
    """Return status.phase, None where nothing has been reported yet."""
    return status_of(obj).get("phase")


def is_terminal(pod: JSON) -> bool:
    """Return whether the pod has ended; a finished pod stays finished."""
    return phase_of(pod) in TERMINAL_PHASES


def full_name(pod: JSON) -> str:
    """Return NAME_NAMESPACE(UID), as a kubelet's messages name a pod."""
    about = metadata_of(pod)
    return f"{about.get('name', '')}_{about.get('namespace', '')}({about.get('uid', '')})"
