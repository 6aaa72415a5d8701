"""Which Kubernetes our API is that of; clients choose their behaviour by it."""

from __future__ import annotations

from chalicelib.apimachinery.types import JSON

KUBERNETES_MAJOR = "1"
KUBERNETES_MINOR = "36"  # the version whose recorded answers ours are compared with
KUBERNETES_PATCH = "2"
OUR_VERSION = "0.1.0"


def version_document() -> JSON:
    """Return the answer to GET /version (version.Info)."""
    return {
        "major": KUBERNETES_MAJOR,
        "minor": KUBERNETES_MINOR,
        "emulationMajor": KUBERNETES_MAJOR,
        "emulationMinor": KUBERNETES_MINOR,
        "minCompatibilityMajor": KUBERNETES_MAJOR,
        "minCompatibilityMinor": str(int(KUBERNETES_MINOR) - 1),
        "gitVersion": f"v{KUBERNETES_MAJOR}.{KUBERNETES_MINOR}.{KUBERNETES_PATCH}+sparkanywhere-{OUR_VERSION}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "python",
        "platform": "any",
    }
