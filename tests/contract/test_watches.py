"""Watches on two servers of one store, under writes, kills, faults and compactions, held to a LIST at each revision."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.watches.rounds import STORES, run

SECONDS = 5.0  # `make soak` goes on for as long as one likes


@pytest.mark.usefixtures("no_aws_account")
@pytest.mark.parametrize("store", STORES)
def test_watches_lead_to_what_lists_show(store: str, tmp_path: Path) -> None:
    counts = run(store, tmp_path, "test", seconds=SECONDS)

    assert counts["events"] > 100, counts
    assert counts["compared"] > 20, counts
    assert counts["410"] > 0 or store == "dynamodb", counts  # there it takes longer to be late
