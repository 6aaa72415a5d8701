"""Progress lines: redrawn on a terminal, rare in a log."""

from __future__ import annotations

import io

import pytest

from sparkanywhere.spark.progress import Step, StepPrinter, sentence


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step("Compiling"), "Compiling"),
        (Step("Downloading", 12_000_000), "Downloading: 12 MB"),
        (Step("Downloading", 12_000_000, 456_000_000), "Downloading: 12 of 456 MB"),
        (Step("Downloading", 457_000_000, 456_000_000), "Downloading: 457 of 457 MB"),
    ],
)
def test_a_step_is_told_in_words(step: Step, words: str) -> None:
    assert sentence(step) == words


def test_a_log_gets_a_line_for_each_step_and_few_between() -> None:
    stream = io.StringIO()
    moments = iter([0.0, 1.0, 6.0, 20.0, 20.1])
    show = StepPrinter(stream, clock=lambda: next(moments))

    for step in (Step("A", 1), Step("A", 2_000_000), Step("A", 3_000_000), Step("A", 3_000_001), Step("B")):
        show(step)
    show.close()

    assert stream.getvalue() == "A: 0 MB\nA: 3 MB\nB\n"
