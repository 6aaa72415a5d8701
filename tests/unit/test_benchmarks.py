"""`make bench`: which benchmarks are run, and where their tables go."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import PAGE, found, is_wanted, placed

TEXT = "a\n<!-- bench api: by hand -->\nold\n<!-- bench api ends -->\nb\n"


def test_a_table_takes_the_place_of_the_last_one() -> None:
    assert placed(TEXT, "api", r"new \1") == ("a\n<!-- bench api: by hand -->\nnew \\1\n<!-- bench api ends -->\nb\n")


def test_a_benchmark_without_a_place_changes_nothing() -> None:
    assert placed(TEXT, "pi", "new") == TEXT


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [("api", {}, True), ("pi", {}, False), ("pi", {"PI": "0"}, False), ("pi", {"PI": "1"}, True)],
)
def test_the_long_ones_are_run_on_request(name: str, environ: dict[str, str], expected: bool) -> None:
    assert is_wanted(name, environ) is expected


def test_every_benchmark_has_its_place_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert [name for name in found() if placed(page, name, "new") == page] == []
