"""`make bench`: which benchmarks are run, and where their tables go."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import found, is_wanted, placed

README = "a\n<!-- bench api: by hand -->\nold\n<!-- bench api ends -->\nb\n"


def test_a_table_takes_the_place_of_the_last_one() -> None:
    assert placed(README, "api", r"new \1") == (
        "a\n<!-- bench api: by hand -->\nnew \\1\n<!-- bench api ends -->\nb\n"
    )


def test_a_benchmark_without_a_place_changes_nothing() -> None:
    assert placed(README, "pi", "new") == README


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [("api", {}, True), ("pi", {}, False), ("pi", {"PI": "0"}, False), ("pi", {"PI": "1"}, True)],
)
def test_the_long_ones_are_run_on_request(name: str, environ: dict[str, str], expected: bool) -> None:
    assert is_wanted(name, environ) is expected


def test_every_benchmark_has_its_place_in_the_readme() -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()

    assert [name for name in found() if placed(readme, name, "new") == readme] == []
