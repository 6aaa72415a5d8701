"""An executor's pod as far as Spark's driver reads it, for lists that are too long for an answer otherwise.

The driver takes from its lists what an executor is (labels, name, age), how it is (phase, deletion, container states),
which claims it mounts, and, to resize it, its containers' resources: ExecutorPodsSnapshot, -LifecycleManager,
-Allocator and the executor plugins of Spark 3.4 to 4.3. Environments, mounts and files are four fifths.
"""

from __future__ import annotations

from chalicelib.apimachinery.accessors import spec_of
from chalicelib.apimachinery.types import JSON

SPEC = ("nodeName", "restartPolicy", "serviceAccountName", "priorityClassName")
CONTAINER = ("name", "image", "resources")


def brief(pod: JSON) -> JSON:
    """Return a pod with metadata and status whole, but for managedFields, and the few parts of its spec."""
    spec = spec_of(pod)
    containers = [{key: each[key] for key in CONTAINER if key in each} for each in spec.get("containers") or ()]
    claims = [each for each in spec.get("volumes") or () if "persistentVolumeClaim" in each]
    kept = {key: spec[key] for key in SPEC if key in spec}
    metadata = {key: value for key, value in pod["metadata"].items() if key != "managedFields"}
    return {**pod, "metadata": metadata, "spec": {**kept, "containers": containers, "volumes": claims}}
