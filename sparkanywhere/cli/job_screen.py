"""Show a job while it runs, and its result: redrawn on a terminal, a line for each phase elsewhere."""

from __future__ import annotations

import signal
import sys

from rich.console import Console, Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sparkanywhere.cli.job_progress import PHASES, JobProgress
from sparkanywhere.client.printable import harmless, one_line
from sparkanywhere.jobs.spark_rest import SparkProgress
from sparkanywhere.jobs.start_phases import start_words

REDRAWS_PER_SECOND = 8
BAR_COLUMNS = 20
TERMINATED = 128 + signal.SIGTERM
SHORTEST_SECONDS = 0.05  # of a phase that is worth a word: less reads 0.0 s
UNWRAPPED_COLUMNS = 10_000  # wider than any line of ours: rich would wrap at 80 in a pipe


def our_console() -> Console:
    """Return where all goes that is not the program's output: stderr, drawn upon and wrapped on a terminal alone."""
    is_terminal = sys.stderr.isatty()
    width = None if is_terminal else UNWRAPPED_COLUMNS
    return Console(stderr=True, highlight=False, force_terminal=is_terminal, width=width)


class JobScreen:
    """The view of one job. Call update() often; print_line() for lines that stay."""

    def __init__(self, job: JobProgress, console: Console) -> None:
        self._job = job
        self._console = console
        self._printed: set[str] = set()
        self._live: Live | None = None
        self._link = ""
        self._has_told_start = False
        if console.is_terminal and not console.is_dumb_terminal:
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

    @property
    def is_live(self) -> bool:
        """Return whether it is redrawn, so that nothing else may be written to the terminal."""
        return self._live is not None

    def link(self, text: str) -> None:
        """Show where the Spark UI is."""
        if self._live is None and text != self._link:
            self.print_line(f"{'':9}  Spark UI: {text}")
        self._link = one_line(text)

    def update(self, now: float) -> None:
        """Show the state of the job at `now`, and once, on a line that stays, how its start went."""
        if self._live:
            self._live.update(self._drawing(now))
        else:
            self._print_phases(now)
        if self._job.is_start_told and not self._has_told_start:
            self._has_told_start = True
            self.print_line(f"{'':9}  Start: {start_words(self._job.start, self._job.start_advice)}")

    def _print_phases(self, now: float) -> None:
        """Print a line for each phase that has ended since."""
        for phase in PHASES:
            if phase in self._job.ends and phase not in self._printed:
                self._printed.add(phase)
                if phase == "executors" and not self._job.executor_pods:
                    continue  # a program without Spark waits for none
                seconds = self._job.seconds(phase, now)
                line = f"{seconds:7.1f} s  {phase}{_detail(self._job, phase)}"
                self._console.print(line, highlight=False, markup=False)

    def _drawing(self, now: float) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        for phase in PHASES:
            done, current = phase in self._job.ends, phase == self._job.phase
            mark = Text("✓", "green") if done else Text("▸" if current else " ", "cyan")
            seconds = f"{self._job.seconds(phase, now):.1f} s" if done or current else ""
            name = Text(phase, "" if done else "bold" if current else "dim", overflow="ellipsis", no_wrap=True)
            detail = Text(_detail(self._job, phase), overflow="ellipsis", no_wrap=True)
            grid.add_row(mark, name, Text(seconds, justify="right"), detail)
        rows: list[RenderableType] = [grid]
        spark = self._job.spark
        if self._job.phase == "job" and spark and spark.tasks:
            words = Text(_tasks(spark), overflow="ellipsis", no_wrap=True)
            bar = Table.grid(padding=(0, 2))
            bar.add_row("", ProgressBar(spark.tasks, spark.tasks_done, width=BAR_COLUMNS), words)
            rows.append(bar)
        if self._link:
            rows.append(Text(f"  Spark UI: {self._link}", "dim", overflow="ellipsis", no_wrap=True))
        return Group(*rows)


def _detail(job: JobProgress, phase: str) -> str:
    """Return what there is to say beside a phase's name."""
    if phase == "executors" and "driver" in job.ends:
        return f"  {job.executors}/{job.instances}" if job.executor_pods else "  none asked for yet"
    if phase == "job" and phase in job.ends:
        return "  with failed tasks" if job.spark and job.spark.tasks_failed else ""
    if phase == "job" and job.spark and job.spark.job:
        return one_line(f"  job {job.spark.job}, stage {job.spark.stage} of {job.spark.stages}: {job.spark.doing}")
    if phase == "job" and job.logged:
        stage, done, tasks = job.logged
        return f"  {done}/{tasks} tasks of stage {stage}"
    if phase == "driver" and job.driver and job.phase == "driver":
        return one_line(f"  {job.driver.phase.lower()} {job.driver.reason}".rstrip())
    return ""


def _tasks(spark: SparkProgress) -> str:
    """Return the counts of an application's tasks in words."""
    counts = {"running": spark.tasks_running, "failed": spark.tasks_failed}
    words = [f"{spark.tasks_done}/{spark.tasks} tasks", *(f"{count} {what}" for what, count in counts.items() if count)]
    if spark.shuffle_bytes:
        words.append(f"{decimal(spark.shuffle_bytes)} shuffled")
    return ", ".join(words)


def pod_table(job: JobProgress) -> Table:
    """Return the pods of a job: phase, exit code, when they started and how long they ran."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("pod", "phase", "exit", "started", "seconds"):
        table.add_column(title, justify="right" if title in ("exit", "seconds") else "left")
    for pod in sorted(job.pods.values(), key=lambda pod: (pod.role != "driver", pod.name)):
        has_cause = pod.reason not in ("", "Completed", "Error")
        was_asked = pod.role == "executor" and pod.exit_code == TERMINATED  # by Spark, which needed it no longer
        phase = f"{pod.phase} ({pod.reason})" if has_cause else "Ended" if was_asked else pod.phase
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


def print_result(console: Console, job: JobProgress, *, now: float, with_tables: bool) -> None:
    """Print a job's result: how it ended and what took how long; its pods and phases as tables if asked for."""
    if with_tables:
        for table in (pod_table(job), phase_table(job, now)):
            console.print()
            console.print(table)
        console.print()
    known = [(phase, job.seconds(phase, now)) for phase in PHASES if phase in job.ends]
    phases = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in known if seconds >= SHORTEST_SECONDS)
    result = Text("✓ Succeeded", "green") if job.succeeded else Text(f"✗ Failed, exit code {job.exit_code},", "red")
    took = Text(f" in {now - job.began_at:.1f} s" + ("" if with_tables else f": {phases}"))
    console.print(result + took, soft_wrap=True)
