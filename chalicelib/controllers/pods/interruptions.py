"""Interruptions: a pod whose machine is about to be taken away (a Spot notice) becomes Terminating.

As on a cluster whose nodes are drained: Spark then counts the executor as lost and asks for another at once, before
the old one's grace is over. A pod without an owner is kept to show how it ended: nothing would replace it.
"""

from __future__ import annotations

import logging

from chalicelib.apimachinery.accessors import is_deleting, is_terminal, status_of
from chalicelib.apimachinery.rules.status import StatusError
from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.podmodel.status import INTERRUPTED_REASON
from chalicelib.controllers.runtime.deletes import DeleteObject

LOG = logging.getLogger(__name__)


class Interruptions:
    """Deletes interrupted pods gracefully. Safe to repeat."""

    def __init__(self, delete: DeleteObject) -> None:
        self._delete = delete

    def pod_changed(self, pod: JSON) -> None:
        """Delete a pod that has been interrupted, has an owner, and has not ended."""
        metadata = pod["metadata"]
        if not is_interrupted(pod) or is_deleting(pod) or is_terminal(pod):
            return
        if not metadata.get("ownerReferences"):
            return
        try:
            self._delete("pods", metadata["namespace"], metadata["name"], uid=metadata["uid"])
        except StatusError as error:
            LOG.info("interrupted pod not deleted uid=%s reason=%s", metadata["uid"], error.reason)


def is_interrupted(pod: JSON) -> bool:
    """Return whether the provider has announced that it takes the pod's task away."""
    conditions = status_of(pod).get("conditions") or ()
    return any(
        each.get("type") == "DisruptionTarget"
        and each.get("status") == "True"
        and each.get("reason") == INTERRUPTED_REASON
        for each in conditions
    )
