"""Who does the background work."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from sparkanywhere.local.instance_lock import RETRY_SECONDS, InstanceLock


def test_the_first_has_it_and_the_second_sees_whose_it_is(tmp_path: Path) -> None:
    first, second = InstanceLock(tmp_path / "lock", provider="docker"), InstanceLock(tmp_path / "lock")

    assert (first.take(), second.take(), first.take()) == (True, False, True)
    assert (second.holder(), second.provider()) == (os.getpid(), "docker")
    first.release()


def test_the_second_takes_over_when_the_first_lets_go(tmp_path: Path) -> None:
    first, second = InstanceLock(tmp_path / "lock"), InstanceLock(tmp_path / "lock")
    taken = threading.Event()
    first.take()
    second.take_later(taken.set)

    first.release()

    assert taken.wait(timeout=20)
    assert first.take() is False
    second.release()


def test_who_gives_up_waiting_never_takes_it(tmp_path: Path) -> None:
    first, second, third = (InstanceLock(tmp_path / "lock") for _ in range(3))
    first.take()
    second.take_later(lambda: None)
    second.release()

    first.release()

    assert third.take()
    third.release()


def test_who_waits_goes_on_when_the_file_cannot_be_opened_for_a_while(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.write_text("in the way")
    waiting, taken = InstanceLock(folder / "lock"), threading.Event()
    waiting.take_later(taken.set)
    assert not taken.wait(3 * RETRY_SECONDS)

    folder.unlink()

    assert taken.wait(timeout=20)
    waiting.release()


def test_an_absent_file_has_no_holder(tmp_path: Path) -> None:
    assert InstanceLock(tmp_path / "none").holder() is None
