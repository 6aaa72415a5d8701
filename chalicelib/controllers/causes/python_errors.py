"""Python's tracebacks in a log: exceptions with their frames, and what each was raised from.

Format: The Python Standard Library 3.13, "traceback", and "Exception context" of "Built-in Exceptions".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.controllers.causes.log_lines import RECORD, STACK

HEADER = "Traceback (most recent call last):"
IGNORED = re.compile(r"Exception ignored (?:in|while)|--- Logging error ---")
LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_GROUP = re.compile(r"^ *(?:[|+](?: |-+ ?\d*)?)+(?:-+)?")  # what an exception group puts before its lines
_FRAME = re.compile(r'\s*File "(?P<file>.+?)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
_ENDED = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?::(?: (?P<message>.*))?)?$")


@dataclass(frozen=True, slots=True)
class Frame:
    """Where an exception passed: the file as Python has it, the line's number, and the function."""

    file: str
    line: int
    function: str = ""


@dataclass(slots=True)
class PythonError:
    """One traceback: the exception's class as Python names it, the first line of its message, and its frames.

    `first` and `after` are its lines' indices in the log, half open. `quoted` says that it stands within a record of
    the log or a Java exception's text. `before` is the exception that it was raised from, or while handling it.
    """

    first: int
    quoted: bool = False
    kind: str = ""
    message: str = ""
    frames: list[Frame] = field(default_factory=list)
    after: int = 0
    before: PythonError | None = None

    @property
    def name(self) -> str:
        """Return the class without its module."""
        return self.kind.rpartition(".")[2]


def parse(lines: Sequence[str]) -> list[PythonError]:
    """Return the tracebacks of a log in their order; one that the log breaks off has no kind and is left out."""
    found: list[PythonError] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        if HEADER not in line and not _is_bare_syntax_error(lines, index):
            index += 1
            continue
        error = _read(lines, index)
        if error.kind and not _is_ignored(lines, index):
            if found and _is_link(lines[found[-1].after : index]):
                error.before = found[-1]
            found.append(error)
        index = max(error.after, index + 1)
    return found


def _is_bare_syntax_error(lines: Sequence[str], index: int) -> bool:
    """Return whether a SyntaxError of the program itself begins here, which Python prints without a header."""
    frame = _FRAME.match(lines[index])
    ahead = lines[index + 1 : index + 5]
    return bool(frame and not frame["function"] and any(re.match(r"\w+Error: ", line) for line in ahead))


def _is_ignored(lines: Sequence[str], index: int) -> bool:
    return index > 0 and bool(IGNORED.match(lines[index - 1]))


def _is_link(between: Sequence[str]) -> bool:
    said = [text for line in between if (text := _plain(line).strip())]
    return bool(said) and said[-1] in LINKS and len(said) <= 2


def _plain(line: str) -> str:
    """Return a line without the marks of an exception group."""
    return _GROUP.sub("", line) if line.startswith((" ", "+")) and ("|" in line or "+" in line) else line


def _read(lines: Sequence[str], first: int) -> PythonError:
    head = _plain(lines[first])
    error = PythonError(first, quoted=not head.startswith((HEADER, "Exception Group " + HEADER, "  File")))
    index = first if _FRAME.match(head) else first + 1
    while index < len(lines):
        line = _plain(lines[index])
        if frame := _FRAME.match(line):
            error.frames.append(Frame(frame["file"], int(frame["line"]), frame["function"] or ""))
        elif line and not line.startswith((" ", "\t")):
            break
        index += 1
    if index < len(lines) and (ended := _ENDED.match(_plain(lines[index]))):
        error.kind, error.message = ended["kind"], (ended["message"] or "").strip()
        index += 1
        if not error.message and index < len(lines) and _goes_on(lines[index]):
            error.message = lines[index].strip()
            index += 1
        while index < len(lines) and _goes_on(lines[index]):
            index += 1
    error.after = index
    return error


def _goes_on(line: str) -> bool:
    """Return whether a line still belongs to the message before it."""
    return bool(line.strip()) and HEADER not in line and not RECORD.match(line) and not STACK.match(line)
