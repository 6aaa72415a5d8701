"""What one check of a deployment has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failure", "unknown"]  # unknown: nobody could look


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `advice` is the command that mends it, "" where there is nothing to mend."""

    what: str
    state: State
    text: str
    advice: str = ""

    @property
    def is_good(self) -> bool:
        """Return whether it has not failed; what nobody could look at has not."""
        return self.state != "failure"
