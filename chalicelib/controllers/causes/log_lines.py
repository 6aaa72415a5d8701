"""The lines of a driver's log: which are records of its logging, and which the program's own output."""

from __future__ import annotations

import re
from collections.abc import Sequence

# A record of log4j in Spark's or Hadoop's default layout, in one with an ISO date, or as JSON (Spark's structured
# logging); a record of java.util.logging has two lines.
RECORD = re.compile(
    r"\d\d(?:\d\d)?[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d\S*\s+(?:\[[^\]]*\]\s+)?"
    r"(?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\b"
    r'|\{"ts": ?".*?"level": ?"(?P<json_level>[A-Z]+)"'
    r"|(?P<jul_level>SEVERE|WARNING|INFO): "
    r"|[A-Z][a-z]{2} \d{1,2}, \d{4},? .*[AP]M "
)
SPARKS = re.compile(r"\d\d/\d\d/\d\d |\{\"ts\"")  # a record of Spark's; others may be the program's own logging
ERROR_LEVELS = ("ERROR", "FATAL", "SEVERE")
# What launchers, the JVM and Spark print beside records.
REMARK = re.compile(
    r"Files \S+ from |Using Spark's default log4j profile|Setting default log level|To adjust logging level"
    r"|NOTE: Picked up |WARNING: |OpenJDK |\+ (?:CMD|exec|case|shift|echo|test|\[) ?|\+\+ |:: |\[Stage \d+:"
    r"|.*: (?:Future|Deprecation|User|Runtime|Syntax|Resource)Warning: "
)
THROWN = re.compile(r"(?:[a-z]\w*\.)+[A-Z][\w$]*(?:: |$)")
STACK = re.compile(
    r"\s+at [\w.$/@<>-]+\(?|\s+\.\.\. \d+ (?:more|common frames omitted)|Caused by: |Driver stacktrace:$"
)
MAX_LINE = 2000  # characters of a line that are looked at
# What SparkSubmit says as it ends a driver by spark.submit.callSystemExitOnMainExit, and, of a Python program that has
# told the rest by itself, what it was thrown. Java's words for what else was thrown are put in their place.
EXITS = re.compile(r"Calling System\.exit\(\) with exit code \d+ because ")
USER_EXIT = "org.apache.spark.SparkUserAppException: "
UNCAUGHT = 'Exception in thread "main" '


def split(text: str) -> list[str]:
    """Return the lines of a log, each of a bounded length; what a progress bar has overwritten is left out.

    An exception that ended the driver's main begins as Java itself would write it, however Spark logged it.
    """
    lines, is_thrown = list[str](), False
    for each in text.split("\n"):
        line = each.rstrip("\r").rpartition("\r")[2][:MAX_LINE]
        if not EXITS.match(line) and not (is_thrown and line.startswith(USER_EXIT)):
            lines.append(f"{UNCAUGHT}{line}" if is_thrown and THROWN.match(line) else line)
        is_thrown = bool(EXITS.match(line))
    return lines


def level_of(line: str) -> str:
    """Return the level of the record that a line begins, "" if it begins none."""
    found = RECORD.match(line)
    return next(filter(None, found.groups()), "INFO") if found else ""


def is_output(line: str) -> bool:
    """Return whether a line by itself may be what the program printed."""
    return bool(line.strip()) and not (RECORD.match(line) or REMARK.match(line) or STACK.match(line))


def last_output(lines: Sequence[str]) -> str:
    """Return the last line that the program printed, "" if it printed nothing."""
    return next((line.strip() for line in reversed(lines) if is_output(line)), "")
