"""Java's stack traces in a log: exceptions with what caused them.

Format: java.lang.Throwable.printStackTrace, Java SE 17.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.controllers.causes.log_lines import RECORD

CAUSED_BY = "Caused by: "
_THROWN = re.compile(
    r'(?P<lead>Exception in thread "[^"]*" |Caused by: |: |)(?:\[\S+\] )?(?P<kind>[a-z][\w.$]*)'
    r"(?:: (?P<message>.*)|:)?$"
)
_FRAME = re.compile(r"\s+at (?P<method>[\w$.<>/@ -]+)\((?P<file>[\w.$-]+\.\w+):(?P<line>\d+)\)")
_IN_TASK = re.compile(r"executor \w+\): (?P<text>.*)$")
_IS_CLASS = re.compile(r"[A-Z][\w$]*$")
# Classes that are not the program's.
_LIBRARIES = (
    "java.", "javax.", "jdk.", "sun.", "scala.", "org.apache.", "com.fasterxml.", "com.google.", "io.netty.",
    "io.fabric8.", "okhttp3.", "py4j.", "org.eclipse.", "com.amazonaws.", "software.amazon.", "java.base/",
)  # fmt: skip
FRAMES_AHEAD = 60  # lines of a message before its first frame


@dataclass(slots=True)
class Thrown:
    """An exception: its class, the first line of its message, and the program's own `File.scala:4` that it came by.

    `is_own` says that the program itself has thrown it.
    """

    kind: str
    message: str
    place: str = ""
    is_own: bool = False
    has_frames: bool = False

    def pass_by(self, frame: re.Match[str]) -> None:
        """Note a frame of its stack trace; they come nearest first."""
        if is_own_frame(frame[0]) and not self.place:
            self.place, self.is_own = f"{frame['file']}:{frame['line']}", not self.has_frames
        self.has_frames = True

    @property
    def name(self) -> str:
        """Return the class without its package."""
        return self.kind.rpartition(".")[2].rpartition("$")[2]


@dataclass(slots=True)
class JavaError:
    """A stack trace: the exception and what caused it, outermost first.

    `first` and `after` are its lines' indices in the log, half open. `is_end` says that it ended its program:
    it went out of a thread, or to Python.
    """

    first: int
    is_end: bool
    chain: list[Thrown] = field(default_factory=list)
    after: int = 0

    @property
    def place(self) -> str:
        """Return the program's own line nearest to the root, "" if none is named."""
        return next((each.place for each in reversed(self.chain) if each.place), "")


def is_own_frame(line: str) -> bool:
    """Return whether a frame of a stack trace is the program's own, and not a library's."""
    frame = _FRAME.match(line)
    return frame is not None and not frame["method"].startswith(_LIBRARIES)


def parse(lines: Sequence[str]) -> list[JavaError]:
    """Return the stack traces of a log in their order."""
    found: list[JavaError] = []
    error: JavaError | None = None
    for index, line in enumerate(lines):
        thrown = _thrown(line)
        if thrown and error and thrown["lead"] == CAUSED_BY:
            error.chain += _split(thrown["kind"], thrown["message"] or "")
        elif thrown and thrown["lead"] != CAUSED_BY and _has_frames(lines, index):
            chain = _split(thrown["kind"], thrown["message"] or "")
            error = JavaError(index, is_end=bool(thrown["lead"]), chain=chain)
            found.append(error)
        elif error and RECORD.match(line):
            error = None
        elif error and (frame := _FRAME.match(line)):
            error.chain[-1].pass_by(frame)
        if error:
            error.after = index + 1
    return found


def _thrown(line: str) -> re.Match[str] | None:
    """Return the match of a line that an exception begins, None if it begins none."""
    found = _THROWN.match(line)
    return found if found and "." in found["kind"] and _IS_CLASS.match(found["kind"].rpartition(".")[2]) else None


def _split(kind: str, message: str) -> list[Thrown]:
    """Return an exception, and behind it the one of a task that its message tells of."""
    inner = _IN_TASK.search(message)
    told = _thrown(inner["text"]) if inner else None
    return [Thrown(kind, message), *([Thrown(told["kind"], told["message"] or "")] if told else [])]


def _has_frames(lines: Sequence[str], index: int) -> bool:
    for line in lines[index + 1 : index + FRAMES_AHEAD]:
        if _FRAME.match(line) or line.startswith(("\tat ", "Caused by: ")):
            return True
        if RECORD.match(line):
            return False
    return False
