"""A job on the screen: what its pods and its log say is shown as text, whatever it looks like."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sparkanywhere.cli.job_progress import JobProgress
from sparkanywhere.cli.job_screen import JobScreen, print_result

EVIL = "[/red]\x1b[2J\r\x9b5m"
SHOWN = "[/red]\\x1b[2J\\r\\x9b5m"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_a_job_says_is_shown_as_text(is_terminal: bool) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=is_terminal, color_system=None, width=200)
    job = JobProgress(instances=1, began_at=0.0)
    metadata = {"name": "driver", "labels": {"spark-role": "driver"}}
    waiting = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": EVIL}}}]}
    screen = JobScreen(job, console)

    screen.start()
    screen.link(EVIL)
    job.observe_pod({"metadata": metadata, "status": waiting}, 1.0)
    screen.update(1.0)
    screen.print_line(EVIL)
    job.observe_pod({"metadata": metadata, "status": {"phase": "Failed", "reason": EVIL}}, 2.0)
    screen.update(2.0)
    screen.stop()
    print_result(console, job, now=3.0, with_tables=True)

    assert written.getvalue().count(SHOWN) >= 3  # the line, the link, the pod's reason
    assert "\x1b[2J" not in written.getvalue()
    assert "\x9b" not in written.getvalue()
