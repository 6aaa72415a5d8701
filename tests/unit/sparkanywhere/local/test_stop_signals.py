"""Which signals end us, however we were started."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sparkanywhere.local.stop_signals import signals_as_interrupt, stopping_signals, uninterrupted


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    """Ignore a signal, as a parent may have left it to us."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_what_nohup_has_us_ignore_stays_ignored() -> None:
    with ignored(signal.SIGHUP):
        assert stopping_signals() == (signal.SIGTERM, signal.SIGINT)
        with signals_as_interrupt():
            signal.raise_signal(signal.SIGHUP)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    with pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        signal.raise_signal(number)

    assert signal.getsignal(number) == before


def test_an_interrupt_that_a_background_job_ignores_is_heard() -> None:
    with ignored(signal.SIGINT), pytest.raises(KeyboardInterrupt), signals_as_interrupt():
        signal.raise_signal(signal.SIGINT)


def test_clearing_away_is_not_interrupted() -> None:
    with signals_as_interrupt():
        with uninterrupted():
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
