"""What the control plane's role allows, as Terraform and Chalice's own policies say it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def of_terraform() -> set[str]:
    """Return the actions that Terraform's policy of the control plane allows."""
    text = (ROOT / "terraform" / "iam.tf").read_text()
    document = text.partition('data "aws_iam_policy_document" "control_plane" {')[2].partition("\n}\n")[0]
    lists = re.findall(r"actions\s*=\s*\[(.*?)\]", document, re.DOTALL)
    return {action for each in lists for action in re.findall(r'"([a-z0-9]+:[A-Za-z]+)"', each)}


def of_chalice(stage: str) -> set[str]:
    """Return the actions that a stage's own policy allows."""
    policy: Any = json.loads((ROOT / ".chalice" / f"policy-{stage}.json").read_text())
    actions: set[str] = set()
    for statement in policy["Statement"]:
        named = statement["Action"]
        actions |= {named} if isinstance(named, str) else set(named)
    return actions
