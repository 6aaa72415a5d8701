"""Show a job while it runs, and its result: redrawn on a terminal, a line for each phase elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sparkanywhere.cli.job_progress import PHASES, JobProgress
from sparkanywhere.client.printable import harmless, one_line

REDRAWS_PER_SECOND = 8
BAR_COLUMNS = 30


class JobScreen:
    """The view of one job. Call update() often; print_line() for the program's own output."""

    def __init__(self, job: JobProgress, console: Console) -> None:
        self._job = job
        self._console = console
        self._printed: set[str] = set()
        self._live: Live | None = None
        self._note = ""
        if console.is_terminal:
            self._live = Live(console=console, refresh_per_second=REDRAWS_PER_SECOND, transient=True)

    def start(self) -> None:
        """Take the terminal."""
        if self._live:
            self._live.start()

    def stop(self) -> None:
        """Give the terminal back. May be repeated."""
        if self._live:
            self._live.stop()

    def print_line(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(Text(harmless(line)), soft_wrap=True)

    def note(self, text: str) -> None:
        """Set the dim line below the phases: what is being waited for."""
        self._note = one_line(text)

    def update(self, now: float) -> None:
        """Show the state of the job at `now`."""
        if self._live:
            self._live.update(self._drawing(now))
            return
        for phase in PHASES:
            if phase in self._job.ends and phase not in self._printed:
                self._printed.add(phase)
                seconds = self._job.seconds(phase, now)
                line = f"{seconds:7.1f} s  {phase}{_detail(self._job, phase)}"
                self._console.print(line, highlight=False, markup=False)

    def _drawing(self, now: float) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        for phase in PHASES:
            done, current = phase in self._job.ends, phase == self._job.phase
            mark = Text("✓", "green") if done else Text("▸" if current else " ", "cyan")
            seconds = f"{self._job.seconds(phase, now):.1f} s" if done or current else ""
            name = Text(phase, "" if done else "bold" if current else "dim")
            grid.add_row(mark, name, Text(seconds, justify="right"), Text(_detail(self._job, phase)))
        rows: list[RenderableType] = [grid]
        if self._job.phase == "job" and self._job.tasks:
            rows.append(ProgressBar(self._job.tasks, self._job.tasks_done, width=BAR_COLUMNS))
        if self._note:
            rows.append(Text(self._note, "dim", overflow="ellipsis", no_wrap=True))
        return Group(*rows)


def _detail(job: JobProgress, phase: str) -> str:
    """Return what there is to say beside a phase's name."""
    if phase == "executors" and "driver" in job.ends:
        return f"  {min(job.executors, job.instances)}/{job.instances}"
    if phase == "job" and job.tasks:
        return f"  {job.tasks_done}/{job.tasks} tasks"
    if phase == "driver" and job.driver and job.phase == "driver":
        return one_line(f"  {job.driver.phase.lower()} {job.driver.reason}".rstrip())
    return ""


def pod_table(job: JobProgress) -> Table:
    """Return the pods of a job: phase, exit code, when they started and how long they ran."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("pod", "phase", "exit", "started", "seconds"):
        table.add_column(title, justify="right" if title in ("exit", "seconds") else "left")
    for pod in sorted(job.pods.values(), key=lambda pod: (pod.role != "driver", pod.name)):
        has_cause = pod.reason not in ("", "Completed", "Error")
        phase = f"{pod.phase} ({pod.reason})" if has_cause else pod.phase
        exit_code = "-" if pod.exit_code is None else str(pod.exit_code)
        seconds = "-" if pod.seconds is None else f"{pod.seconds:.1f}"
        # Text, since a table takes its cells for markup
        table.add_row(*(Text(one_line(cell)) for cell in (pod.name, phase, exit_code, pod.started, seconds)))
    return table


def phase_table(job: JobProgress, now: float) -> Table:
    """Return how long each phase took, and the sum."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for phase in (*PHASES, "total"):
        table.add_column(phase, justify="right")
    seconds = [job.seconds(phase, now) for phase in PHASES]
    table.add_row(*(f"{each:.1f} s" for each in (*seconds, sum(seconds))))
    return table


def print_result(console: Console, job: JobProgress, *, last_lines: Sequence[str], now: float) -> None:
    """Print a job's result: its pods and phases, after the end of its driver's log if it failed."""
    if not job.succeeded:
        console.print("The driver failed. The end of its log:", style="red")
        for line in last_lines:
            console.print(f"  {harmless(line)}", markup=False, soft_wrap=True)
    console.print()
    console.print(pod_table(job))
    console.print()
    console.print(phase_table(job, now))
