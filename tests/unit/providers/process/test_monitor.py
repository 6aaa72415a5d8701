"""What looks at the tasks goes on, whatever fails meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from chalicelib.providers.process.supervision import LOOK_SECONDS, Monitor


def test_it_looks_again_after_the_list_could_not_be_read(tmp_path: Path) -> None:
    answers: list[Iterable[str] | OSError] = [OSError(24, "Too many open files"), OSError(5, "Input/output error")]
    checked = threading.Event()

    def handles() -> Iterable[str]:
        answer = answers.pop(0) if answers else ["a"]
        if isinstance(answer, OSError):
            raise answer
        return answer

    monitor = Monitor(tmp_path / "listeners", handles=handles, check=lambda _: checked.set())
    monitor.start()

    assert checked.wait(10 * LOOK_SECONDS)
    monitor.close()
