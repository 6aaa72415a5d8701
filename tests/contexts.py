"""How a test's command is told which control plane it talks to."""

from __future__ import annotations

from pathlib import Path

from sparkanywhere.client.access import VARIABLE
from sparkanywhere.local.kubeconfig import CONTEXT


def context_of(kubeconfig: Path) -> dict[str, str]:
    """Return the variables that lead to the control plane whose local server has written this kubeconfig."""
    return {"KUBECONFIG": str(kubeconfig), VARIABLE: CONTEXT}
