"""The errors of a log: each once, as its program wrote it, with how often it came."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.controllers.causes.error_blocks import ErrorBlock, error_blocks
from chalicelib.controllers.causes.log_lines import split
from chalicelib.controllers.causes.user_paths import UserPaths

DATA = Path(__file__).parents[3] / "data" / "causes"
ARGS = ["driver", "--class", "Main", "file:///opt/sparkanywhere/files/job.py"]
PATHS = UserPaths({"spec": {"containers": [{"args": ARGS}]}})


def blocks(log: str) -> list[ErrorBlock]:
    return error_blocks(split(log), PATHS)


@pytest.mark.parametrize(
    ("name", "firsts"),
    [
        ("boom-4.3.0", [("Traceback", 4), ("26/11/30 00:08:38 ERROR TaskSetManager: Task 1", 1)]),
        ("boom-3.5.9", [("Traceback", 4), ("26/11/30 00:26:42 ERROR TaskSetManager: Task 1", 1)]),
        ("chained-4.3.0", [("Traceback", 1)]),
        ("scala_driver-4.3.0", [('Exception in thread "main"', 1)]),
        ("syntax-4.3.0", [('  File "syntax.py", line 2', 1)]),
        ("exit3-4.3.0", []),
    ],
)
def test_retries_of_a_task_and_what_its_program_ended_with_are_one_error(
    name: str, firsts: list[tuple[str, int]]
) -> None:
    found = blocks((DATA / f"{name}.log").read_text())

    assert [
        (block.lines[0][: len(first)], block.count) for block, (first, _) in zip(found, firsts, strict=True)
    ] == firsts


def test_all_of_a_chain_is_one_error() -> None:
    (chain,) = blocks((DATA / "chained-4.3.0.log").read_text())

    assert [line for line in chain.lines if "Error: " in line] == [
        "KeyError: 'price'",
        "ValueError: no price in the row",
        "RuntimeError: row 7 is bad",
    ]


def test_paths_are_the_users_and_long_runs_of_frames_are_shortened() -> None:
    frames = "".join(f"\tat org.apache.spark.A.f{number}(A.scala:{number})\n" for number in range(9))
    log = (
        f'Exception in thread "main" a.B: /opt/sparkanywhere/files/in.csv\n{frames}\tat com.example.C.main(C.scala:4)\n'
    )

    (block,) = blocks(log)

    assert block.lines == (
        'Exception in thread "main" a.B: in.csv',
        *(f"\tat org.apache.spark.A.f{number}(A.scala:{number})" for number in range(3)),
        "    ... 6 frames",
        "\tat com.example.C.main(C.scala:4)",
    )


def test_frames_of_python_libraries_are_shortened_with_their_code() -> None:
    library = '  File "/venv/lib/python3.12/site-packages/a/b.py", line 1, in f\n    call()\n    ^^^^\n'
    own = '  File "/opt/sparkanywhere/files/job.py", line 9, in g\n    f()\n'

    (block,) = blocks(f"Traceback (most recent call last):\n{library * 5}{own}{library}a.b.Bad: it is\n")

    short = library.rstrip().split("\n")
    assert list(block.lines) == [
        "Traceback (most recent call last):",
        *(short * 3),
        "    ... 2 frames",
        *own.replace("/opt/sparkanywhere/files/", "").rstrip().split("\n"),
        *short,
        "a.b.Bad: it is",
    ]


def test_warnings_count_if_they_tell_of_an_error_and_output_ends_one() -> None:
    log = (
        "26/11/30 00:00:00 WARN A: slow\n"
        "26/11/30 00:00:00 WARN A: java.io.IOException: full\n"
        "my own line\n"
        "26/11/30 00:00:01 INFO A: RuntimeException\n"
        "26/11/30 00:00:02 WARN A: java.io.IOException: full\n"
        "\n"
    )

    assert blocks(log) == [ErrorBlock(("26/11/30 00:00:00 WARN A: java.io.IOException: full",), 2)]


def test_what_a_program_logs_or_says_of_an_exception_and_its_traceback_are_one_error() -> None:
    traceback = (
        'Traceback (most recent call last):\n  File "/opt/sparkanywhere/files/job.py", line 1, in f\nKeyError: {}\n'
    )
    log = (
        "Exception in thread Thread-1 (f):\n"
        + traceback.format(1)
        + "2026-11-30 01:01:24,033 ERROR root: bad row\n"
        + traceback.format(2)
        + "26/11/30 01:01:24 ERROR Executor: bad task\n"
        + traceback.format(3)
    )

    assert [(block.lines[0], block.lines[-1]) for block in blocks(log)] == [
        ("Exception in thread Thread-1 (f):", "KeyError: 1"),
        ("2026-11-30 01:01:24,033 ERROR root: bad row", "KeyError: 2"),
        ("26/11/30 01:01:24 ERROR Executor: bad task", "26/11/30 01:01:24 ERROR Executor: bad task"),
        ("Traceback (most recent call last):", "KeyError: 3"),
    ]
