"""A store and a provider that die at a chosen call, as the process would: before it took effect, or right after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from chalicelib.providers.base import Task, TaskState
from chalicelib.storage.base import Storage
from tests.fake_provider import FakeProvider

WRITES = ("create", "update", "delete", "transact")
ACTS = ("run", "reserve", "bind", "stop", "remove")


class Crash(BaseException):
    """The process dies here; nothing of ours may catch this."""


class Wraps(Protocol):
    """Does something with each call of a store or a provider."""

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:  # Any: whatever it takes and gives
        """Return what is called in its place."""
        ...


class Countdown:
    """Lets `calls` calls pass, then crashes at the next one, once; None never does."""

    def __init__(self, calls: int | None, *, after: bool) -> None:
        self._left = calls
        self._after = after
        self.crashed = False

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:  # Any: whatever it takes and gives
        """Return the call with its turn in the countdown."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            if self.crashed:
                raise Crash  # a dead process does nothing more
            if self._left == 0:
                self.crashed = True
                if self._after:
                    call(*args, **kwargs)
                raise Crash
            if self._left is not None:
                self._left -= 1
            return call(*args, **kwargs)

        return counted


class _Proxy:
    """Stands for an object; some of its methods take part in a countdown."""

    def __init__(self, target: object, methods: Sequence[str], countdown: Wraps) -> None:
        self._target = target
        self._counted = {name: countdown.wrap(getattr(target, name)) for name in methods}

    def __getattr__(self, name: str) -> Any:  # Any: any attribute of the target
        return self._counted.get(name) or getattr(self._target, name)


class _ProviderProxy(_Proxy):
    """The same for a provider that binds late: from Python 3.12 on a protocol is looked for in the class."""

    def shape(self, task: Task) -> str:
        return str(self._target.shape(task))  # type: ignore[attr-defined]  # a FakeProvider

    def reserve(self, task: Task) -> TaskState:
        state: TaskState = self._counted["reserve"](task)
        return state

    def bind(self, handle: str, task: Task) -> TaskState:
        state: TaskState = self._counted["bind"](handle, task)
        return state


def crashing_storage(storage: Storage, countdown: Wraps, methods: Sequence[str] = WRITES) -> Storage:
    """Return the store with its writes, or other methods, counted."""
    proxy: Any = _Proxy(storage, methods, countdown)  # Any: a proxy has every method of its target
    found: Storage = proxy
    return found


def crashing_provider(provider: FakeProvider, countdown: Wraps, methods: Sequence[str] = ACTS) -> FakeProvider:
    """Return the provider with what it does, or other methods, counted."""
    proxy: Any = _ProviderProxy(provider, methods, countdown)  # Any: as above
    found: FakeProvider = proxy
    return found
