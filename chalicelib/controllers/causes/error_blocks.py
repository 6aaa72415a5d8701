"""The errors of a log: records of that level and stack traces, the same one told once with how often it came. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.controllers.causes import java_errors, python_errors
from chalicelib.controllers.causes.log_lines import ERROR_LEVELS, SPARKS, level_of
from chalicelib.controllers.causes.user_paths import UserPaths

FRAMES = 3  # of libraries that are shown one after another
_BEGINS = re.compile(r"Traceback \(most recent|Exception in thread |Error: |Exception ignored ")
_BARE = re.compile(r'  File "[^"]+", line \d+$')  # a SyntaxError of the program itself
_TELLS = re.compile(r"Traceback \(most recent|\w(?:Exception|Error)\b|Lost executor")
# What still belongs to the record before it: stack traces, messages of several lines, quoted SQL.
_GOES_ON = re.compile(
    r"\s|$|: |[\w.$]+(?:Exception|Error|Exit|Interrupt|Warning)\b|Driver stacktrace|Caused by: |[)=^]"
    r"|The (?:above exception|executor with id|API gave)|During handling"
)
_OF_TASK = re.compile(
    r"Lost task .* executor \w+\)?: (?P<kind>[\w.$]+)(?:: (?P<message>.*)| \((?P<told>.*?)\)?(?: \[duplicate \d+\])?)$"
)
_FRAME = re.compile(r'\tat |  File "(?P<file>[^"]+)", line \d+')
_LEFT_OUT = "    ... {} frames"
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class ErrorBlock:
    """One error: its lines as they are to be shown, and how often it stands in the log."""

    lines: tuple[str, ...]
    count: int = 1


def error_blocks(lines: Sequence[str], paths: UserPaths) -> list[ErrorBlock]:
    """Return the errors of a log in the order of their first, each as its program wrote it last."""
    shown: dict[object, tuple[str, ...]] = {}
    counts: dict[object, Counter[bool]] = {}  # how often it was logged, and how often printed
    for block in _blocks(lines):
        key, is_logged = _key(block), bool(level_of(block[0]))
        if key not in shown or not is_logged:  # better than one that Spark quotes
            shown[key] = tuple(_shown(block, paths))
        counts.setdefault(key, Counter())[is_logged] += 1
    return [ErrorBlock(text, max(counts[key].values())) for key, text in shown.items()]


def _blocks(lines: Sequence[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in lines:
        level = level_of(line)
        if level or (_BEGINS.match(line) and not _continues(block)) or (not block and _BARE.match(line)):
            if block:
                yield block
            block = [line] if _is_error(line, level) else []
        elif block and (_GOES_ON.match(line) or _BEGINS.match(line) or block[-1].startswith("  ")):
            block.append(line)  # what comes below a frame is the exception, whatever it is called
        elif block:
            yield block
            block = []
    if block:
        yield block


def _is_error(line: str, level: str) -> bool:
    if level == "WARN":
        return bool(_TELLS.search(line))
    return level in ("", *ERROR_LEVELS) or "TaskSetManager: Lost task" in line


def _continues(block: Sequence[str]) -> bool:
    """Return whether a traceback that comes next belongs to what the block has told so far."""
    said = [line for line in block if line.strip()]
    if not said:
        return False
    if level_of(said[-1]):  # logging.exception: the traceback follows at once
        return not SPARKS.match(said[-1])
    is_quote = said[-1].endswith("thrown from the Python worker:")
    return is_quote or said[-1] in python_errors.LINKS or said[-1].startswith("Exception in thread ")


def _key(block: Sequence[str]) -> object:
    """Return what is the same for an error that comes again."""
    if errors := python_errors.parse(block):
        last = errors[-1]
        return last.name, last.message
    if thrown := java_errors.parse(block):
        root = thrown[-1].chain[-1]
        return root.name, root.message
    if lost := _OF_TASK.search(block[0]):
        return lost["kind"].rpartition(".")[2], lost["message"] or lost["told"]
    return _DIGITS.sub("0", block[0])


def _shown(block: Sequence[str], paths: UserPaths) -> Iterator[str]:
    """Yield the lines of a block with the user's paths, runs of frames of libraries shortened."""
    while not block[-1].strip():
        block = block[:-1]
    run, left_out = 0, 0  # frames of libraries one after another, and how many of them are not shown
    for line in block:
        frame = _FRAME.match(line)
        if frame and not _is_own(frame, line, paths):
            run += 1
            left_out += run > FRAMES
        elif frame or not (run and line.startswith("    ")):  # else code that Python shows below its frame
            if left_out:
                yield _LEFT_OUT.format(left_out)
            run = left_out = 0
        if not left_out:
            yield paths.in_text(line)
    if left_out:
        yield _LEFT_OUT.format(left_out)


def _is_own(frame: re.Match[str], line: str, paths: UserPaths) -> bool:
    return paths.is_users(frame["file"]) if frame["file"] else java_errors.is_own_frame(line)
