"""README.md is short, and shows only commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
MOST_WORDS = 700  # as `wc -w` counts them: two minutes' reading


@pytest.fixture(scope="module")
def readme() -> str:
    """Return the README's text."""
    return (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_readme_can_be_read_in_two_minutes(readme: str) -> None:
    assert len(readme.split()) <= MOST_WORDS


def test_the_first_lines_say_what_is_not_proven(readme: str) -> None:
    status = readme.splitlines()[2]

    assert status.startswith("**Status:")
    assert "never on a real account" in status


def test_every_make_target_shown_exists(readme: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))

    shown = set(re.findall(r"(?:`|^\$ )make ([a-z][a-z0-9-]+)", readme, re.MULTILINE))

    assert shown >= {"pi", "serve"}
    assert shown <= targets
