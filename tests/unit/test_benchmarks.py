"""`make bench`: which benchmarks are run, and where their tables go."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import PAGE, found, is_wanted, placed
from benchmarks.start import Kind
from benchmarks.work import timed

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


def test_phases_of_two_versions_stand_beside_each_other() -> None:
    kind = Kind("a start", 6.0)
    for name, alls, submits in (("old", (9.0, 12.0, 10.0), (4.0, 2.0, 3.0)), ("now", (5.0, 4.0, 6.0), None)):
        kind.by_version[name] = {"all": list(alls), **({"submit": list(submits)} if submits else {})}

    assert list(kind.rows(["old", "now"])) == [
        "| **a start** | 10.0 [9.0..12.0] (3) | 5.0 [4.0..6.0] (3) | 0.50x | under 6 |",
        "| &nbsp; submit | 3.0 [2.0..4.0] (3) |  |  |  |",
    ]


def test_a_job_of_work_tells_its_parts() -> None:
    seconds = timed(lambda: "noise\nsession 1.5\n   job 2.0\n")

    assert (seconds["session"], seconds["job"]) == (1.5, 2.0)
    assert seconds["all"] == pytest.approx(seconds["submission and end"] + 3.5)


def test_a_job_of_work_without_its_end_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="not come to its end"):
        timed(lambda: "session 1.5\nTraceback\n")
