"""What a driver prints: the program's own output on stdout, Spark's as far as it matters on the screen."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from sparkanywhere.cli.program_output import ProgramOutput, is_own_output

INFO = "26/11/23 00:40:00 INFO SparkContext: Running Spark version 4.3.0"
ERROR = "26/11/23 00:40:00 ERROR TaskSetManager: Task 0 in stage 0.0 failed 4 times; aborting job"
TRACES = (
    "        at scala.collection.Iterator.foreach(Iterator.scala:943)",
    "\tat org.apache.spark.scheduler.Task.run(Task.scala:147)",
    "\tat java.base/java.lang.Thread.run(Thread.java:840)",
    "\t... 12 more",
)
CAUSE = "Caused by: java.lang.ArithmeticException: / by zero"
MINE = "\tat com.example.Main$.main(Main.scala:7)"


@pytest.mark.parametrize(
    ("line", "own"),
    [
        ("Pi is roughly 3.14", True),
        ("26/11/23 00:40:00 INFO SparkContext: Running Spark version 4.3.0", False),
        ("WARNING: Using incubator modules: jdk.incubator.vector", False),
        ("Using Spark's default log4j profile: org/apache/spark/log4j2-defaults.properties", False),
        ("", False),
        ("        at app//io.vertx.core.impl.ContextImpl.execute(ContextImpl.java:327)", False),
        ("io.vertx.core.VertxException: Thread blocked", False),
        ("Nov 23, 2026 2:06:20 AM io.vertx.core.impl.BlockedThreadChecker", False),
        ("WARNING: Thread vert.x-eventloop-thread-0 has been blocked for 2000 ms", False),
        ("    indented output of mine", True),
        ("Traceback (most recent call last):", True),
    ],
)
def test_the_programs_own_output_is_told_from_sparks(line: str, own: bool) -> None:
    assert is_own_output(line) is own


class Streams:
    """Our stdout and our screen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> None:
        self.stdout = io.TextIOWrapper(io.BytesIO())
        monkeypatch.setattr(self.stdout, "isatty", lambda: is_terminal)
        monkeypatch.setattr(sys, "stdout", self.stdout)
        self.screen: list[str] = []

    @property
    def printed(self) -> bytes:
        """Return what stdout got."""
        self.stdout.flush()
        written = self.stdout.buffer
        assert isinstance(written, io.BytesIO)
        return written.getvalue()

    def output(self, *, takes_stdout: bool = True, verbose: bool = False, is_live: bool = False) -> ProgramOutput:
        """Return what is tested."""
        return ProgramOutput(self.screen.append, is_live=is_live, takes_stdout=takes_stdout, verbose=verbose)


def test_output_in_a_pipe_is_passed_on_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch, is_terminal=False)
    output = streams.output()

    for piece in (b"\xff\x00\r", b"\n\n", f"{INFO}\n".encode(), b"open"):
        output.take("Stdout", piece)
    output.take("Stderr", b"ours\n")
    output.end("Stdout")

    assert streams.printed == b"\xff\x00\r\n\n" + INFO.encode() + b"\nopen"
    assert streams.screen == ["ours"]


@pytest.mark.parametrize("is_live", [True, False])
def test_output_on_a_terminal_comes_in_lines_that_do_no_harm(monkeypatch: pytest.MonkeyPatch, is_live: bool) -> None:
    streams = Streams(monkeypatch, is_terminal=True)
    output = streams.output(is_live=is_live)

    output.take("Stdout", b"a\x1b[2J")
    output.take("Stdout", b"b\nopen")
    output.end("Stdout")

    assert (streams.screen, streams.printed) == (
        (["a\x1b[2Jb", "open"], b"") if is_live else ([], b"a\\x1b[2Jb\nopen\n")  # the screen sees to it itself
    )


def test_nothing_goes_to_stdout_that_is_for_a_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch, is_terminal=False)

    streams.output(takes_stdout=False).take("Stdout", b"one\n")

    assert (streams.screen, streams.printed) == (["one"], b"")


@pytest.mark.parametrize(("verbose", "shown"), [(False, [ERROR, CAUSE, MINE, "my own words"]), (True, None)])
def test_of_sparks_log_warnings_and_errors_are_shown(
    monkeypatch: pytest.MonkeyPatch, verbose: bool, shown: list[str] | None
) -> None:
    lines = [
        "WARNING: Using incubator modules: jdk.incubator.vector",
        INFO,
        "",
        ERROR,
        *TRACES,
        CAUSE,
        MINE,
        "my own words",
    ]
    streams = Streams(monkeypatch, is_terminal=False)

    taken = streams.output(verbose=verbose).take("Stderr", "".join(f"{line}\n" for line in lines).encode())

    assert taken == lines
    assert streams.screen == (lines if shown is None else shown)
    assert streams.printed == b""


def test_how_spark_ends_a_driver_is_left_out_and_what_its_main_threw_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    exits = "Calling System.exit() with exit code {} because spark.submit.callSystemExitOnMainExit=true\n"
    thrown = "java.lang.NumberFormatException: For input string"
    left = "org.apache.spark.SparkUserAppException: User application exited with 3\n"
    streams = Streams(monkeypatch, is_terminal=False)

    streams.output().take("Stderr", f"{exits.format(0)}{exits.format(3)}{left}{exits.format(1)}{thrown}\n".encode())

    assert streams.screen == [thrown]


def test_a_traceback_goes_with_the_record_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    traceback = [
        '  File "job.py", line 3, in f',
        "    return 1 / 0",
        "ZeroDivisionError: division by zero",
        " SQLSTATE: 38000",
    ]
    lost = "26/11/30 00:52:49 {} TaskSetManager: Lost task 2.0: Traceback (most recent call last):"
    log = [
        lost.format("WARN"),
        *traceback,
        lost.format("INFO"),
        *traceback,
        "",
        lost.format("ERROR"),
        *traceback,
        ERROR,
        "Exception in thread main",
        MINE,
    ]
    streams = Streams(monkeypatch, is_terminal=False)

    streams.output().take("Stderr", "".join(f"{line}\n" for line in log).encode())

    warned = "26/11/30 00:52:49 WARN TaskSetManager: Lost task 2.0:"
    error = [lost.format("ERROR"), *traceback]
    assert streams.screen == [warned, *error, ERROR, "Exception in thread main", MINE]


def test_an_executor_that_is_lost_is_told_in_a_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    log = (Path(__file__).parents[3] / "data" / "causes" / "execoom-4.3.0.log").read_bytes()
    streams = Streams(monkeypatch, is_terminal=False)

    streams.output().take("Stderr", log.partition(b"OOM is detected")[0])
    end = "The executor with id 1 exited with exit code 137(SIGKILL, possible container OOM)."

    assert [line.partition(" ")[2].partition(" ")[2][:32] for line in streams.screen if line != end] == [
        "WARN ExecutorPodsLifecycleManage",
        "ERROR TaskSchedulerImpl: Lost ex",
        "WARN TaskSetManager: Lost task 0",
    ]
    assert streams.screen.count(end) == 1


def test_what_spark_pushes_down_to_a_table_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    record = "26/11/30 00:00:00 INFO V2ScanRelationPushDown: "
    log = [record, "Pushing operators to lake.db.t", "Pushed Group by:", " k#19L", "Post-Scan Filters: ", "         "]
    log += [record, "Output: k#19L, n#20L", "         ", ERROR, "Output: of mine"]
    streams = Streams(monkeypatch, is_terminal=False)

    streams.output().take("Stderr", "".join(f"{line}\n" for line in log).encode())

    assert streams.screen == [ERROR, "Output: of mine"]


EVENT = "26/11/30 00:00:00 INFO AsyncEventQueue: Process of event SparkListenerSQLExecutionStart(0,Some(0),"


@pytest.mark.parametrize("end", ["by listener AppStatusListener took 1.5s.", "bylistener EventLog took 10.582697ms."])
def test_what_a_slow_listener_logs_is_left_out(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    log = [EVENT, "py4j.Gateway.invoke(Gateway.java:282)", "== Physical Plan ==", f",Map(),None) {end}", "mine"]
    streams = Streams(monkeypatch, is_terminal=False)

    streams.output().take("Stderr", "".join(f"{line}\n" for line in log).encode())

    assert streams.screen == ["mine"]


@pytest.mark.parametrize(
    "head",
    [
        "26/11/30 00:00:00 WARN BlockedThreadChecker: Thread Thread[vert.x-0,5,main] has been blocked for 2817 ms",
        "Nov 23, 2026 2:06:20 AM io.vertx.core.impl.BlockedThreadChecker\n"
        "WARNING: Thread Thread[vert.x-eventloop-thread-0,5,main] has been blocked for 2000 ms, time limit is 2000 ms",
    ],
)
def test_a_thread_of_the_kubernetes_client_that_was_slow_is_left_out(
    monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    trace = "io.vertx.core.VertxException: Thread blocked\n\tat java.base@17.0.9/java.lang.Thread.run(Thread.java:840)"
    streams = Streams(monkeypatch, is_terminal=False)

    streams.output().take("Stderr", f"{head}\n{trace}\nmine\n".encode())

    assert streams.screen == ["mine"]


def test_the_programs_words_between_records_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch, is_terminal=False)

    streams.output().take("Stderr", f"{INFO}\nmine\n{INFO}\nRuntimeError: mine too\n".encode())

    assert streams.screen == ["mine", "RuntimeError: mine too"]


def test_streams_that_are_one_are_told_by_their_look(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch, is_terminal=False)

    streams.output().take("All", f"{INFO}\nPi is roughly 3.14\n{ERROR}\n".encode())

    assert streams.printed == b"Pi is roughly 3.14\n"
    assert streams.screen == [ERROR]


WATCH_ENDS = (  # of the clients of Spark 4.3.0 and 3.5.9
    "26/11/30 14:39:47 ERROR AbstractWatchManager: Error received: Status(apiVersion=v1, code=504, "
    "details=StatusDetails(causes=[], group=null, kind=null, name=null, retryAfterSeconds=2, uid=null, "
    "additionalProperties={}), kind=Status, message=this answer of a watch is complete, the next one goes on "
    "from here; nothing is lost, metadata=ListMeta(_continue=null, remainingItemCount=null, "
    "resourceVersion=null, selfLink=null, additionalProperties={}), reason=Timeout, status=Failure, "
    "additionalProperties={}), will retry"
)
BLOCKED = (  # of a slow machine's client, shortened
    "26/11/30 14:39:47 WARN BlockedThreadChecker: Thread Thread[vert.x-eventloop-thread-1,5,main] has been blocked for"
    " 2730 ms, time limit is 2000 ms",
    "io.vertx.core.VertxException: Thread blocked",
    "\tat java.base@17.0.21.1/java.lang.Object.hashCode(Native Method)",
    "\tat app//io.fabric8.kubernetes.client.utils.KubernetesSerialization.unmarshal(KubernetesSerialization.java:262)",
    "\tat app//com.fasterxml.jackson.databind.ObjectMapper.readValue(ObjectMapper.java:3848)",
    "\tat app//io.fabric8.kubernetes.client.dsl.internal.AbstractWatchManager.onMessage(AbstractWatchManager.java:362)",
)


@pytest.mark.parametrize("harmless", [(WATCH_ENDS,), BLOCKED, (*BLOCKED, WATCH_ENDS, WATCH_ENDS)])
@pytest.mark.parametrize(
    "kept",
    [
        (ERROR, CAUSE, MINE),
        ("26/11/30 14:39:47 ERROR AbstractWatchManager: Error received: Status(code=410, message=old), will retry",),
        ("Error: my own words",),
    ],
)
def test_ends_of_polled_watches_and_slow_threads_are_left_out_and_no_other_error(
    monkeypatch: pytest.MonkeyPatch, harmless: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    streams = Streams(monkeypatch, is_terminal=False)

    streams.output().take("Stderr", "".join(f"{line}\n" for line in (*harmless, *kept, *harmless)).encode())

    assert streams.screen == list(kept)
