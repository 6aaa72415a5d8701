"""The one sentence that says why a driver ended: pure (its pod, the end of its log) -> Cause."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.apimachinery.types import JSON
from chalicelib.controllers.causes import java_errors, python_errors
from chalicelib.controllers.causes.advice import advice, more_memory
from chalicelib.controllers.causes.java_errors import JavaError, Thrown
from chalicelib.controllers.causes.log_lines import ERROR_LEVELS, SPARKS, is_output, last_output, level_of, split
from chalicelib.controllers.causes.python_errors import PythonError
from chalicelib.controllers.causes.tasks import (
    JVM_OUT_OF_MEMORY,
    FailedTask,
    failed_task,
    last_executor_end,
    most_executors_failed,
)
from chalicelib.controllers.causes.user_paths import UserPaths

MAX_SENTENCE = 500  # characters; a termination message may have 4096 bytes
MAX_MESSAGE = 300  # of an exception
LAST_LINES = 30  # of a program's output that may say why it gave up
SIGNALS_FROM = 128
UNCAUGHT = 1  # the exit code of a Python program that an exception has ended

_SQLSTATE = re.compile(r"[.;]? SQLSTATE: \w+;?")
_FROM_WORKER = re.compile(r"An exception was thrown from the Python worker")
_ERROR_CLASS = re.compile(r"^\[[A-Z0-9_]+(?:\.[A-Z0-9_]+)*\] ")
# Errors of Spark that only wrap another one.
_WRAPPERS = re.compile(
    r"\[(?:FAILED_EXECUTE_UDF|TASK_WRITE_FAILED|FAILED_READ_FILE|INTERNAL_ERROR|STREAM_FAILED|WRITING_JOB_ABORTED)"
)
_TELLING = re.compile(r"AccessDenied|Status Code: 403|Call From .* failed on|UnknownHost|OutOfMemoryError")
_NO_MAIN_CLASS = re.compile(r"Error: Failed to load class (\S+?)\.?$")
_NO_PROGRAM = re.compile(r'.*IOException: Cannot run program "([^"]+)":.*No such file or directory')
_RUNS_PYTHON = re.compile(r"\s+at org\.apache\.spark\.deploy\.PythonRunner\b")
_UNRESOLVED = re.compile(r"unresolved dependency: ([^\s:]+)|not found\]?: (\S+#\S+)")
_UNREACHED = re.compile(r"Server access error at url (\w+://[^/\s]+)\S* \((.*)\)$")  # Ivy's, of a repository
_NOT_THERE = re.compile(r".*FileNotFoundException: .*?\b(\w+:/\S+)")
_LOGS_EVENTS = re.compile(r"\s+at org\.apache\.spark\.deploy\.history\.EventLogFileWriter\b")
_SAYS_ERROR = re.compile(r"(?i)^(?:fatal |unexpected )?error\b|^\[[A-Z0-9_.]+\] |^[\w.]*(?:Error|Exception)\b")
_ABORTED = "Job aborted due to stage failure"
# Last words of R and of a JVM that does not start, beside which another line says why
_LAST_WORDS = (
    "Execution halted",
    "Error occurred during initialization of VM",
    "Error: Could not create the Java Virtual Machine.",
    "Error: A fatal exception has occurred. Program will exit.",
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a container ended. `is_sure`: an error says so; else more of the log may still tell better."""

    sentence: str
    is_sure: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """What is known of a driver that has ended."""

    lines: list[str]
    code: int
    paths: UserPaths
    task: FailedTask | None
    python: str


def driver_cause(pod: JSON, exit_code: int, log: str, *, python: str = "") -> Cause:
    """Return why a driver ended with another code than 0, by the end of its log.

    `python` is the path of the interpreter on this machine that it ran, "" where it ran one of an image or an archive.
    """
    lines = split(log)
    ended = Ended(lines, exit_code, UserPaths(pod), failed_task(lines), python)
    finders: tuple[Callable[[Ended], str], ...] = (_by_submission, _by_executors, _by_python, _by_java)
    for find in finders:
        if sentence := find(ended):
            return Cause(_bounded(sentence), is_sure=True)
    return Cause(_bounded(ended.paths.in_text(_by_exit(ended))), is_sure=False)


def init_cause(pod: JSON, container: str, exit_code: int, log: str) -> Cause:
    """Return why an init container of a driver ended with another code than 0: the last that it printed."""
    last = UserPaths(pod).in_text(last_output(split(log))).removeprefix(f"{container}: ")
    return Cause(_bounded(last or f"{_code_text(exit_code)}, without a word of why"), is_sure=bool(last))


def _by_submission(ended: Ended) -> str:
    """Return what kept Spark from starting the program."""
    unreached = missing_program = missing_folder = ""
    for line in ended.lines:
        if found := _UNREACHED.search(line):
            unreached = f", and {found[1]} could not be reached: {found[2]}"
        if found := _NO_PROGRAM.match(line):
            missing_program = found[1]
        if missing_program and _RUNS_PYTHON.match(line):
            needs = "take an image with Python (tags that end in `-scala` have none), or name its path by --python"
            return f"there is no {missing_program} where the driver runs: {needs}"
        if found := _NOT_THERE.match(line):
            missing_folder = found[1]
        if missing_folder and _LOGS_EVENTS.match(line):
            make = "make it first, in a bucket as an object whose name ends with /"
            return f"{missing_folder}, the folder of spark.eventLog.dir, is not there: {make}"
        if found := _NO_MAIN_CLASS.match(line):
            return f"there is no class {found[1]} in {ended.paths.program or 'its jars'}: see --class"
        if found := _UNRESOLVED.search(line):
            missing = f"{found[1] or found[2]} was not found in any repository"
            return f"{missing}{unreached or ': see --packages'}"
    return ""


def _by_executors(ended: Ended) -> str:
    """Return why too many executors ended, or the one that ran the task that failed."""
    end, most = last_executor_end(ended.lines), most_executors_failed(ended.lines)
    lost_task = ended.task if ended.task and "ExecutorLostFailure" in ended.task.why else None
    if end is None or not (most or lost_task):
        return ""
    heap = end.code == JVM_OUT_OF_MEMORY
    why = f"executor {end.executor} ended with {_code_text(end.code)}"
    if end.out_of_memory:
        what = "Java heap space" if heap else "its pod's memory"
        why = f"executor {end.executor} ran out of memory ({what}, {_code_text(end.code)})"
    if lost_task:
        why += f" while it ran task {lost_task.task} of stage {lost_task.stage}"
    if most:
        why += f", and more than {most} executors had failed (spark.executor.maxNumFailures)"
    return f"{why}: {more_memory('executor', heap=heap)}" if end.out_of_memory else why


def _by_python(ended: Ended) -> str:
    """Return the exception that ended a Python program."""
    every = python_errors.parse(ended.lines)
    errors = [each for each in every if not each.quoted]
    if not errors or ended.code != UNCAUGHT:
        return ""
    error, place = errors[-1], ""
    above = next((each for each in errors[:-1] if each.after == error.first), None)  # which quotes this one
    for each in filter(None, (error, above)):
        place = place or _place(each, ended.paths)
    quoted = [each for each in every if each.quoted and each.first > error.first]
    if error.name == "Py4JJavaError" and quoted:  # of Python in a task, or called back
        return _sentence(
            _python_text(quoted[-1], ended.paths), _place(quoted[-1], ended.paths) or place, ended, ended.task
        )
    if error.name == "Py4JJavaError":
        behind = [each for each in java_errors.parse(ended.lines) if each.is_end and each.first >= error.first]
        if behind:
            return _java_sentence(behind[0], ended, place)
    text = _python_text(error, ended.paths)
    before = error.before
    if before is not None and before.message not in error.message:
        first = _place(before, ended.paths)
        place += f", after {_python_text(before, ended.paths)}{f' at {first}' if first else ''}"
    failed = above is not None or _FROM_WORKER.search(error.message) or _told_by(ended.task, error.message)
    return _sentence(text, place, ended, ended.task if failed else None)


def _python_text(error: PythonError, paths: UserPaths) -> str:
    message = paths.in_text(_cleaned(error.message))
    return f"{error.name}: {message}" if message else error.name


def _place(error: PythonError, paths: UserPaths) -> str:
    """Return the program's own last line in a traceback: `boom.py:4 in f`."""
    frames = [each for each in error.frames if paths.is_users(each.file)]
    if not frames:
        return ""
    last = frames[-1]
    function = f" in {last.function}" if last.function and not last.function.startswith("<") else ""
    return f"{paths.shown(last.file)}:{last.line}{function}"


def _by_java(ended: Ended) -> str:
    """Return the exception that ended a program of the JVM, or Spark itself."""
    errors = java_errors.parse(ended.lines)
    fatal = [
        each for each in errors if each.is_end or (ended.lines[each.first - 1 : each.first] and _is_fatal(ended, each))
    ]
    return _java_sentence(fatal[-1], ended, "") if fatal else ""


def _is_fatal(ended: Ended, error: JavaError) -> bool:
    """Return whether a stack trace belongs to a record of an error that Spark ends with."""
    head = ended.lines[error.first - 1]
    return level_of(head) in ERROR_LEVELS and bool(
        re.search(r"SparkContext|SparkSubmit|ApplicationMaster|Uncaught", head)
    )


def _java_sentence(error: JavaError, ended: Ended, place: str) -> str:
    thrown = _telling(error.chain)
    message, root = ended.paths.in_text(_cleaned(thrown.message)), _root(error.chain)
    text = f"{thrown.name}: {message}" if message else thrown.name
    place = error.place or place
    if thrown.name == "ConnectException" and error.is_end and not place:  # before the program: Spark fetches its files
        urls = [each for each in ended.paths.named if each.startswith(("http:", "https:"))]
        text += f", fetching {' or '.join(urls)}" if urls else ""
    if thrown.is_own and root is not thrown and root.message not in message:
        place += f", after {root.name}: {ended.paths.in_text(_cleaned(root.message))}"
    if thrown.name == "OutOfMemoryError":
        role = "executor" if ended.task and ended.task.executor != "driver" else "driver"
        return f"{_sentence(text, place, ended, ended.task)}: {more_memory(role, heap=True)}"
    in_task = any(each.message.startswith(_ABORTED) for each in error.chain)
    return _sentence(text, place, ended, ended.task if in_task or _told_by(ended.task, message) else None)


def _telling(chain: Sequence[Thrown]) -> Thrown:
    """Return the exception of a chain to act on: one that is known to tell, the program's own, or the root."""
    for each in chain:
        if each.message.startswith(_ABORTED):
            continue
        text = f"{each.kind}: {each.message}"
        if _TELLING.search(text) or (_ERROR_CLASS.match(each.message) and not _WRAPPERS.match(each.message)):
            return each
    own = next((each for each in chain if each.is_own and each.message), None)
    return own or _root(chain)


def _root(chain: Sequence[Thrown]) -> Thrown:
    return next((each for each in reversed(chain) if each.message), chain[0])


def _by_exit(ended: Ended) -> str:
    """Return what a program that says no more than its exit code has printed last."""
    errors = [line for line in ended.lines if level_of(line) in ERROR_LEVELS]
    own = {line for line in errors if not SPARKS.match(line)}
    said = [line.strip() for line in ended.lines if is_output(line) or line in own][-LAST_LINES:]
    said = [line for line in said if line not in _LAST_WORDS]
    told = next((line for line in reversed(said) if _SAYS_ERROR.match(line) or line in own), said[-1] if said else "")
    code = _code_text(ended.code)
    if told:
        return f"{code}, and its last line is: {_cleaned(told)}"
    return (
        f"{code}, and the last error in its log is: {_cleaned(errors[-1])}"
        if errors
        else f"{code}, without a word of why"
    )


def _code_text(code: int) -> str:
    """Return an exit code with the signal that it stands for."""
    try:
        return f"exit code {code} ({signal.Signals(code - SIGNALS_FROM).name})"
    except ValueError:
        return f"exit code {code}"


def _told_by(task: FailedTask | None, message: str) -> bool:
    """Return whether it is a task's failure that an exception's message tells of."""
    return task is not None and bool(message) and message[:60] in task.why


def _sentence(text: str, place: str, ended: Ended, task: FailedTask | None) -> str:
    said = text + (f" at {place}" if place else "") + (f", {task}" if task else "")
    known = advice(text, ended.python)
    return f"{said}: {known}" if known else said


def _cleaned(message: str) -> str:
    """Return the first line of a message without what nobody acts on."""
    text = _SQLSTATE.sub("", message).strip().rstrip(".;:")
    return f"{text[:MAX_MESSAGE]}…" if len(text) > MAX_MESSAGE else text


def _bounded(sentence: str) -> str:
    return sentence if len(sentence) <= MAX_SENTENCE else f"{sentence[:MAX_SENTENCE]}…"
