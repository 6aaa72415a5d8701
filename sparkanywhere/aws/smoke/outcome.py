"""How a step of the trial ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "failed", "not here"]


class StepFailed(Exception):
    """What was to be proven is not so; str() is one sentence."""


class NotHere(Exception):
    """It cannot be tried on this deployment, or by this person; str() says why. Nothing is proven, nothing failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step has ended."""

    step: str
    state: State
    text: str
    seconds: float
