"""What goes wrong, and how often: drawn for each seed, so that each has troubles of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from random import Random
from typing import Any, Protocol

from chalicelib.providers.base import ProviderUnavailable
from chalicelib.storage.base import StorageUnavailable
from tests.simulation.timeline import Timeline
from tests.unit.controllers.crashing import Crash

ABSENT_SHARE = 0.3  # of the kinds of trouble: they are not there at all for a seed
USD_PER_VCPU_HOUR = 36.0  # a cent a second
READS = ("revision", "get", "get_all", "get_by_uid", "list_by_owner", "list", "count", "events_after")
WRITES = ("create", "update", "delete", "transact")
ACTS = ("run", "reserve", "bind", "stop", "remove", "describe", "list_tasks")


@dataclass(frozen=True, slots=True)
class Weather:
    """Shares of all calls, or reports."""

    crash: float = 0.0  # the process dies, before the call acts or after
    refuse: float = 0.0  # nothing is done, and an error told
    lose: float = 0.0  # it is done, and an error told
    slow: float = 0.0  # seconds pass meanwhile, in which others act
    drop: float = 0.0  # a report never comes
    double: float = 0.0  # it comes twice
    late: float = 0.0  # it comes up to LATE_SECONDS later than others


WORST = Weather(crash=0.004, refuse=0.03, lose=0.03, slow=0.05, drop=0.4, double=0.3, late=0.5)
LATE_SECONDS = 90


def drawn_weather(draw: Random) -> Weather:
    """Return a seed's troubles."""
    shares = {each.name: getattr(WORST, each.name) * draw.random() for each in fields(Weather)}
    return Weather(**{name: 0.0 if draw.random() < ABSENT_SHARE else share for name, share in shares.items()})


class Dies(Protocol):
    """A process that may crash."""

    name: str
    is_alive: bool

    def die(self) -> None:
        """Be dead from now on."""


class Sky:
    """The weather of a seed: `weather` changes, `last_fault` is when something went wrong last."""

    def __init__(self, timeline: Timeline, draw: Random) -> None:
        self.timeline = timeline
        self.draw = draw
        self.weather = Weather()
        self.last_fault = timeline.clock.now
        self.is_over = False  # nobody asks for anything any more

    def strikes(self, share: float) -> bool:
        """Return whether something goes wrong this time; `share` of all times."""
        if self.draw.random() >= share:
            return False
        self.last_fault = self.timeline.clock.now
        return True


class Calls:
    """Wraps the calls of a process to its store or its provider."""

    def __init__(self, sky: Sky, process: Dies, refused: Callable[[], Exception]) -> None:
        self._sky = sky
        self._process = process
        self._refused = refused

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:  # Any: whatever it takes and gives
        """Return the call as it is in this weather."""

        def called(*args: Any, **kwargs: Any) -> Any:
            sky, name = self._sky, getattr(call, "__name__", "call")
            if not self._process.is_alive:
                raise Crash
            weather = sky.weather
            if sky.draw.random() < weather.slow:
                sky.timeline.run(sky.draw.choice((0, 0, 1, 5)))
            trouble = sky.draw.random()
            if trouble >= weather.crash + weather.refuse + weather.lose:
                return call(*args, **kwargs)
            sky.last_fault = sky.timeline.clock.now
            acts, is_crash = sky.draw.random() < 0.5, trouble < weather.crash
            if not is_crash:
                acts = trouble >= weather.crash + weather.refuse
            words = "crash" if is_crash else "fault"
            sky.timeline.note(f"{words} of {self._process.name} {'after' if acts else 'before'} {name} {_brief(args)}")
            if acts:
                call(*args, **kwargs)
            if is_crash:
                self._process.die()
                raise Crash
            raise self._refused()

        return called


def _brief(args: tuple[Any, ...]) -> str:
    return " ".join(getattr(each, "name", None) or str(getattr(each, "key", each))[:80] for each in args)


def storage_fails() -> Exception:
    """Return a refusal of the store's."""
    return StorageUnavailable("simulated")


def provider_fails() -> Exception:
    """Return a refusal of the provider's."""
    return ProviderUnavailable("Unavailable", "simulated")
