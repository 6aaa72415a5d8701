"""What a driver prints: its program's own output to our stdout, Spark's log to the screen as far as it matters.

Spark logs to stderr (log4j2-defaults.properties: console.target = SYSTEM_ERR), and PythonRunner makes one stream of a
Python program's stdout and stderr: its stdout. Where a provider does not keep streams apart, lines are told by their
look.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from sparkanywhere.cli.terminal import echo

# A line of Spark's own: log4j's default layout, the JDK's two-line one, the launcher's and the JVM's remarks,
# and the stack traces below any of them.
OWN_LINE = re.compile(
    r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d (?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) "
    r"|[A-Z][a-z]{2} \d{1,2}, \d{4},? .*[AP]M |(?:SEVERE|WARNING|INFO): "
    r"|\s+at [\w.$/@-]+\(?|\s+\.\.\. \d+ more|Caused by: |(?:java|io|org)\.[\w.$]+(?:Exception|Error)\b"
    r"|Files \S+ from |Using Spark's default log4j profile|Setting default log level"
    r"|To adjust logging level|NOTE: Picked up |Calling System\.exit\(\) with exit code "
)
# Left out without --verbose: what every start says, what is not a warning, and frames that are not the program's.
NOISE = re.compile(
    r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d (?:TRACE|DEBUG|INFO) "
    r"|\d\d/\d\d/\d\d \d\d:\d\d:\d\d WARN (?:NativeCodeLoader: |BlockedThreadChecker: "
    r"|Utils: Kubernetes master URL uses HTTP)"
    r"|[A-Z][a-z]{2} \d{1,2}, .* io\.vertx\.core\.impl\.BlockedThreadChecker|WARNING: Thread .*vert\.x-.* blocked for "
    r"|io\.vertx\.core\.VertxException: Thread blocked|The API gave the following container statuses:|\s+container \w+"
    r"|\s+(?:exit code|termination reason): "
    r"|WARNING: Using incubator modules|Files \S+ from |Using Spark's default log4j profile|Setting \w+ log level"
    r"|To adjust logging level|NOTE: Picked up |INFO: |\s+\.\.\. \d+ more"
    r"|Calling System\.exit\(\) with exit code |org\.apache\.spark\.SparkUserAppException: "
    r"|\s+at (?:[\w.@-]+/+)*(?:org\.apache\.(?:spark|hadoop)|scala|javax?|jdk|sun|py4j|io\.netty|io\.vertx)\."
)

# What the Kubernetes client logs where an answer of a polled watch has ended, or one of its threads takes long; and the
# lines of a stack trace below.
HARMLESS = re.compile(
    r"\S+ \S+ ERROR AbstractWatchManager: .*\bthis answer of a watch is complete\b"
    r"|io\.vertx\.core\.VertxException: Thread blocked"
)
OF_ITS_TRACE = re.compile(r"\s+at |\s+\.\.\. \d+ more|Caused by: |io\.(?:fabric8|vertx)\.[\w.]+Exception")
RECORD = re.compile(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d [A-Z]+ ")
# With the record before, though at the margin; the latter are what is pushed down to a source, at INFO.
GOES_ON = re.compile(
    "The executor with id |(?:Pushing operators to |Pushed [A-Z][A-Za-z ]*:|Post-Scan Filters:|Output:)"
)
DETAILED = re.compile(r"\S+ \S+ WARN ")  # records of which the first line is enough: what fails for good says it again
IN_PYTHON = " Traceback (most recent call last):"
# A listener that took its time logs the event: where the query was called, and its plan, until these words.
SLOW_LISTENER = re.compile(r"\S+ \S+ \w+ \w*(?:ListenerBus|EventQueue): Process of event ")
SLOW_LISTENER_END = re.compile(r"\bby ?listener \w{1,99} took [\d.]{1,30}\w{0,5}s\.?$", re.ASCII)
EXCEPTION = re.compile(r"[\w.]+(?:Error|Exception|Exit|Interrupt|Warning)\b")  # the line that ends a traceback


def is_own_output(line: str) -> bool:
    """Return whether a line of the driver's log is the program's own, not Spark's or the JVM's."""
    return bool(line.strip()) and not OWN_LINE.match(line)


class ProgramOutput:
    """Takes a driver's output in pieces. `show` prints a line of ours; `is_live` says that it draws on the terminal.

    Output that is not for a terminal is passed on as it is, byte for byte; without `takes_stdout` all of it is shown.
    """

    def __init__(self, show: Callable[[str], None], *, is_live: bool, takes_stdout: bool, verbose: bool) -> None:
        self._show = show
        self._passes_on = takes_stdout and not sys.stdout.isatty()
        self._print = show if is_live or not takes_stdout else echo
        self._verbose = verbose
        self._rests: dict[str, bytes] = {}
        self._is_hiding = False  # the lines of a record that is left out
        self._was_indented = False
        self._is_event = False  # the lines of an event that a slow listener logs
        self._is_harmless = False  # the lines of such a trace

    def take(self, stream: str, piece: bytes) -> list[str]:
        """Pass on or show a piece of a stream (Stdout, Stderr, or All for both); return the lines that it completes.

        Raises BrokenPipeError once nobody reads our stdout any more.
        """
        if stream == "Stdout" and self._passes_on:
            self._write(piece)
        *lines, self._rests[stream] = (self._rests.get(stream, b"") + piece).split(b"\n")
        for line in lines:
            self._take_line(stream, line)
        return [_text(line) for line in lines]

    def end(self, stream: str) -> list[str]:
        """Show what a stream left without its end of line; return it likewise."""
        rest = self._rests.pop(stream, b"")
        if rest:
            self._take_line(stream, rest)
        return [_text(rest)] if rest else []

    def _take_line(self, stream: str, line: bytes) -> None:
        text = _text(line)
        is_programs = stream == "Stdout" or (stream == "All" and is_own_output(text))
        if not is_programs:
            if self._verbose or (text.strip() and self._matters(text)):
                short = DETAILED.match(text) and not self._verbose
                self._show(text.removesuffix(IN_PYTHON) if short else text)
        elif not self._passes_on:
            self._print(text)
        elif stream == "All":
            self._write(line + b"\n")

    def _matters(self, line: str) -> bool:
        """Return whether a line of the log is shown: what goes on with a record is only if that is an error."""
        is_indented = line[0].isspace()
        if self._is_harmless and OF_ITS_TRACE.match(line):
            return False
        self._is_harmless = bool(HARMLESS.match(line))
        if RECORD.match(line):
            self._is_event = bool(SLOW_LISTENER.match(line))
            self._is_hiding = bool(NOISE.match(line) or DETAILED.match(line))
            self._was_indented = False
            return not (self._is_harmless or NOISE.match(line))
        if self._is_event:
            self._is_event = not SLOW_LISTENER_END.search(line)
            return False
        if not is_indented and not GOES_ON.match(line) and not (self._was_indented and EXCEPTION.match(line)):
            self._is_hiding = False
        self._was_indented = is_indented
        return not self._is_hiding and not NOISE.match(line)

    @staticmethod
    def _write(piece: bytes) -> None:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")
