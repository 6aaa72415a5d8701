"""Spans of time are those of kubectl and docker."""

from __future__ import annotations

import click
import pytest

from sparkanywhere.cli.time_span import TimeSpan


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800), ("0.2s", 1), ("1d2h3m4s", 93784)],
)
def test_a_span_is_so_many_seconds(text: str, seconds: int) -> None:
    assert TimeSpan().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "1m1h", "5 s", "1.5h", "m"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="no span of time"):
        TimeSpan().convert(text, None, None)
