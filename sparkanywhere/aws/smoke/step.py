"""A step of the trial: what it proves, costs and takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sparkanywhere.aws.smoke.ground import Ground


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `run` returns in a sentence what was seen. Dollars and minutes are estimates from above."""

    name: str
    proves: str
    usd: float
    minutes: float
    run: Callable[[Ground], str]


def step(name: str, *, usd: float, minutes: float) -> Callable[[Callable[[Ground], str]], Step]:
    """Return what makes a step of a function whose docstring says what it tries."""

    def made(run: Callable[[Ground], str]) -> Step:
        return Step(name, (run.__doc__ or "").partition("\n")[0].removeprefix("Try ").rstrip("."), usd, minutes, run)

    return made
