"""Stop on the first signal, end at once on the second, whichever thread the system hands the signal to.

Python runs signal handlers in its main thread, but does not wake it there from a lock or a join if the system
delivered the signal to another thread. So the main thread sleeps on a socket alone, into which Python's
wakeup descriptor writes from any thread.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # SIGHUP: the terminal was closed
_LOOK_SECONDS = 0.1  # how long a thread that has ended may go unseen

Handler = Callable[[int, FrameType | None], object] | int | None  # what signal.signal() takes and returns


def stopping_signals() -> tuple[signal.Signals, ...]:
    """Return the signals to stop on: all of them, but not a SIGHUP that nohup ignores.

    A SIGINT that was ignored at the start does stop us: a shell without job control ignores it for everything it
    starts in the background, where no terminal sends one by accident.
    """
    stays = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return tuple(number for number in SIGNALS if not (stays and number == signal.SIGHUP))


class StoppedBySignal(KeyboardInterrupt):
    """One of the signals was sent; str() says so as the cause of what it ended."""

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__("interrupted by Ctrl-C" if number == signal.SIGINT else f"ended by {name}")
        self.exit_code = 128 + number  # a shell's, for a program that a signal has ended


@contextlib.contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Raise StoppedBySignal on any of the signals within, as Python does on Ctrl-C; only in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise StoppedBySignal(number)

    with handled(dict.fromkeys(stopping_signals(), interrupt)):
        yield


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Pass over the signals within, while something is cleared away; only in the main thread.

    Every step of what is done within must be bounded.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with handled(dict.fromkeys(SIGNALS, signal.SIG_IGN)):
        yield


@contextlib.contextmanager
def handled(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    """Answer signals by these handlers within; only in the main thread."""
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopSignals:
    """Whether to stop, and a thread's sleep until then. Without `installed` only set() ends the sleep."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._is_set = False

    def set(self) -> None:
        """Ask for the stop, from any thread."""
        self._is_set = True
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def wait(self) -> None:
        """Sleep until the stop is asked for."""
        while not self._is_set:
            self._sleep(None)

    def run(self, work: Callable[[], None]) -> None:
        """Run `work` in another thread and return when it has ended; a signal is heard meanwhile."""
        thread = threading.Thread(target=work, name="stop", daemon=True)
        thread.start()
        while thread.is_alive():
            self._sleep(_LOOK_SECONDS)

    def _sleep(self, seconds: float | None) -> None:
        select.select([self._reader], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(64)

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Listen to the signals within; only in the main thread, elsewhere nothing is done."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        try:
            with handled(dict.fromkeys(stopping_signals(), self._on_signal)):
                yield
        finally:
            signal.set_wakeup_fd(wakeup)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._is_set:
            os._exit(128 + number)
        self._is_set = True

    def close(self) -> None:
        """Let go of the sockets."""
        self._reader.close()
        self._writer.close()
