"""A job that is followed from submission to the last pod gone, and cut short."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from chalicelib.apimachinery.types import JSON
from sparkanywhere.cli.job_progress import JobProgress
from sparkanywhere.cli.job_run import JobRun
from sparkanywhere.cli.job_screen import JobScreen
from sparkanywhere.cli.program_output import ProgramOutput
from sparkanywhere.client.kube_client import Access, ApiUnreachable, KubeClient


class OnePodLeft(KubeClient):
    """A control plane whose last pod takes some looks to go."""

    def __init__(self, looks: int) -> None:
        super().__init__(Access(url="http://127.0.0.1:1"))
        self._looks = looks

    def get(self, path: str, **query: str) -> JSON:
        del path, query
        self._looks -= 1
        return {"items": [{}] if self._looks > 0 else []}

    def delete(self, path: str, **query: str) -> JSON:
        del path, query
        return {}

    def watch(self, path: str, *, seconds: float, **query: str) -> Iterator[JSON]:
        del path, seconds, query
        raise ApiUnreachable("nobody is there")


def test_a_spark_submit_that_we_end_ourselves_has_not_failed(tmp_path: Path) -> None:
    def ctrl_c() -> bool:
        raise KeyboardInterrupt

    job = JobProgress(instances=1, began_at=0.0)
    screen = JobScreen(job, Console(file=io.StringIO()))
    output = ProgramOutput(screen.print_line, is_live=False, takes_stdout=True, verbose=False)
    run = JobRun(OnePodLeft(looks=10), job, screen, submit_log=tmp_path / "log", server_alive=ctrl_c, output=output)
    with pytest.raises(KeyboardInterrupt):
        run.run(["sleep", "60"], {"PATH": "/usr/bin:/bin"})

    is_clear = run.clear_away()

    assert is_clear
