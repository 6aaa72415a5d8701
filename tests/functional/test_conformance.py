"""Our API against a real server's recorded answers, where the recordings are at hand (in CI they are)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.conformance import BEGIN, END, FLOORS, find_suite, run, table, write_page

SUITE = find_suite(os.environ)


@pytest.mark.slow
@pytest.mark.skipif(
    SUITE is None, reason="the recordings are not on this machine: docs/conformance.md says why a clone has none"
)
def test_as_many_answers_as_promised_are_those_of_a_real_server(tmp_path: Path) -> None:
    assert SUITE is not None

    result = run(SUITE, tmp_path, {**os.environ, "PATH": os.environ["PATH"]})

    assert result.requests > 200
    assert result.below() == [], "\n".join(result.differing)
    assert all(level in table(result) for level in FLOORS)


def test_the_page_keeps_what_stands_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "conformance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    write_page(page, "| new |")

    assert page.read_text() == f"before\n{BEGIN}\n| new |\n{END}\nafter\n"


def test_a_page_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "conformance.md"
    page.write_text("no markers\n")

    with pytest.raises(ValueError, match="no place for the table"):
        write_page(page, "| new |")
